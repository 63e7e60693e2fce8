// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/settings_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "millrace/yaml/document.h"
#include "millrace/yaml/file.h"

namespace millrace::yaml {
namespace {

// One element of a list or map; commas would be read as the next element.
bool Append(const std::string& prefix, const Node& node, const std::string& name, std::string& out,
            Problems& problems) {
  if (!node.is_scalar() || node.text.find(',') != std::string::npos) {
    problems.Add(node.mark, "an element of '%s' must be text without commas, not %s", name, Describe(node));
    return false;
  }
  if (!out.empty()) out += ',';
  out += prefix + node.text;
  return true;
}

bool Flatten(const Entry& entry, std::string& out, Problems& problems) {
  const Node& value = entry.value;
  if (value.is_null()) {
    problems.Add(entry.mark, "'%s' has no value; leave the line out for the default", entry.key);
    return false;
  }
  bool good = true;
  out = value.text;
  for (const Node& item : value.items) good = Append("", item, entry.key, out, problems) && good;
  for (const Entry& item : value.entries) {
    good = Append(item.key + "=", item.value, entry.key, out, problems) && good;
  }
  return good;
}

}  // namespace

absl::StatusOr<std::vector<Setting>> ParseSettings(std::string_view text, std::string_view file_name) {
  Problems problems(file_name);
  const std::optional<Node> root = Load(text, Limits{}, problems);
  if (!root.has_value()) return problems.ToStatus();
  if (!root->is_map() && !root->is_null()) {
    problems.Add(root->mark, "a config file is a map of options and values, not %s", Describe(*root));
  }
  std::vector<Setting> settings;
  std::set<std::string> names;
  for (const Entry& entry : root->entries) {
    Setting setting{entry.key, "", entry.mark, entry.value.mark};
    std::replace(setting.name.begin(), setting.name.end(), '-', '_');
    if (!names.insert(setting.name).second) problems.Add(entry.mark, "'%s' stands here twice", setting.name);
    if (Flatten(entry, setting.value, problems)) settings.push_back(std::move(setting));
  }
  MILLRACE_RETURN_IF_ERROR(problems.ToStatus());
  return settings;
}

absl::StatusOr<std::vector<Setting>> LoadSettings(const std::string& path) {
  MILLRACE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, Limits{}.max_bytes));
  return ParseSettings(text, path);
}

}  // namespace millrace::yaml
