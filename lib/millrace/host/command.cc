// SPDX-License-Identifier: Apache-2.0
// The tree of commands that flags.h declares; what is parsed with it is in flags.cc.
#include <algorithm>
#include <utility>

#include "millrace/host/flags.h"

namespace millrace::host {

Command& Command::Add(std::string name, std::string summary) {
  return commands_.emplace_back(std::move(name), std::move(summary));
}

Command& Command::Settings(const std::vector<OptionGroup>& groups) {
  for (const OptionRow& row : OptionTable()) {
    if (std::find(groups.begin(), groups.end(), row.group) != groups.end()) Setting(row.name);
  }
  return *this;
}

Command& Command::Setting(std::string_view name) {
  const OptionRow* const row = FindOption(name);
  if (row != nullptr && std::find(settings_.begin(), settings_.end(), row) == settings_.end()) settings_.push_back(row);
  return *this;
}

Command& Command::Flag(std::string names, bool* target, std::string help) {
  flags_.push_back({std::move(names), "", std::move(help), target});
  return *this;
}

Command& Command::Option(std::string names, std::string value_name, FlagTarget target, std::string help,
                         std::vector<std::string> choices) {
  flags_.push_back({std::move(names), std::move(value_name), std::move(help), target, false, std::move(choices)});
  return *this;
}

Command& Command::Argument(std::string name, FlagTarget target, std::string help, bool required) {
  std::string value_name = name;
  arguments_.push_back({std::move(name), std::move(value_name), std::move(help), target, required});
  return *this;
}

Command& Command::Example(std::string command_line, std::string what) {
  examples_.emplace_back(std::move(command_line), std::move(what));
  return *this;
}

std::string Command::ExamplesText() const {
  if (examples_.empty()) return "";
  std::size_t width = 0;
  for (const auto& [line, what] : examples_) width = std::max(width, line.size());
  std::string text = "Examples:\n";
  for (const auto& [line, what] : examples_) {
    text += "  " + line + std::string(width - line.size(), ' ') + "  # " + what + "\n";
  }
  return text;
}

}  // namespace millrace::host
