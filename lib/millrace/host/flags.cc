// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/flags.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_split.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/host/completion.h"
#include "millrace/host/exit_code.h"

namespace millrace::host {
namespace {

constexpr std::string_view kExitCodes =
    "\nExit codes: 0 well, 1 the run failed or the answer is no, 64 wrong command line, 65 and 66 wrong or missing "
    "input,\n"
    "69 no broker, 70 a defect, 71 no memory or thread, 74 disk, 75 try again, 76 protocol version,\n"
    "77 and 78 not allowed or wrong setting, 130 interrupted or cancelled\n";

}  // namespace

// CLI11's app for each of our commands, for the time of one parse.
class FlagParser::Binding {
 public:
  explicit Binding(FlagParser& parser) : parser_(parser), app_(parser.root_.summary_, parser.program_) {
    app_.set_help_all_flag();
    Bind(parser.root_, app_);
    app_.set_version_flag("--version", parser.program_ + " " + parser.version_);
    app_.add_option("--completion", completion_, "Print the completion script of a shell and exit")
        ->option_text("bash|zsh|fish")
        ->group("Program")
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  }

  std::optional<ParseEnd> Run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      return ParseEnd{kSucceeded, app_.help(), ""};  // of the deepest command, with the way there
    } catch (const CLI::CallForVersion& version) {
      return ParseEnd{kSucceeded, std::string(version.what()) + "\n", ""};
    } catch (const CLI::ParseError& error) {
      if (std::optional<ParseEnd> end = RefuseUnknown()) return end;
      return Usage(error.what());
    }
    if (std::optional<ParseEnd> end = RefuseUnknown()) return end;
    if (!completion_.empty())
      return ParseEnd{kSucceeded, CompletionScript(completion_, parser_.program_, parser_.root_), ""};
    CLI::App* const deepest = Deepest();
    Command* const chosen = commands_.at(deepest);
    if (!chosen->commands_.empty() && chosen != &parser_.root_) {
      return Usage(absl::StrFormat("'%s' needs a command: %s", chosen->name_, CommandNames(*chosen)));
    }
    chosen->chosen_ = true;
    return std::nullopt;
  }

 private:
  void Bind(Command& command, CLI::App& app) {
    commands_[&app] = &command;
    app.allow_extras();  // unknown options are ours to explain
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.get_formatter()->column_width(36);
    app.footer(command.ExamplesText() + std::string(kExitCodes));
    for (const FlagSpec& spec : command.flags_) BindFlag(spec, app, "Options");
    for (const FlagSpec& spec : command.arguments_) BindFlag(spec, app, "");
    for (const OptionRow* row : command.settings_) BindSetting(*row, app);
    if (!command.settings_.empty()) {
      app.add_option("--config", parser_.config_file_, "Read settings from this file (YAML)")
          ->option_text("FILE")
          ->group("Program");
      app.add_flag("--print-settings", parser_.print_settings_, "Print all settings with their origin and exit")
          ->group("Program");
    }
    for (Command& child : command.commands_) {
      Bind(child, *app.add_subcommand(child.name_, child.summary_));
    }
  }

  static void BindFlag(const FlagSpec& spec, CLI::App& app, const std::string& group) {
    CLI::Option* option = nullptr;
    if (bool* const* flag = std::get_if<bool*>(&spec.target)) {
      option = app.add_flag(spec.names, **flag, spec.help);
    } else {
      std::string names = spec.names;
      if (names.front() != '-') names = CLI::detail::to_lower(names);
      option = std::visit([&](auto* target) { return AddOption(app, names, target, spec.help); }, spec.target);
      option->option_text(spec.value_name);
    }
    option->required(spec.required);
    if (!spec.choices.empty()) option->check(CLI::IsMember(spec.choices));
    if (!group.empty()) option->group(group);
  }
  static CLI::Option* AddOption(CLI::App& app, const std::string& names, std::vector<std::string>* target,
                                const std::string& help) {
    CLI::Option* const option = app.add_option(names, *target, help);
    // `--tag a FILE` must not swallow FILE; a list argument takes all that is left.
    return names.front() == '-' ? option->expected(1)->take_all() : option;
  }
  template <class T>
  static CLI::Option* AddOption(CLI::App& app, const std::string& names, T* target, const std::string& help) {
    return app.add_option(names, *target, help);
  }

  void BindSetting(const OptionRow& row, CLI::App& app) {
    std::string note = row.help;
    note += " [" + (row.default_text.empty() ? std::string() : "default " + row.default_text + ", ") + "env " +
            row.environment + "]";
    const std::string place = MainFlag(row);
    CLI::Option* option = nullptr;
    if (row.value_name.empty()) {
      option = app.add_flag_function(
          row.flags, [this, &row, place](std::int64_t count) { Keep(row, count > 0 ? "true" : "false", place); }, note);
    } else {
      option = app.add_option_function<std::vector<std::string>>(
          row.flags,
          [this, &row, place](const std::vector<std::string>& values) {
            for (const std::string& value : values) Keep(row, value, place);
          },
          note);
      option->expected(1)->take_all()->option_text(row.value_name);
    }
    option->group(std::string(HeadingOf(row.group)));
  }
  void Keep(const OptionRow& row, std::string text, const std::string& place) {
    parser_.settings_.push_back({row.name, std::move(text), place});
  }

  // The command that the command line ended in.
  CLI::App* Deepest() {
    CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
  }

  static std::string CommandNames(const Command& command) {
    std::string names;
    for (const Command& child : command.commands_) names += (names.empty() ? "" : ", ") + child.name_;
    return names;
  }

  std::optional<ParseEnd> RefuseUnknown() {
    for (CLI::App* app = &app_; app != nullptr;) {
      for (const std::string& extra : app->remaining()) {
        if (extra != "--") return Usage(Unknown(*app, extra));
      }
      app = app->get_subcommands().empty() ? nullptr : app->get_subcommands().front();
    }
    return std::nullopt;
  }

  std::string Unknown(const CLI::App& app, const std::string& extra) {
    const bool is_option = extra.size() > 1 && extra.front() == '-';
    const Command& command = *commands_.at(&app);
    std::vector<std::string> known;
    if (is_option) {
      for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    } else {
      for (const Command& child : command.commands_) known.push_back(child.name_);
    }
    const std::string name = extra.substr(0, extra.find('='));
    if (is_option) return absl::StrFormat("unknown option '%s'%s", name, DidYouMean(name, known));
    if (known.empty()) return absl::StrFormat("unexpected argument '%s'", extra);
    return absl::StrFormat("unknown command '%s'%s", extra, DidYouMean(extra, known));
  }

  ParseEnd Usage(const std::string& error) {
    std::string path = parser_.program_;
    for (CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      path += " " + app->get_name();
    }
    return {kUsage, "", absl::StrFormat("%s: %s\nTry '%s --help'.\n", parser_.program_, error, path)};
  }

  FlagParser& parser_;
  CLI::App app_;
  std::map<const CLI::App*, Command*> commands_;
  std::string completion_;
};

FlagParser::FlagParser(std::string program, std::string summary, std::string version)
    : program_(std::move(program)), version_(std::move(version)), root_(program_, std::move(summary)) {}

std::optional<ParseEnd> FlagParser::ParseArguments(const std::vector<std::string>& arguments) {
  settings_.clear();
  config_file_.clear();
  print_settings_ = false;
  try {
    return Binding(*this).Run(arguments);
  } catch (const CLI::Error& error) {  // our own table or program is wrong
    return ParseEnd{kOurFault, "", program_ + ": " + error.what() + "\n"};
  }
}

std::optional<int> FlagParser::Parse(int argc, const char* const* argv) {
  const std::optional<ParseEnd> end = ParseArguments(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
  if (!end.has_value()) return std::nullopt;
  std::fputs(end->out.c_str(), stdout);
  std::fputs(end->err.c_str(), stderr);
  return end->exit_code;
}

absl::StatusOr<ResolvedOptions> FlagParser::Resolve(const Options& code, std::optional<Mode> mode) const {
  OptionSources sources{code, settings_, config_file_, ProcessEnvironment};
  if (mode.has_value()) {
    const OptionRow& row = *FindOption("mode");
    sources.flags.push_back({row.name, row.choices[static_cast<std::size_t>(*mode)], "command"});
  }
  return ResolveOptions(sources);
}

std::optional<int> FlagParser::Resolve(const Options& code, std::optional<Mode> mode, ResolvedOptions& resolved) const {
  absl::StatusOr<ResolvedOptions> result = Resolve(code, mode);
  if (!result.ok()) {
    std::fputs((program_ + ": " + TextOf(result.status()) + "\n").c_str(), stderr);
    return kBadConfig;
  }
  resolved = *std::move(result);
  if (!print_settings_) return std::nullopt;
  std::fputs(Describe(resolved).c_str(), stdout);
  return kSucceeded;
}

}  // namespace millrace::host
