// SPDX-License-Identifier: Apache-2.0
// Journals of earlier releases are read: the bytes that the first one wrote of the records that have grown since.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "millrace/wire/record_frame.h"

namespace millrace::wire {
namespace {

template <class R>
R Recorded(const std::string& name) {
  std::ifstream file(std::filesystem::path(MILLRACE_GOLDEN_DIR) / "first_release" / (name + ".hex"));
  std::stringstream hex;
  hex << file.rdbuf();
  const auto record = DecodeRecord(Bytes(absl::HexStringToBytes(absl::StrReplaceAll(hex.str(), {{"\n", ""}}))));
  EXPECT_TRUE(record.ok()) << name << ": " << record.status();
  if (!record.ok() || !std::holds_alternative<R>(*record)) return {};
  return std::get<R>(*record);
}

TEST(OldRecordsTest, A33_RecordsOfTheFirstReleaseAreReadAndHaveNoTimes) {
  const auto assigned = Recorded<TaskAssigned>("record_task_assigned");
  EXPECT_TRUE(assigned.attempt.valid());
  EXPECT_FALSE(assigned.worker.empty());
  EXPECT_EQ(assigned.assigned_unix_ms, 0);
  const auto attempt = Recorded<AttemptEnded>("record_attempt_ended");
  EXPECT_TRUE(attempt.charged && attempt.suspect && attempt.crashed);
  EXPECT_EQ(attempt.started_unix_ms, 0);
  EXPECT_EQ(attempt.ended_unix_ms, 0);
  EXPECT_EQ(attempt.message, "");
  const auto task = Recorded<TaskEnded>("record_task_ended");
  EXPECT_EQ(task.failure.message, "message 13");
  EXPECT_GT(task.execution, Duration::zero());
  EXPECT_EQ(task.started_unix_ms, 0);
  EXPECT_EQ(task.ended_unix_ms, 0);
  const auto run = Recorded<RunEnded>("record_run_ended");
  EXPECT_TRUE(run.run.valid());
  EXPECT_EQ(run.ended_unix_ms, 0);
}

}  // namespace
}  // namespace millrace::wire
