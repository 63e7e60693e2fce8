// SPDX-License-Identifier: Apache-2.0
// Completion scripts are programs: each shell that is installed reads its own, also when names and texts are awkward.
#include "millrace/host/completion.h"

#include "gmock/gmock.h"
#include "millrace/host/flags.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A tree with what can go wrong: nested commands, quotes in texts, a program name that is no identifier.
struct Tree {
  Tree() {
    root.Add("run", "Don't `rm -rf $HOME`; it's \"fine\"").Settings({OptionGroup::kNetwork, OptionGroup::kRunning});
    Command& keys = root.Add("keys", "Keys.");
    Command& make = keys.Add("make", "Make some.");
    make.Option("--format", "NAME", &format, "it's a choice", {"text", "json"});
    make.Flag("-q,--quiet", &quiet, "say 'nothing'");
    make.Option("--out", "FILE", &format, "where to");
  }
  Command root{"my-tool.v2", "The root."};
  std::string format;
  bool quiet = false;
};

bool IsInstalled(const std::string& shell) {
  exec::CommandLine line = exec::Shell("command -v " + shell);
  line.env = exec::ChildEnvironment({});
  const auto found = exec::RunCommand(line, {});
  return found.ok() && found->ok();
}
// What the shell says of the script, "" when nothing.
std::string Check(const std::string& shell, const std::string& script, const std::string& then = "") {
  TemporaryDirectory folder;
  std::ofstream(folder / "script") << script;
  exec::CommandLine line;
  line.program = shell;
  line.args = {then.empty() ? "-n" : "--norc", folder / "script"};
  line.env = exec::ChildEnvironment({});
  line.directory = folder.path();
  if (!then.empty()) std::ofstream(folder / "script", std::ios::app) << then;
  const auto outcome = exec::RunCommand(line, {});
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.ok() ? outcome->out + outcome->err : "";
}

TEST(CompletionTest, EveryShellReadsItsScript) {
  Tree tree;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, "my-tool.v2", tree.root);
    EXPECT_THAT(script, AllOf(HasSubstr("my-tool.v2"), HasSubstr("keys"), HasSubstr("make"))) << shell;
    if (IsInstalled(shell)) {
      EXPECT_THAT(Check(shell, script), IsEmpty()) << shell << "\n" << script;
    }
  }
}

TEST(CompletionTest, UnknownShellsGetNothing) {
  Tree tree;
  EXPECT_EQ(CompletionScript("tcsh", "my-tool.v2", tree.root), "");
  EXPECT_EQ(CompletionScript("", "my-tool.v2", tree.root), "");
}

TEST(CompletionTest, BashOffersWhatFitsTheCommand) {
  if (!IsInstalled("bash")) GTEST_SKIP() << "no bash here";
  Tree tree;
  const std::string script = CompletionScript("bash", "my-tool.v2", tree.root);
  const auto complete = [&](const std::string& words) {
    return Check(
        "bash", script,
        "COMP_WORDS=(" + words + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_my_tool_v2\necho \"${COMPREPLY[*]}\"\n");
  };
  EXPECT_EQ(complete("my-tool.v2 keys make --for"), "--format\n");
  EXPECT_EQ(complete("my-tool.v2 keys make --format j"), "json\n");
  EXPECT_EQ(complete("my-tool.v2 keys make --out scr"), "script\n");  // a file
  EXPECT_THAT(complete("my-tool.v2 run --bi"), HasSubstr("--bind"));
  EXPECT_EQ(complete("my-tool.v2 keys make --bi"), "\n");  // of another command
  EXPECT_EQ(complete("my-tool.v2 --he"), "--help\n");
}

TEST(CompletionTest, ARootWithoutCommandsWorksToo) {
  Command root("tool", "Alone.");
  bool flag = false;
  root.Flag("--flag", &flag, "it");
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, "tool", root);
    EXPECT_THAT(script, HasSubstr("flag")) << shell;
    if (IsInstalled(shell)) {
      EXPECT_THAT(Check(shell, script), IsEmpty()) << shell;
    }
  }
}

TEST(CompletionTest, FishQuotesTextsAndKnowsWhatTakesAValue) {
  Tree tree;
  const std::string script = CompletionScript("fish", "my-tool.v2", tree.root);
  EXPECT_THAT(script, HasSubstr("-l quiet -d 'say '\\''nothing'\\'''\n"));
  EXPECT_THAT(script, HasSubstr("-l out -d 'where to' -r\n"));
  EXPECT_THAT(script, HasSubstr("-r -f -a 'text json'\n"));
  EXPECT_THAT(script, Not(HasSubstr("-l --")));
}

}  // namespace
}  // namespace millrace::host
