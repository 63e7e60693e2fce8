// SPDX-License-Identifier: Apache-2.0
// The step of a YAML pipeline as its shell sees it.
#include "modules/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attempt.h"
#include "folder.h"
#include "modules/builtins.h"

namespace millrace::modules {
namespace {

using testing::AttemptAt;
using testing::Bad;
using testing::Good;
using ::testing::HasSubstr;
using testing::Ran;

struct Info {
  std::string version;
  std::vector<int> sizes;
};

Ran RunIt(const SlotExecute& execute) { return testing::RunAttempt(Builtins(), execute); }
Ran RunIt(const Command& command) { return RunIt(AttemptAt(command)); }
std::string JsonOf(const Ran& ran) {
  EXPECT_EQ(ran.done.outcome, Outcome::kSucceeded) << ran.done.failure.message;
  if (ran.done.outcome != Outcome::kSucceeded) return "";
  return ToJson(wire::UnpackPayload(ran.done.result.bytes, 1 << 20).value()).value();
}

TEST(CommandModuleTest, WithoutAResultOfItsOwnItIsExitCodeAndOutput) {
  const Ran ran = RunIt(Command{.shell = "echo hello; echo noise >&2"});
  EXPECT_EQ(JsonOf(ran), R"({"exit_code":0,"output":"hello\n"})");
  EXPECT_EQ(ran.out, "hello\n");
  EXPECT_EQ(ran.err, "noise\n");
}

TEST(CommandModuleTest, WhatItWritesToMillraceOutputIsItsResult) {
  EXPECT_EQ(JsonOf(RunIt(Command{.shell = R"(echo '{"version": "1.2", "sizes": [1, 2]}' > "$MILLRACE_OUTPUT")"})),
            R"({"sizes":[1,2],"version":"1.2"})");
}

TEST(CommandModuleTest, A04_AResultThatIsNoJsonFailsTheTask) {
  const Ran ran = RunIt(Command{.shell = "echo '{oops' > $MILLRACE_OUTPUT"});
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_THAT(ran.done.failure.message, HasSubstr("$MILLRACE_OUTPUT is no JSON"));
}

TEST(CommandModuleTest, A04_AFolderWhereTheResultShouldBeFailsTheTask) {
  const Ran ran = RunIt(Command{.shell = "mkdir $MILLRACE_OUTPUT"});
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_THAT(ran.done.failure.message, HasSubstr("$MILLRACE_OUTPUT cannot be read: is it a folder?"));
}

TEST(CommandModuleTest, DependenciesAreJsonFiles) {
  SlotExecute execute = AttemptAt(Command{.shell = R"(cat "$MILLRACE_INPUTS/build.json"; ls "$MILLRACE_INPUTS")"});
  execute.needs = {Good("build", "build", -1, Info{"7", {1}}), Good("test[shard=1]/a", "test", -1, 5),
                   Good("restore", "restore", -1, NoResult{}), Bad("lint", "lint", -1, Outcome::kFailed, "no")};
  EXPECT_EQ(RunIt(execute).out, "{\"version\":\"7\",\"sizes\":[1]}\nbuild.json\ntest[shard=1]%2Fa.json\n");
}

TEST(CommandModuleTest, NamesOfFilesCannotLeaveTheFolder) {
  EXPECT_EQ(InputFileName("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
  EXPECT_EQ(InputFileName("a b\n"), "a%20b%0A");
  EXPECT_EQ(InputFileName(".."), "%2E.");
  EXPECT_LT(InputFileName(std::string(1000, 'x')).size(), 220U);
  EXPECT_NE(InputFileName(std::string(1000, 'x') + "a"), InputFileName(std::string(1000, 'x') + "b"));
}

TEST(CommandModuleTest, ArgvMeetsNoShell) {
  EXPECT_EQ(RunIt(Command{.argv = {"echo", "$HOME", "a  b"}}).out, "$HOME a  b\n");
}

TEST(CommandModuleTest, EnvironmentDirectoryAndInput) {
  const testing::Folder folder;
  folder.Write("sub/file", "");
  SlotExecute execute = AttemptAt(
      Command{.shell = "ls; echo $A $B; cat", .directory = "sub", .env = {{"B", "step"}}, .input = "from stdin"});
  execute.work_dir = folder.path();
  execute.env = {{"A", "task"}, {"B", "task"}};
  EXPECT_EQ(RunIt(execute).out, "file\ntask step\nfrom stdin");
}

TEST(CommandModuleTest, A37_AFailureHasExitCodeAndLastLines) {
  const Ran ran = RunIt(Command{.shell = "echo one; echo two; exit 7"});
  EXPECT_EQ(ran.done.outcome, Outcome::kFailed);
  EXPECT_EQ(ran.done.failure.exit_code, 7);
  EXPECT_EQ(ran.done.failure.output, "one\ntwo");
}

TEST(CommandModuleTest, A08_Exit75IsTransient) {
  EXPECT_TRUE(RunIt(Command{.shell = "exit 75"}).done.failure.transient);
}

TEST(CommandModuleTest, BothOrNeitherOfShellAndArgvIsRefused) {
  EXPECT_EQ(RunIt(Command{}).done.outcome, Outcome::kFailed);
  EXPECT_EQ(RunIt(Command{.shell = "true", .argv = {"true"}}).done.outcome, Outcome::kFailed);
}

TEST(CommandModuleTest, OutputOverTheLimitIsCutInTheResultOnly) {
  const Ran ran = RunIt(Command{.shell = "seq 1 10000", .output_limit = 1000});
  EXPECT_LT(JsonOf(ran).size(), 2000U);
  EXPECT_THAT(JsonOf(ran), HasSubstr("left out"));
  EXPECT_EQ(ran.out.size(), 48894U);
}

TEST(CommandModuleTest, NothingIsLeftInTheTemporaryFolder) {
  const Ran ran = RunIt(Command{.shell = "touch $MILLRACE_INPUTS/x; dirname $MILLRACE_OUTPUT"});
  EXPECT_FALSE(std::filesystem::exists(ran.out.substr(0, ran.out.size() - 1)));
}

}  // namespace
}  // namespace millrace::modules
