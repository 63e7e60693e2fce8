// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/bind.h"

#include <string>

#include "millrace/base/names.h"

namespace millrace::detail {

std::vector<const DependencyView*> BoundTo(std::size_t index, std::string_view module,
                                           std::span<const DependencyView> dependencies) {
  std::vector<const DependencyView*> bound;
  for (const DependencyView& dependency : dependencies) {
    const bool by_number = dependency.parameter >= 0 && static_cast<std::size_t>(dependency.parameter) == index;
    const bool by_name = dependency.parameter < 0 && dependency.module == module;
    if (by_number || by_name) bound.push_back(&dependency);
  }
  return bound;
}

absl::Status WrongCount(std::string_view module, const std::vector<const DependencyView*>& bound) {
  if (bound.empty()) {
    return FailedPrecondition("it takes one '%s', and none of its dependencies is one", module);
  }
  std::string names;
  for (const DependencyView* dependency : bound) names += (names.empty() ? "" : ", ") + dependency->name;
  return FailedPrecondition("it takes one '%s', and %d of its dependencies are (%s)", module, bound.size(), names);
}

absl::Status WhyNoValue(const DependencyView& dependency) {
  const absl::StatusCode code = dependency.outcome == Outcome::kSkipped || dependency.outcome == Outcome::kCancelled
                                    ? absl::StatusCode::kCancelled
                                    : absl::StatusCode::kFailedPrecondition;
  const std::string& message = dependency.failure.message;
  return Error(code, "%s%s%s", EnumName(dependency.outcome), message.empty() ? "" : ": ", message);
}

absl::Status Undecodable(const DependencyView& dependency, std::string_view what, const absl::Status& why) {
  return Annotate(why, absl::StrFormat("the %s of '%s' does not decode", what, dependency.name));
}

}  // namespace millrace::detail
