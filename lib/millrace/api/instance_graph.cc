// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/instance_graph.h"

#include <map>
#include <string>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"

namespace millrace::detail {
namespace {

using InstancesByType = std::map<const void*, std::vector<std::uint32_t>>;

std::string_view ParameterWord(Takes takes) {
  switch (takes) {
    case Takes::kOne: return "From";
    case Takes::kAll: return "FromAll";
    case Takes::kMaybe: return "Maybe";
  }
  return "";
}

// "a, b, c and 7 more".
std::string ListNames(std::span<const Instance> instances, const std::vector<std::uint32_t>& indices) {
  constexpr std::size_t kShown = 5;
  std::string list;
  for (std::size_t i = 0; i < indices.size() && i < kShown; ++i) {
    list += (i == 0 ? "" : ", ") + instances[indices[i]].name;
  }
  if (indices.size() > kShown) list += absl::StrFormat(" and %d more", indices.size() - kShown);
  return list;
}

absl::Status Missing(std::string_view pipeline, std::span<const Instance> instances, const Instance& dependant,
                     const ParameterSpec& parameter) {
  std::vector<std::string> names;
  for (const Instance& instance : instances) names.emplace_back(instance.entry->name);
  return InvalidArgument("'%s' takes %s<%s>, and the pipeline '%s' has no module '%s'%s", dependant.name,
                         ParameterWord(parameter.takes), parameter.module, pipeline, parameter.module,
                         DidYouMean(parameter.module, names));
}

class Resolver {
 public:
  Resolver(std::string_view pipeline, std::span<const Instance> instances) : pipeline_(pipeline), all_(instances) {
    for (std::uint32_t i = 0; i < all_.size(); ++i) by_type_[all_[i].entry->type].push_back(i);
  }

  absl::Status Resolve(std::uint32_t dependant, std::int32_t index, std::vector<Dependency>& needs) const {
    const Instance& instance = all_[dependant];
    const ParameterSpec& parameter = instance.entry->parameters[static_cast<std::size_t>(index)];
    const auto found = by_type_.find(parameter.type);
    const bool optional = parameter.takes == Takes::kMaybe;
    if (found == by_type_.end()) {
      return optional ? absl::OkStatus() : Missing(pipeline_, all_, instance, parameter);
    }
    const std::vector<std::uint32_t> taken = Narrow(instance, parameter, found->second);
    if (taken.empty() && !optional) {
      return InvalidArgument("'%s' takes %s<%s>, and its Takes() leaves none of the %d there are (%s)", instance.name,
                             ParameterWord(parameter.takes), parameter.module, found->second.size(),
                             ListNames(all_, found->second));
    }
    if (taken.size() > 1 && parameter.takes != Takes::kAll) {
      return InvalidArgument(
          "'%s' takes one '%s' (%s<%s>), and there are %d (%s): take FromAll, or narrow them with bool Takes(const M&)",
          instance.name, parameter.module, ParameterWord(parameter.takes), parameter.module, taken.size(),
          ListNames(all_, taken));
    }
    for (const std::uint32_t task : taken) {
      needs.push_back({task, optional ? DependencyKind::kOptional : DependencyKind::kRequired, index});
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::uint32_t> Narrow(const Instance& dependant, const ParameterSpec& parameter,
                                    const std::vector<std::uint32_t>& candidates) const {
    if (parameter.narrows == nullptr) return candidates;
    std::vector<std::uint32_t> taken;
    for (const std::uint32_t candidate : candidates) {
      if (parameter.narrows(dependant.module.get(), all_[candidate].module.get())) taken.push_back(candidate);
    }
    return taken;
  }

  std::string_view pipeline_;
  std::span<const Instance> all_;
  InstancesByType by_type_;
};

// Depth first with a stack of its own, since a chain may be as long as the pipeline.
class CycleFinder {
 public:
  explicit CycleFinder(const Needs& needs) : needs_(needs), state_(needs.size(), State::kNew) {}

  // The instances of a circle, the first one again at the end; empty = there is none.
  std::vector<std::uint32_t> Find() {
    for (std::uint32_t start = 0; start < needs_.size(); ++start) {
      if (state_[start] != State::kNew) continue;
      Push(start);
      while (!path_.empty()) {
        Frame& top = path_.back();
        if (top.next == needs_[top.task].size()) {
          state_[top.task] = State::kDone;
          path_.pop_back();
          continue;
        }
        const std::uint32_t next = needs_[top.task][top.next++].task;
        if (state_[next] == State::kOnPath) return CircleFrom(next);
        if (state_[next] == State::kNew) Push(next);
      }
    }
    return {};
  }

 private:
  enum class State : std::uint8_t { kNew, kOnPath, kDone };
  struct Frame {
    std::uint32_t task = 0;
    std::size_t next = 0;
  };

  void Push(std::uint32_t task) {
    state_[task] = State::kOnPath;
    path_.push_back({task, 0});
  }
  std::vector<std::uint32_t> CircleFrom(std::uint32_t first) const {
    std::vector<std::uint32_t> circle;
    for (const Frame& frame : path_) {
      if (!circle.empty() || frame.task == first) circle.push_back(frame.task);
    }
    circle.push_back(first);
    return circle;
  }

  const Needs& needs_;
  std::vector<State> state_;
  std::vector<Frame> path_;
};

}  // namespace

absl::StatusOr<Needs> ResolveNeeds(std::string_view pipeline, std::span<const Instance> instances) {
  const Resolver resolver(pipeline, instances);
  Needs needs(instances.size());
  for (std::uint32_t i = 0; i < instances.size(); ++i) {
    const auto parameters = static_cast<std::int32_t>(instances[i].entry->parameters.size());
    for (std::int32_t parameter = 0; parameter < parameters; ++parameter) {
      MILLRACE_RETURN_IF_ERROR(resolver.Resolve(i, parameter, needs[i]));
    }
  }
  return needs;
}

absl::Status CheckAcyclic(std::span<const Instance> instances, const Needs& needs) {
  const std::vector<std::uint32_t> circle = CycleFinder(needs).Find();
  if (circle.empty()) return absl::OkStatus();
  std::string path;
  for (const std::uint32_t task : circle) path += (path.empty() ? "" : " -> ") + instances[task].name;
  return InvalidArgument("these modules wait for each other: %s", path);
}

}  // namespace millrace::detail
