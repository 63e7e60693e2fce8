// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/artifacts.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/base/suggest.h"
#include "millrace/yaml/problems.h"
#include "millrace/yaml/read.h"

namespace millrace::yaml {
namespace {

std::optional<Produce> ReadProduce(const Entry& entry, std::string_view where, Problems& problems) {
  if (!IsArtifactName(entry.key)) {
    problems.Add(entry.mark, "'%s' cannot name an artifact; use %s", entry.key, kArtifactNameRule);
    return std::nullopt;
  }
  const std::string what = absl::StrFormat("the artifact '%s' of %s", entry.key, where);
  Produce produce{.name = entry.key, .paths = {}};
  const Node* paths = &entry.value;
  if (entry.value.is_map()) {
    paths = entry.value.Find("paths");
    for (const Entry& field : entry.value.entries) {
      if (field.key == "may_be_empty") {
        produce.may_be_empty =
            ReadFlag(field.value, absl::StrFormat("'may_be_empty' of %s", what), problems).value_or(false);
      } else if (field.key != "paths") {
        RefuseKey(field, what, ProduceKeys(), problems);
      }
    }
    if (paths == nullptr) {
      problems.Add(entry.mark, "%s has no 'paths'", what);
      return std::nullopt;
    }
  }
  std::optional<std::vector<std::string>> texts = ReadTexts(*paths, absl::StrFormat("'paths' of %s", what), problems);
  if (!texts.has_value()) return std::nullopt;
  if (texts->empty()) problems.Add(paths->mark, "%s has no paths", what);
  produce.paths = *std::move(texts);
  return produce;
}

// "build", or "build/app" for one of its artifacts: no step has a slash in its name. An instance may have one, within
// its brackets.
Consume Parsed(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string::npos || text.find(']', slash) != std::string::npos) return {.from = text};
  return {.from = text.substr(0, slash), .artifact = text.substr(slash + 1)};
}

std::optional<Consume> ReadConsume(const Node& node, std::string_view where, Problems& problems) {
  const std::string what = absl::StrFormat("an item of 'consumes' of %s", where);
  if (!node.is_map()) {
    const std::optional<std::string> text = ReadText(node, what, problems);
    return text.has_value() ? std::optional<Consume>(Parsed(*text)) : std::nullopt;
  }
  Consume consume;
  for (const Entry& field : node.entries) {
    std::string* const into = field.key == "from"       ? &consume.from
                              : field.key == "artifact" ? &consume.artifact
                              : field.key == "into"     ? &consume.into
                                                        : nullptr;
    if (into == nullptr) {
      RefuseKey(field, what, ConsumeKeys(), problems);
    } else if (auto text = ReadText(field.value, absl::StrFormat("'%s' of %s", field.key, what), problems)) {
      *into = *std::move(text);
    }
  }
  if (node.Find("from") != nullptr) return consume;
  problems.Add(node.mark, "%s does not say 'from' which module", what);
  return std::nullopt;
}

}  // namespace

std::vector<Produce> ReadProduces(const Node& node, std::string_view where, Problems& problems) {
  std::vector<Produce> produces;
  if (!node.is_map()) {
    problems.Add(node.mark, "'produces' of %s must be a map of names and paths such as {app: build/app}, not %s", where,
                 Describe(node));
    return produces;
  }
  for (const Entry& entry : node.entries) {
    if (auto produce = ReadProduce(entry, where, problems)) produces.push_back(*std::move(produce));
  }
  return produces;
}

std::vector<Consume> ReadConsumes(const Node& node, std::string_view where, Problems& problems) {
  std::vector<Consume> consumes;
  const auto add = [&](const Node& item) {
    if (auto consume = ReadConsume(item, where, problems)) consumes.push_back(*std::move(consume));
  };
  if (node.is_list()) {
    for (const Node& item : node.items) add(item);
  } else {
    add(node);
  }
  return consumes;
}

bool HasTemplates(const Policy& policy) {
  for (const Produce& produce : policy.produces) {
    if (std::any_of(produce.paths.begin(), produce.paths.end(), HasTemplate)) return true;
  }
  return std::any_of(policy.consumes.begin(), policy.consumes.end(), [](const Consume& consume) {
    return HasTemplate(consume.from) || HasTemplate(consume.artifact) || HasTemplate(consume.into);
  });
}

Policy WithArtifactsOf(Policy policy, const Variables& variables) {
  for (Produce& produce : policy.produces) {
    for (std::string& path : produce.paths) path = Substitute(path, variables);
  }
  for (Consume& consume : policy.consumes) {
    for (std::string* const text : {&consume.from, &consume.artifact, &consume.into}) {
      *text = Substitute(*text, variables);
    }
  }
  return policy;
}

void CheckConsumed(const JobSpec& job, std::uint32_t task, Mark mark, Problems& problems) {
  if (problems.full()) return;
  const TaskSpec& spec = job.tasks[task];
  for (const Consume& consume : job.policies[spec.policy].consumes) {
    std::vector<std::string> needed;
    bool found = false;
    for (const Dependency& need : spec.needs) {
      const TaskSpec& other = job.tasks[need.task];
      needed.push_back(other.name.substr(0, other.name.find('[')));
      if (!IsConsumed(consume.from, other.name)) continue;
      found = true;
      std::vector<std::string> made;
      for (const Produce& produce : job.policies[other.policy].produces) made.push_back(produce.name);
      const bool has = consume.artifact.empty() ? !made.empty()
                                                : std::find(made.begin(), made.end(), consume.artifact) != made.end();
      if (has) continue;
      if (made.empty()) {
        problems.Add(mark, "'%s' consumes artifacts of '%s', which produces none", spec.name, other.name);
      } else {
        problems.Add(mark, "'%s' consumes the artifact '%s' of '%s', which has none of that name%s", spec.name,
                     consume.artifact, other.name, DidYouMean(consume.artifact, made));
      }
      break;
    }
    if (found) continue;
    const std::string meant = DidYouMean(consume.from, needed);
    problems.Add(mark, "'%s' consumes artifacts of '%s', which it does not need%s", spec.name, consume.from,
                 meant.empty() ? "; add it to 'needs'" : meant);
  }
}

std::vector<std::string> ProduceKeys() { return {"paths", "may_be_empty"}; }
std::vector<std::string> ConsumeKeys() { return {"from", "artifact", "into"}; }

}  // namespace millrace::yaml
