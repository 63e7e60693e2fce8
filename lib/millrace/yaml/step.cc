// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/step.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "millrace/base/suggest.h"
#include "millrace/yaml/artifacts.h"
#include "millrace/yaml/read.h"
#include "millrace/yaml/template.h"

namespace millrace::yaml {
namespace {

constexpr std::size_t kLongestName = 128;
constexpr std::size_t kLongestMatrixValue = 256;
constexpr std::size_t kMostAxes = 8;

// A step while it is read: the keys may come in any order, so some checks wait for the end.
struct Reading {
  Step step;
  std::string where;  // "module 'build'"
  const Entry* run = nullptr;
  const Entry* module = nullptr;
  const Entry* with = nullptr;
  Problems& problems;
};

void ReadNeed(const Node& node, bool optional, Reading& reading) {
  if (node.is_map()) {  // {build: optional}
    static const std::vector<std::string> kKinds = {"required", "optional"};
    for (const Entry& entry : node.entries) {
      const std::optional<std::size_t> kind =
          ReadChoice(entry.value, absl::StrFormat("the need for '%s'", entry.key), kKinds, reading.problems);
      if (kind.has_value()) reading.step.needs.push_back({entry.key, entry.mark, optional || *kind == 1});
    }
    return;
  }
  std::optional<std::string> name =
      ReadText(node, absl::StrFormat("an item of 'needs' of %s", reading.where), reading.problems);
  if (name.has_value()) reading.step.needs.push_back({*std::move(name), node.mark, optional});
}

void ReadNeeds(const Entry& entry, bool optional, Reading& reading) {
  if (entry.value.is_list()) {
    for (const Node& item : entry.value.items) ReadNeed(item, optional, reading);
  } else if (entry.value.is_null()) {
    reading.problems.Add(entry.value.mark, "'%s' of %s must be a list of modules, not nothing", entry.key,
                         reading.where);
  } else {
    ReadNeed(entry.value, optional, reading);
  }
}

bool CheckMatrixValue(const Node& node, const std::string& what, const std::vector<std::string>& before,
                      Problems& problems) {
  const std::optional<std::string> text = ReadText(node, what, problems);
  if (!text.has_value()) return false;
  const bool printable = std::none_of(text->begin(), text->end(),
                                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
  if (text->empty() || text->size() > kLongestMatrixValue || !printable) {
    problems.Add(node.mark, "%s must be 1 to %d printable characters, as it becomes part of a name", what,
                 kLongestMatrixValue);
    return false;
  }
  if (std::find(before.begin(), before.end(), *text) != before.end()) {
    problems.Add(node.mark, "%s: '%s' stands here twice", what, *text);
    return false;
  }
  return true;
}

void ReadMatrix(const Entry& entry, Reading& reading) {
  Problems& problems = reading.problems;
  if (!entry.value.is_map() || entry.value.entries.empty()) {
    problems.Add(entry.value.mark, "'matrix' of %s must be a map of lists such as {shard: [1, 2]}, not %s",
                 reading.where, entry.value.is_map() ? "an empty one" : Describe(entry.value));
    return;
  }
  if (entry.value.entries.size() > kMostAxes) {
    problems.Add(entry.mark, "'matrix' of %s has %d keys; the limit is %d", reading.where, entry.value.entries.size(),
                 kMostAxes);
    return;
  }
  for (const Entry& axis_entry : entry.value.entries) {
    if (!CheckVariableName(axis_entry.key, axis_entry.mark, problems)) continue;
    Axis axis{axis_entry.key, {}};
    const std::string what = absl::StrFormat("'%s' of 'matrix' of %s", axis.key, reading.where);
    if (!axis_entry.value.is_list() || axis_entry.value.items.empty()) {
      problems.Add(axis_entry.value.mark, "%s must be a list of values, not %s", what,
                   axis_entry.value.is_list() ? "an empty one" : Describe(axis_entry.value));
      continue;
    }
    for (const Node& value : axis_entry.value.items) {
      if (CheckMatrixValue(value, "a value of " + what, axis.values, problems)) axis.values.push_back(value.text);
    }
    if (!axis.values.empty()) reading.step.matrix.push_back(std::move(axis));
  }
}

struct StepKey {
  std::string_view name;
  void (*read)(const Entry& entry, Reading& reading);
};
constexpr StepKey kStepKeys[] = {
    {"needs", [](const Entry& entry, Reading& reading) { ReadNeeds(entry, false, reading); }},
    {"needs_optional", [](const Entry& entry, Reading& reading) { ReadNeeds(entry, true, reading); }},
    {"run", [](const Entry& entry, Reading& reading) { reading.run = &entry; }},
    {"module", [](const Entry& entry, Reading& reading) { reading.module = &entry; }},
    {"with", [](const Entry& entry, Reading& reading) { reading.with = &entry; }},
    {"matrix", ReadMatrix},
    {"produces",
     [](const Entry& entry, Reading& reading) {
       reading.step.common.policy.produces = ReadProduces(entry.value, reading.where, reading.problems);
     }},
    {"consumes",
     [](const Entry& entry, Reading& reading) {
       reading.step.common.policy.consumes = ReadConsumes(entry.value, reading.where, reading.problems);
       reading.step.consumes_mark = entry.mark;
     }},
};

bool ReadStepKey(const Entry& entry, Reading& reading) {
  for (const StepKey& key : kStepKeys) {
    if (key.name != entry.key) continue;
    key.read(entry, reading);
    return true;
  }
  return false;
}

void CheckRun(Reading& reading) {
  const Node& run = reading.run->value;
  reading.step.kind = run.is_list() ? Step::Kind::kArgv : Step::Kind::kShell;
  reading.step.module = kCommandModule;
  reading.step.inputs = &run;
  const std::optional<std::vector<std::string>> texts =
      ReadTexts(run, absl::StrFormat("'run' of %s", reading.where), reading.problems);
  if (!texts.has_value()) return;
  if (texts->empty() || texts->front().empty()) {
    reading.problems.Add(run.mark, "'run' of %s is empty", reading.where);
  } else if (run.is_scalar() && HasTemplate(run.text)) {
    reading.problems.Add(run.mark,
                         "'run' of %s: nothing is substituted in shell text; matrix values are environment "
                         "variables, so write $KEY for ${matrix.KEY}",
                         reading.where);
  }
}

void CheckModule(Reading& reading) {
  reading.step.kind = Step::Kind::kModule;
  reading.step.module_mark = reading.module->value.mark;
  const std::optional<std::string> name =
      ReadText(reading.module->value, absl::StrFormat("'module' of %s", reading.where), reading.problems);
  if (name.has_value() && name->empty()) {
    reading.problems.Add(reading.module->value.mark, "'module' of %s is empty", reading.where);
  }
  reading.step.module = name.value_or("");
  if (reading.with == nullptr) return;
  if (!reading.with->value.is_map()) {
    reading.problems.Add(reading.with->value.mark, "'with' of %s must be a map of the module's inputs, not %s",
                         reading.where, Describe(reading.with->value));
    return;
  }
  reading.step.inputs = &reading.with->value;
}

// Exactly one of `run` and `module`; `with` belongs to `module`.
void CheckWork(Reading& reading) {
  if (reading.run != nullptr && reading.module != nullptr) {
    const Entry* second =
        std::max(reading.run, reading.module, [](const Entry* a, const Entry* b) { return a->mark < b->mark; });
    reading.problems.Add(second->mark, "%s has both 'run' and 'module'; it can do one thing", reading.where);
  } else if (reading.run != nullptr) {
    CheckRun(reading);
    if (reading.with != nullptr) {
      reading.problems.Add(reading.with->mark, "'with' of %s belongs to 'module', but it has 'run'; use 'env'",
                           reading.where);
    }
  } else if (reading.module != nullptr) {
    CheckModule(reading);
  } else {
    reading.problems.Add(reading.step.mark, "%s has neither 'run' nor 'module'", reading.where);
  }
}

void CheckName(const Entry& entry, Problems& problems) {
  bool good =
      !entry.key.empty() && entry.key.size() <= kLongestName && entry.key.front() != '.' && entry.key.front() != '-';
  for (const char c : entry.key) {
    good = good && (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.');
  }
  if (good) return;
  problems.Add(entry.mark,
               "'%s' cannot name a module; use 1 to %d letters, digits, '_', '-' and '.', beginning with a letter, a "
               "digit or '_'",
               entry.key, kLongestName);
}

// Where ${matrix.KEY} may stand, it must name a key; elsewhere it would be taken literally, which nobody wants.
void CheckStepTemplates(const Node& node, const Reading& reading) {
  std::vector<std::string> keys;
  for (const Axis& axis : reading.step.matrix) keys.push_back(axis.key);
  for (const Entry& entry : node.entries) {
    if (entry.key == "matrix" || (entry.key == "run" && entry.value.is_scalar())) continue;
    CheckTemplates(entry.value, reading.where, keys, reading.problems);
  }
}

}  // namespace

void ReadDefaults(const Node& node, Common& common, Problems& problems) {
  if (!node.is_map()) {
    problems.Add(node.mark, "'defaults' must be a map, not %s", Describe(node));
    return;
  }
  for (const Entry& entry : node.entries) {
    if (ReadCommonKey(entry, "'defaults'", common, problems)) continue;
    const std::vector<std::string> step_keys = StepKeys();
    if (std::find(step_keys.begin(), step_keys.end(), entry.key) != step_keys.end()) {
      problems.Add(entry.mark, "'%s' cannot have a default; say it in each module", entry.key);
    } else {
      RefuseKey(entry, "'defaults'", DefaultsKeys(), problems);
    }
  }
  CheckTemplates(node, "'defaults'", {}, problems);
}

Step ReadStep(const Entry& entry, const Common& defaults, Problems& problems) {
  Reading reading{{}, absl::StrFormat("module '%s'", entry.key), nullptr, nullptr, nullptr, problems};
  reading.step.name = entry.key;
  reading.step.mark = entry.mark;
  reading.step.common = defaults;
  CheckName(entry, problems);
  if (!entry.value.is_map()) {
    problems.Add(entry.value.mark, "%s must be a map such as {run: make}, not %s", reading.where,
                 Describe(entry.value));
    return std::move(reading.step);
  }
  for (const Entry& field : entry.value.entries) {
    if (ReadStepKey(field, reading) || ReadCommonKey(field, reading.where, reading.step.common, problems)) continue;
    RefuseKey(field, reading.where, StepKeys(), problems);
  }
  CheckWork(reading);
  CheckStepTemplates(entry.value, reading);
  const Node* const retries = entry.value.Find("retries");
  if (retries != nullptr && !reading.step.common.policy.idempotent && reading.step.common.policy.retries > 0) {
    problems.Add(retries->mark, "%s is not idempotent, so it is never tried again and cannot have 'retries'",
                 reading.where);
  }
  const Policy& policy = reading.step.common.policy;
  if (policy.memory_limit > 0 && policy.isolation == Isolation::kInProcess) {
    problems.Add(reading.step.mark,
                 "%s has a 'memory_limit' and runs in the worker's process, where nothing can hold it to one; use "
                 "isolation: process",
                 reading.where);
  }
  for (const auto& [variable, secret] : policy.secrets) {
    const bool in_matrix = std::any_of(reading.step.matrix.begin(), reading.step.matrix.end(),
                                       [&name = variable](const Axis& axis) { return axis.key == name; });
    if (!in_matrix && !reading.step.common.env.contains(variable)) continue;
    reading.problems.Add(reading.step.mark, "%s has '%s' both in '%s' and in 'secrets'; it can have one value",
                         reading.where, variable, in_matrix ? "matrix" : "env");
  }
  return std::move(reading.step);
}

std::vector<std::string> StepKeys() {
  std::vector<std::string> keys;
  for (const StepKey& key : kStepKeys) keys.emplace_back(key.name);
  for (std::string& key : DefaultsKeys()) keys.push_back(std::move(key));
  return keys;
}

}  // namespace millrace::yaml
