// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/artifact_check.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/base/text.h"

namespace millrace::sched {
namespace {

constexpr std::size_t kNamesToSuggest = 100;

// Whether it leads to somewhere below the work directory, and nowhere else. Workers look at patterns more closely.
bool StaysBelow(std::string_view path) {
  if (path.empty() || path.size() > kMaxArtifactPath || path.find('\0') != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

absl::Status CheckPathOf(std::string_view path, std::string_view what) {
  if (StaysBelow(path)) return absl::OkStatus();
  return InvalidArgument(
      "%s: '%s' does not stay in the work directory; it must be relative, of %d bytes at most, without empty parts, "
      "'.' and '..'",
      what, Beginning(path, kMaxArtifactName), kMaxArtifactPath);
}

absl::Status CheckProduce(const Produce& produce) {
  if (!IsArtifactName(produce.name)) {
    return InvalidArgument("'%s' is no name of an artifact; use %s", Beginning(produce.name, kMaxArtifactName),
                           kArtifactNameRule);
  }
  const std::string what = "artifact '" + produce.name + "'";
  if (produce.paths.empty()) return InvalidArgument("%s has no paths", what);
  if (produce.paths.size() > kMaxArtifactPaths) {
    return ResourceExhausted("%s has %d paths; at most %d are allowed", what, produce.paths.size(), kMaxArtifactPaths);
  }
  for (const std::string& path : produce.paths) MILLRACE_RETURN_IF_ERROR(CheckPathOf(path, what));
  return absl::OkStatus();
}

// What one task consumes by one entry.
absl::Status CheckOne(const PackedJob& job, std::uint32_t task, const Consume& consume) {
  std::vector<std::string> others;
  std::vector<std::string> made;
  bool found = false;
  for (const Dependency need : job.tasks.NeedsOf(task)) {
    const std::string_view name = job.tasks.NameOf(need.task);
    if (!IsConsumed(consume.from, name)) {
      if (others.size() < kNamesToSuggest) others.emplace_back(name.substr(0, name.find('[')));
      continue;
    }
    found = true;
    const std::vector<Produce>& produces = job.PolicyOf(need.task).produces;
    if (std::any_of(produces.begin(), produces.end(), [&](const Produce& produce) {
          return consume.artifact.empty() || produce.name == consume.artifact;
        })) {
      continue;
    }
    if (produces.empty()) {
      return InvalidArgument("task '%s' consumes artifacts of '%s', which produces none", job.tasks.NameOf(task), name);
    }
    for (const Produce& produce : produces) made.push_back(produce.name);
    return InvalidArgument("task '%s' consumes the artifact '%s' of '%s', which has none of that name%s",
                           job.tasks.NameOf(task), consume.artifact, name, DidYouMean(consume.artifact, made));
  }
  if (found) return absl::OkStatus();
  const std::string meant = DidYouMean(consume.from, others);
  return InvalidArgument("task '%s' consumes artifacts of '%s', which it does not need%s", job.tasks.NameOf(task),
                         Beginning(consume.from, kMaxArtifactPath), meant.empty() ? "; add it to its needs" : meant);
}

}  // namespace

std::size_t ArtifactBytes(const Policy& policy) {
  std::size_t bytes = 0;
  for (const Produce& produce : policy.produces) {
    bytes += produce.name.size() + 16;
    for (const std::string& path : produce.paths) bytes += path.size() + 4;
  }
  for (const Consume& consume : policy.consumes) {
    bytes += consume.from.size() + consume.artifact.size() + consume.into.size() + 16;
  }
  return bytes;
}

absl::Status CheckArtifacts(const Policy& policy) {
  if (policy.produces.size() > kMaxArtifacts || policy.consumes.size() > kMaxArtifacts) {
    return ResourceExhausted("a task produces %d artifacts and consumes %d; at most %d are allowed of each",
                             policy.produces.size(), policy.consumes.size(), kMaxArtifacts);
  }
  if (const std::size_t bytes = ArtifactBytes(policy); bytes > kMaxArtifactRules) {
    return ResourceExhausted("what a task says of artifacts has %d bytes; at most %d are allowed", bytes,
                             kMaxArtifactRules);
  }
  std::set<std::string_view> names;
  for (const Produce& produce : policy.produces) {
    MILLRACE_RETURN_IF_ERROR(CheckProduce(produce));
    if (!names.insert(produce.name).second) return InvalidArgument("two artifacts are named '%s'", produce.name);
  }
  for (const Consume& consume : policy.consumes) {
    if (consume.from.empty()) return InvalidArgument("artifacts are consumed of a task without a name");
    if (!consume.artifact.empty() && !IsArtifactName(consume.artifact)) {
      return InvalidArgument("'%s' is no name of an artifact; use %s", Beginning(consume.artifact, kMaxArtifactName),
                             kArtifactNameRule);
    }
    if (!consume.into.empty()) MILLRACE_RETURN_IF_ERROR(CheckPathOf(consume.into, "'into'"));
  }
  return absl::OkStatus();
}

absl::Status CheckConsumed(const PackedJob& job) {
  const bool any = std::any_of(job.policies.begin(), job.policies.end(),
                               [](const Policy& policy) { return !policy.consumes.empty(); });
  if (!any) return absl::OkStatus();
  for (std::uint32_t task = 0; task < job.tasks.size(); ++task) {
    for (const Consume& consume : job.PolicyOf(task).consumes) {
      MILLRACE_RETURN_IF_ERROR(CheckOne(job, task, consume));
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::sched
