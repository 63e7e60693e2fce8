// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/environment.h"

#include <cstdlib>

#include "gtest/gtest.h"
#include "millrace/exec/command.h"

namespace millrace::exec {
namespace {

TEST(ChildEnvironment, A45_SettingsOfOursNeverReachChildren) {
  for (const char* name : {"ORCHESTRATOR_URL", "ORCHESTRATOR_PORT", "WORKER_ID", "WORKER_MAX_PARALLEL", "LOG_LEVEL",
                           "MILLRACE_DATA_DIR", "AWS_SECRET_ACCESS_KEY"}) {
    setenv(name, "leaked", 1);
  }
  CommandLine line;
  line.program = "env";
  line.env = ChildEnvironment({{"shard", "3"}, {"MILLRACE_INPUTS", "/in"}});
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(line, {});
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->out.find("leaked"), std::string::npos) << outcome->out;
  EXPECT_NE(outcome->out.find("shard=3\n"), std::string::npos);
  EXPECT_NE(outcome->out.find("MILLRACE_INPUTS=/in\n"), std::string::npos);
  EXPECT_NE(outcome->out.find("PATH="), std::string::npos);
}

TEST(ChildEnvironment, ThePipelineWinsOverTheWorker) {
  setenv("LANG", "ours", 1);
  EXPECT_EQ(ChildEnvironment({}).at("LANG"), "ours");
  EXPECT_EQ(ChildEnvironment({{"LANG", "theirs"}}).at("LANG"), "theirs");
  EXPECT_EQ(ChildEnvironment({{"PATH", "/opt"}}).at("PATH"), "/opt");
}

}  // namespace
}  // namespace millrace::exec
