// SPDX-License-Identifier: Apache-2.0
// The command line of a program: commands, settings from the option table, flags and arguments of its own, help that
// shows defaults and environment names, completion for shells. CLI11 does the parsing, in flags.cc and nowhere else.
//
//   FlagParser parser("zmqctl", "Ask and tell a broker.", version);
//   Command& submit = parser.root().Add("submit", "Run a pipeline.");
//   submit.Settings({OptionGroup::kNetwork});
//   submit.Argument("FILE", &file, "the pipeline").Flag("--wait", &wait, "until it has ended");
//   submit.Example("zmqctl submit ci.yaml --wait", "run ci.yaml and exit as it ends");
//   if (std::optional<int> exit_code = parser.Parse(argc, argv)) return *exit_code;
//   if (submit.chosen()) ...
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/host/options.h"
#include "millrace/host/options_table.h"

namespace millrace::host {

// Where the text of a flag or an argument goes; the target outlives the parser.
using FlagTarget = std::variant<bool*, std::int64_t*, std::string*, std::vector<std::string>*>;

struct FlagSpec {
  std::string names;       // "-w,--wait"; of an argument its name in capitals: "FILE"
  std::string value_name;  // "" for a switch
  std::string help;
  FlagTarget target;
  bool required = false;
  std::vector<std::string> choices{};
};

class Command {
 public:
  Command(std::string name, std::string summary) : name_(std::move(name)), summary_(std::move(summary)) {}

  // A command below this one; it lives as long as the parser.
  Command& Add(std::string name, std::string summary);
  // Settings of these groups, or single ones by name.
  Command& Settings(const std::vector<OptionGroup>& groups);
  Command& Setting(std::string_view name);
  // A switch (bool), or an option with a value; vectors take several.
  Command& Flag(std::string names, bool* target, std::string help);
  Command& Option(std::string names, std::string value_name, FlagTarget target, std::string help,
                  std::vector<std::string> choices = {});
  // In the order of the calls; a vector takes all the rest.
  Command& Argument(std::string name, FlagTarget target, std::string help, bool required = true);
  Command& Example(std::string command_line, std::string what);

  // After parsing: whether the command line named this command, and no command below it.
  bool chosen() const { return chosen_; }

  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  const std::deque<Command>& commands() const { return commands_; }
  const std::vector<const OptionRow*>& settings() const { return settings_; }
  const std::vector<FlagSpec>& flags() const { return flags_; }
  const std::vector<FlagSpec>& arguments() const { return arguments_; }
  std::string ExamplesText() const;

 private:
  friend class FlagParser;

  std::string name_;
  std::string summary_;
  std::deque<Command> commands_;
  std::vector<const OptionRow*> settings_;
  std::vector<FlagSpec> flags_;
  std::vector<FlagSpec> arguments_;
  std::vector<std::pair<std::string, std::string>> examples_;
  bool chosen_ = false;
};

// What to print and how to exit, when the command line alone settles it.
struct ParseEnd {
  int exit_code = 0;
  std::string out{};  // help, version, completion
  std::string err{};
  friend bool operator==(const ParseEnd&, const ParseEnd&) = default;
};

class FlagParser {
 public:
  FlagParser(std::string program, std::string summary, std::string version);

  Command& root() { return root_; }

  // Nothing when the program shall go on; the exit code after help, version, completion (0) or an error (64), printed.
  std::optional<int> Parse(int argc, const char* const* argv);
  // The same without a process around it.
  std::optional<ParseEnd> ParseArguments(const std::vector<std::string>& arguments);

  // After parsing: the settings that the command line gave, with config file and environment, on top of `code`. A
  // command that stands for a mode hands it in as `mode`.
  absl::StatusOr<ResolvedOptions> Resolve(const Options& code, std::optional<Mode> mode = std::nullopt) const;
  // As above, for a main function: prints what is wrong and gives 78, or prints all settings and gives 0 when the
  // command line has --print-settings.
  std::optional<int> Resolve(const Options& code, std::optional<Mode> mode, ResolvedOptions& resolved) const;

  const std::vector<OptionText>& settings() const { return settings_; }
  const std::string& config_file() const { return config_file_; }

 private:
  class Binding;  // of our tree to CLI11's

  std::string program_;
  std::string version_;
  Command root_;
  std::vector<OptionText> settings_;
  std::string config_file_;
  bool print_settings_ = false;
};

}  // namespace millrace::host
