// SPDX-License-Identifier: Apache-2.0
// The command line: what is parsed, what is refused with 64, what help and completion say.
#include "millrace/host/flags.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/host/completion.h"
#include "millrace/host/exit_code.h"

namespace millrace::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A program with what the real ones have.
struct Program {
  Program() {
    run.Settings({OptionGroup::kNetwork, OptionGroup::kWorker, OptionGroup::kRunning}).Setting("log_level");
    run.Option("--module", "NAME", &modules, "only this module and what it needs");
    run.Example("ci run --module test", "run test and what it needs");
    submit.Argument("FILE", &file, "the pipeline").Flag("-w,--wait", &wait, "until it has ended");
    submit.Option("--priority", "N", &priority, "higher first");
    submit.Option("--format", "NAME", &format, "how to print", {"text", "json"});
    submit.Setting("orchestrator_url");
    keys_init.Argument("NAMES", &names, "whose", false);
  }
  std::optional<ParseEnd> Parse(const std::vector<std::string>& arguments) { return parser.ParseArguments(arguments); }
  // "tags=a,b" per setting that the command line gave.
  std::vector<std::string> SettingsText() const {
    std::vector<std::string> texts;
    for (const OptionText& setting : parser.settings()) texts.push_back(setting.name + "=" + setting.text);
    return texts;
  }

  FlagParser parser{"ci", "Runs things.", "1.2.3"};
  Command& run = parser.root().Add("run", "Run everything here.");
  Command& submit = parser.root().Add("submit", "Hand a pipeline to a broker.");
  Command& keys = parser.root().Add("keys", "Keys of peers.");
  Command& keys_init = keys.Add("init", "Make a key pair.");
  std::vector<std::string> modules;
  std::vector<std::string> names;
  std::string file;
  std::string format;
  std::int64_t priority = 0;
  bool wait = false;
};

TEST(FlagsTest, CommandsFlagsAndArguments) {
  Program program;
  EXPECT_EQ(program.Parse({"submit", "p.yaml", "-w", "--priority=-3", "--format", "json"}), std::nullopt);
  EXPECT_TRUE(program.submit.chosen());
  EXPECT_FALSE(program.run.chosen());
  EXPECT_EQ(program.file, "p.yaml");
  EXPECT_TRUE(program.wait);
  EXPECT_EQ(program.priority, -3);
  EXPECT_EQ(program.format, "json");
}

TEST(FlagsTest, NestedCommandsAndLists) {
  Program program;
  EXPECT_EQ(program.Parse({"keys", "init", "a", "b"}), std::nullopt);
  EXPECT_TRUE(program.keys_init.chosen());
  EXPECT_FALSE(program.keys.chosen());
  EXPECT_THAT(program.names, ElementsAre("a", "b"));
  Program again;
  EXPECT_EQ(again.Parse({"run", "--module", "a", "--module", "b"}), std::nullopt);
  EXPECT_THAT(again.modules, ElementsAre("a", "b"));
}

TEST(FlagsTest, NoCommandChoosesTheRoot) {
  Program program;
  EXPECT_EQ(program.Parse({}), std::nullopt);
  EXPECT_TRUE(program.parser.root().chosen());
}

TEST(FlagsTest, SettingsComeFromTheTable) {
  Program program;
  EXPECT_EQ(program.Parse({"run", "--port", "0", "--tag", "a", "--tag", "b,c", "--prefer-local", "--no-compression",
                           "--no-cache", "--log-level=debug", "--slots", "2", "--resource", "gpu=1"}),
            std::nullopt);
  EXPECT_THAT(program.SettingsText(),
              testing::UnorderedElementsAre("orchestrator_port=0", "tags=a", "tags=b,c", "prefer_local_execution=true",
                                            "enable_compression=false", "no_cache=true", "log_level=debug",
                                            "max_parallel_modules=2", "resources=gpu=1"));
}

TEST(FlagsTest, A45_EveryFlagOfTheTableReachesItsOption) {
  for (const OptionRow& row : OptionTable()) {
    SCOPED_TRACE(row.name);
    FlagParser parser("p", "", "1");
    parser.root().Setting(row.name);
    const std::string flag = MainFlag(row);
    const bool is_switch = row.value_name.empty();
    EXPECT_EQ(parser.ParseArguments(is_switch ? std::vector<std::string>{flag} : std::vector<std::string>{flag, "x"}),
              std::nullopt);
    ASSERT_EQ(parser.settings().size(), 1u);
    EXPECT_EQ(parser.settings()[0].name, row.name);
    EXPECT_EQ(parser.settings()[0].text, is_switch ? "true" : "x");
    EXPECT_EQ(parser.settings()[0].place, flag);
    if (!is_switch) continue;
    const std::string off = row.flags.substr(row.flags.find('!') + 1);
    EXPECT_EQ(parser.ParseArguments({off}), std::nullopt);
    ASSERT_EQ(parser.settings().size(), 1u);
    EXPECT_EQ(parser.settings()[0].text, "false") << off;
  }
}

TEST(FlagsTest, UsageErrorsExit64WithASuggestion) {
  const struct {
    std::vector<std::string> arguments;
    std::string error;
  } kCases[] = {
      {{"run", "--prot", "80"}, "ci: unknown option '--prot'; did you mean '--port'?\nTry 'ci run --help'.\n"},
      {{"run", "--slotz=80"}, "ci: unknown option '--slotz'; did you mean '--slots'?"},
      {{"rnu"}, "ci: unknown command 'rnu'; did you mean 'run'?\nTry 'ci --help'.\n"},
      {{"keys", "int"}, "ci: unknown command 'int'; did you mean 'init'?"},
      {{"keys"}, "ci: 'keys' needs a command: init"},
      {{"run", "extra"}, "ci: unexpected argument 'extra'"},
      {{"submit", "--wiat"}, "ci: unknown option '--wiat'; did you mean '--wait'?"},
      {{"submit"}, "ci: "},
      {{"submit", "f", "--priority", "high"}, "ci: "},
      {{"submit", "f", "--format", "xml"}, "ci: "},
      {{"run", "--port"}, "ci: "},
      {{"--completion", "tcsh"}, "ci: "},
  };
  for (const auto& item : kCases) {
    Program program;
    const std::optional<ParseEnd> end = program.Parse(item.arguments);
    ASSERT_TRUE(end.has_value()) << item.error;
    EXPECT_EQ(end->exit_code, kUsage);
    EXPECT_EQ(end->out, "");
    EXPECT_THAT(end->err, testing::StartsWith(item.error));
  }
}

TEST(FlagsTest, HelpShowsGroupsDefaultsEnvironmentAndExamples) {
  Program program;
  const std::optional<ParseEnd> end = program.Parse({"run", "--help"});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, kSucceeded);
  for (const char* part : {"Run everything here.", "Network:", "Worker:", "--port,--orchestrator-port N",
                           "default 8080, env ORCHESTRATOR_PORT", "--module NAME",
                           "Examples:", "ci run --module test  # run test and what it needs", "--config FILE"}) {
    EXPECT_THAT(end->out, HasSubstr(part));
  }
  EXPECT_THAT(end->out, Not(HasSubstr("Broker:")));
  const std::optional<ParseEnd> root = program.Parse({"--help"});
  ASSERT_TRUE(root.has_value());
  for (const char* part : {"Runs things.", "submit", "Hand a pipeline to a broker."}) {
    EXPECT_THAT(root->out, HasSubstr(part));
  }
}

TEST(FlagsTest, VersionIsPrinted) {
  Program program;
  const std::optional<ParseEnd> end = program.Parse({"--version"});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->out, "ci 1.2.3\n");
  EXPECT_EQ(end->exit_code, kSucceeded);
}

TEST(FlagsTest, ResolveAddsTheCommandLineAndTheMode) {
  Program program;
  ASSERT_EQ(program.Parse({"run", "--port", "70000"}), std::nullopt);
  EXPECT_EQ(program.parser.Resolve(Options{}).status().message(),
            "--port: bad value for orchestrator_port: '70000'; allowed are 0 to 65525");
  ResolvedOptions resolved;
  testing::internal::CaptureStderr();
  EXPECT_EQ(program.parser.Resolve(Options{}, Mode::kOrchestrator, resolved), kBadConfig);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("ci: --port: bad value"));
  ASSERT_EQ(program.Parse({"run", "--port", "1"}), std::nullopt);
  EXPECT_EQ(program.parser.Resolve(Options{}, Mode::kOrchestrator, resolved), std::nullopt);
  EXPECT_EQ(resolved.options.mode, Mode::kOrchestrator);
  EXPECT_EQ(resolved.options.orchestrator_port, 1);
  ASSERT_EQ(program.Parse({"run", "--print-settings"}), std::nullopt);
  testing::internal::CaptureStdout();
  EXPECT_EQ(program.parser.Resolve(Options{}, std::nullopt, resolved), kSucceeded);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("orchestrator_port"));
}

TEST(FlagsTest, ConfigFileIsTaken) {
  const std::string path = testing::TempDir() + "/flags.yaml";
  std::ofstream(path) << "orchestrator_port: 1234\n";
  Program program;
  ASSERT_EQ(program.Parse({"run", "--config", path}), std::nullopt);
  EXPECT_EQ(program.parser.config_file(), path);
  const absl::StatusOr<ResolvedOptions> resolved = program.parser.Resolve(Options{});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->options.orchestrator_port, 1234);
}

std::string RunBash(const std::string& script) {
  const std::string path = testing::TempDir() + "/completion.bash";
  std::ofstream(path) << script;
  std::string out;
  FILE* const pipe = ::popen(("bash --norc " + path + " 2>&1").c_str(), "r");
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  ::pclose(pipe);
  return out;
}

// The candidates that bash would offer for the last word.
std::string Complete(Program& program, const std::string& words) {
  const std::optional<ParseEnd> end = program.Parse({"--completion", "bash"});
  return RunBash(end->out + "\nCOMP_WORDS=(" + words +
                 ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\ncd /var/empty 2>/dev/null || cd /\n_ci\n"
                 "echo \"${COMPREPLY[*]}\"\n");
}

TEST(FlagsTest, BashCompletionWorks) {
  Program program;
  EXPECT_THAT(Complete(program, "ci su"), testing::StartsWith("submit"));
  EXPECT_EQ(Complete(program, "ci run --po"), "--port\n");
  EXPECT_EQ(Complete(program, "ci run --log-level e"), "error\n");
  EXPECT_EQ(Complete(program, "ci submit --wa"), "--wait\n");
  EXPECT_EQ(Complete(program, "ci submit --format ''"), "text json\n");
  EXPECT_THAT(Complete(program, "ci keys in"), testing::StartsWith("init"));
}

TEST(FlagsTest, OtherShellsKnowTheSame) {
  Program program;
  const std::string zsh = program.Parse({"--completion", "zsh"})->out;
  EXPECT_THAT(zsh, testing::StartsWith("#compdef ci\n"));
  EXPECT_THAT(zsh, HasSubstr("--orchestrator-port"));
  const std::string fish = program.Parse({"--completion", "fish"})->out;
  EXPECT_THAT(fish,
              HasSubstr("complete -c ci -n '__fish_seen_subcommand_from keys; and not __fish_seen_subcommand_from "
                        "init' -a init -d 'Make a key pair.'\n"));
  EXPECT_THAT(fish,
              HasSubstr("-l log-level -d 'lines below it are dropped' -r -f -a 'debug info warning error off'\n"));
}

TEST(ExitCodeTest, EveryStatusHasOne) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kSucceeded);
  for (int code = 1; code <= 16; ++code) {
    EXPECT_NE(ExitCodeOf(absl::Status(static_cast<absl::StatusCode>(code), "x")), kSucceeded) << code;
  }
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("x")), 65);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), 70);
}

}  // namespace
}  // namespace millrace::host
