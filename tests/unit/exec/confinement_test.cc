// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/confinement.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What a command of a process that is confined so prints, and its exit code.
std::string InConfinement(const std::string& confinement, const std::string& script) {
  CommandLine line;
  line.program = TestExecutable();
  line.args = {"--test-confined", confinement, script};
  line.env = ChildEnvironment({});
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(line, {});
  return outcome.ok() ? outcome->out : TextOf(outcome.status());
}

constexpr char kNoNewPrivileges[] = "sed -n 's/NoNewPrivs:[[:space:]]*/nnp /p' /proc/self/status";

TEST(Confinement, PrivilegesAreGainedOnlyWhereThatIsAllowed) {
  EXPECT_EQ(InConfinement("", kNoNewPrivileges), "nnp 1\nexit 0\n");
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) GTEST_SKIP() << "we may not gain any ourselves; a task of Millrace?";
  EXPECT_EQ(InConfinement("new-privileges", kNoNewPrivileges), "nnp 0\nexit 0\n");
}

TEST(Confinement, ThereAreNoCoreFilesUnlessAskedFor) {
  rlimit before{};
  getrlimit(RLIMIT_CORE, &before);
  rlimit some = before;
  some.rlim_cur = std::min<rlim_t>(before.rlim_max, 1 << 20);
  setrlimit(RLIMIT_CORE, &some);
  if (some.rlim_cur >= 1024) {  // so that it is us who lower it
    EXPECT_EQ(InConfinement("", "ulimit -S -c"), "0\nexit 0\n");
    EXPECT_EQ(InConfinement("core=1KiB", "ulimit -S -c; ulimit -H -c"), "2\n2\nexit 0\n");  // blocks of 512 bytes
  }
  setrlimit(RLIMIT_CORE, &before);
}

TEST(Confinement, EachLimitHoldsForCommandsAndCannotBeRaised) {
  EXPECT_EQ(InConfinement("files=64,file-size=1KiB,stack=1MiB", "ulimit -n; ulimit -H -n; ulimit -f; ulimit -s"),
            "64\n64\n2\n1024\nexit 0\n");
  // What is written beyond it is cut off.
  EXPECT_THAT(InConfinement("file-size=1KiB",
                            "cd ${TMPDIR:-/tmp} && f=$(mktemp) && trap 'rm $f' EXIT && (head -c 9999 /dev/zero > $f) "
                            "2>/dev/null; wc -c < $f"),
              HasSubstr("1024\n"));
  EXPECT_EQ(InConfinement("processes=4096", "cat /proc/self/limits | grep -c 'Max processes *4096 *4096'"),
            "1\nexit 0\n");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve terabytes of address space
  EXPECT_EQ(InConfinement("memory=512MiB", "ulimit -v"), "524288\nexit 0\n");
#endif
}

TEST(Confinement, CpuTimeCountsForEachCommandByItself) {
  EXPECT_EQ(InConfinement("cpu=1s", "i=0; while [ $i -lt 30000000 ]; do i=$((i + 1)); done"),
            "exit " + std::to_string(128 + SIGXCPU) + "\n");
}

TEST(Confinement, TextsAreReadBack) {
  for (const std::string name : {"cpu", "files", "file-size", "processes", "memory", "stack", "core"}) {
    const std::string text =
        TaskLimitText(name, 123'456'789 / (name == "files" || name == "processes" || name == "cpu" ? 1000 : 1));
    const auto read = ParseTaskLimit(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(TaskLimitText(read->first, read->second), text);
  }
  EXPECT_EQ(ParseTaskLimit("cpu=2m")->second, 120);
  EXPECT_EQ(ParseTaskLimit("cpu=90")->second, 90);
  EXPECT_EQ(ParseTaskLimit("memory=4GiB")->second, std::int64_t{4} << 30);
  const Confinement all{.new_privileges = true, .limits = {{"core", 0}, {"cpu", 7}}};
  EXPECT_EQ(ConfinementText(all), "new-privileges,core=0B,cpu=7s");
  const auto read = ParseConfinement(ConfinementText(all));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->new_privileges);
  EXPECT_EQ(read->limits, all.limits);
  EXPECT_EQ(ConfinementText(ParseConfinement("").value()), "");
}

TEST(Confinement, WhatIsNoLimitIsRefusedWithWhatIs) {
  const auto refusal = [](std::string_view text) { return TextOf(ParseTaskLimit(text).status()); };
  EXPECT_THAT(refusal("memroy=1GiB"),
              AllOf(HasSubstr("'memroy=1GiB'"), HasSubstr("file-size"), HasSubstr("'memory'?")));
  EXPECT_THAT(refusal("files"), AllOf(HasSubstr("lacks its value"), HasSubstr("files=32 to 1048576")));
  EXPECT_THAT(refusal("files=8"), AllOf(HasSubstr("'files=8'"), HasSubstr("files=32 to 1048576")));
  EXPECT_THAT(refusal("files=4k"), AllOf(HasSubstr("4k"), HasSubstr("files=32 to")));
  EXPECT_THAT(refusal("memory=much"), AllOf(HasSubstr("much"), HasSubstr("memory=64MiB to")));
  EXPECT_THAT(refusal("cpu=0"), HasSubstr("cpu=1s to"));
  EXPECT_THAT(refusal("cpu=-3s"), HasSubstr("cpu=1s to"));
  EXPECT_THAT(refusal(""), HasSubstr("'': there is no such limit"));
  EXPECT_FALSE(ParseConfinement("new-privileges,disk=1").ok());
}

TEST(Confinement, MoreThanWeHaveOurselvesIsRefusedAtTheStart) {
  EXPECT_TRUE(CheckTaskLimits({{"files", 32}, {"core", 0}}).ok());
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  ASSERT_NE(files.rlim_max, RLIM_INFINITY);
  const absl::Status status = CheckTaskLimits({{"files", static_cast<std::int64_t>(files.rlim_max) + 1}});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(status),
              AllOf(HasSubstr("files=" + std::to_string(files.rlim_max + 1)),
                    HasSubstr("files=" + std::to_string(files.rlim_max) + ";"), HasSubstr("ulimit -H")));
}

}  // namespace
}  // namespace millrace::exec
