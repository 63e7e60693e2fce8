// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/pipeline.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "millrace/base/suggest.h"
#include "millrace/yaml/expand.h"
#include "millrace/yaml/file.h"
#include "millrace/yaml/read.h"
#include "millrace/yaml/step.h"

namespace millrace::yaml {
namespace {

constexpr std::int64_t kFormatVersion = 1;
constexpr std::size_t kLongestJobName = 256;

// The top level while it is read: `modules` has to wait for `defaults` and `env`.
struct Top {
  JobSpec job;
  Common defaults;
  const Node* defaults_node = nullptr;
  const Node* modules = nullptr;
  Problems& problems;
};

void ReadName(const Node& node, Top& top) {
  const std::optional<std::string> name = ReadText(node, "'name'", top.problems);
  if (!name.has_value()) return;
  if (name->empty() || name->size() > kLongestJobName) {
    top.problems.Add(node.mark, "'name' has %d bytes; allowed are 1 to %d", name->size(), kLongestJobName);
  }
  top.job.name = *name;
}

void ReadFailMode(const Node& node, Top& top) {
  static const std::vector<std::string> kNames = {"fail-fast", "keep-going"};
  constexpr FailMode kValues[] = {FailMode::kFailFast, FailMode::kKeepGoing};
  const std::optional<std::size_t> choice = ReadChoice(node, "'fail_mode'", kNames, top.problems);
  if (choice.has_value()) top.job.fail_mode = kValues[*choice];
}

struct TopKey {
  std::string_view name;
  void (*read)(const Node& node, Top& top);
};
constexpr TopKey kTopKeys[] = {
    {"name", ReadName},
    {"version",
     [](const Node& node, Top& top) {
       ReadInteger(node, "'version' (of the file format)", kFormatVersion, kFormatVersion, top.problems);
     }},
    {"fail_mode", ReadFailMode},
    {"cache",
     [](const Node& node, Top& top) {
       top.job.use_cache = ReadFlag(node, "'cache'", top.problems).value_or(top.job.use_cache);
     }},
    {"env", [](const Node& node, Top& top) { ReadEnv(node, "'env'", top.defaults.env, top.problems); }},
    {"defaults", [](const Node& node, Top& top) { top.defaults_node = &node; }},
    {"modules", [](const Node& node, Top& top) { top.modules = &node; }},
};

void ReadTop(const Node& root, Top& top) {
  if (!root.is_map()) {
    const std::string found = root.is_null() ? "the file is empty" : "found " + Describe(root);
    top.problems.Add(root.mark.line > 0 ? root.mark : Mark{1, 1}, "a pipeline is a map with at least 'modules'; %s",
                     found);
    return;
  }
  for (const Entry& entry : root.entries) {
    const TopKey* const key = std::find_if(std::begin(kTopKeys), std::end(kTopKeys),
                                           [&entry](const TopKey& known) { return known.name == entry.key; });
    if (key != std::end(kTopKeys)) {
      key->read(entry.value, top);
    } else {
      RefuseKey(entry, "the pipeline", PipelineKeys(), top.problems);
    }
  }
  if (top.defaults_node != nullptr) ReadDefaults(*top.defaults_node, top.defaults, top.problems);
  if (top.modules == nullptr) {
    top.problems.Add(root.mark, "the pipeline has no 'modules'");
  } else if (!top.modules->is_map() || top.modules->entries.empty()) {
    top.problems.Add(top.modules->mark, "'modules' must be a map of at least one module, not %s",
                     top.modules->is_map() ? "an empty one" : Describe(*top.modules));
    top.modules = nullptr;
  }
}

void CheckModuleName(const Step& step, const std::vector<std::string>& known, Problems& problems) {
  if (known.empty() || step.kind != Step::Kind::kModule || step.module.empty()) return;
  if (std::find(known.begin(), known.end(), step.module) != known.end()) return;
  problems.Add(step.module_mark, "module '%s' uses '%s', which is not a known module%s", step.name, step.module,
               problems.full() ? "" : DidYouMean(step.module, known));
}

}  // namespace

absl::StatusOr<JobSpec> ParsePipeline(std::string_view text, std::string_view file_name, const ParseOptions& options) {
  Problems problems(file_name);
  const std::optional<Node> root = Load(text, options.limits, problems);
  if (!root.has_value()) return problems.ToStatus();
  Top top{{}, {}, nullptr, nullptr, problems};
  ReadTop(*root, top);
  if (top.modules != nullptr) {
    std::vector<Step> steps;
    for (const Entry& entry : top.modules->entries) {
      steps.push_back(ReadStep(entry, top.defaults, problems));
      CheckModuleName(steps.back(), options.known_modules, problems);
    }
    Expand(steps, options, top.job, problems);
  }
  MILLRACE_RETURN_IF_ERROR(problems.ToStatus());
  if (top.job.name.empty()) top.job.name = std::filesystem::path(file_name).stem().string();
  return std::move(top.job);
}

absl::StatusOr<JobSpec> LoadPipeline(const std::string& path, const ParseOptions& options) {
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, options.limits.max_bytes));
  return ParsePipeline(text, path == "-" ? "standard input" : path, options);
}

std::vector<std::string> PipelineKeys() {
  std::vector<std::string> keys;
  for (const TopKey& key : kTopKeys) keys.emplace_back(key.name);
  return keys;
}

}  // namespace millrace::yaml
