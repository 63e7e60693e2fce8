// SPDX-License-Identifier: Apache-2.0
// One row per setting: its names on the command line, in the environment and in config files, its range and meaning,
// and how its text becomes a field of Options and back. Parsing, help, completion and --print-settings all read this.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "millrace/host/options.h"

namespace millrace::host {

// Which programs and commands a setting concerns; also the headings of the help.
enum class OptionGroup : std::uint8_t { kNetwork, kBroker, kWorker, kRunning, kOutput };
std::string_view HeadingOf(OptionGroup group);

struct OptionRow {
  std::string name;         // in config files: "orchestrator_port"
  std::string flags;        // "--port,--orchestrator-port"; of a switch also "!--no-x", which turns it off
  std::string environment;  // "ORCHESTRATOR_PORT"
  OptionGroup group = OptionGroup::kNetwork;
  std::string value_name;  // of its value in the help: "DURATION"; "" for a switch
  std::string range;       // "0 to 65525", "debug, info, ..."; "" when any text will do
  std::string help;
  std::string default_text;            // for the help; what is found out at the start is described: "detected"
  std::vector<std::string> choices{};  // for completion
  bool is_secret = false;              // not for the eyes of --print-settings
  bool is_list = false;                // may be given several times; elements are separated by commas
  // InvalidArgument with value and range, without the name of the option.
  std::function<absl::Status(const std::string& text, Options& options)> set{};
  std::function<std::string(const Options& options)> get{};  // text that `set` takes
};

const std::vector<OptionRow>& OptionTable();
const OptionRow* FindOption(std::string_view name);
// The first of the flags: "--port".
std::string MainFlag(const OptionRow& row);

}  // namespace millrace::host
