// SPDX-License-Identifier: Apache-2.0
// Who did what, as the file has it; what is limited; and that it is nobody else's.
#include "millrace/serve/audit_log.h"

#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/net/local_link.h"
#include "tests/unit/serve/support.h"

#include <nlohmann/json.hpp>

namespace millrace::serve {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class AuditLogTest : public testing::Test {
 protected:
  std::vector<nlohmann::json> Lines(const std::string& name = "audit.log") {
    std::vector<nlohmann::json> lines;
    std::ifstream in(folder_ / name);
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  TemporaryDirectory folder_;
  const Caller ann_{Standing::kClient, "ann", "key", {}};
};

Submit SubmitOf(std::uint64_t request, const std::string& name) {
  Submit submit;
  submit.request = request;
  submit.job.name = name;
  return submit;
}
Answer AnswerOf(std::uint64_t request, std::int32_t code = 0, const std::string& message = "") {
  Answer answer;
  answer.request = request;
  answer.code = code;
  answer.message = message;
  if (code == 0) answer.run = RunId{(std::uint64_t{1} << 32) + 2};
  return answer;
}

TEST_F(AuditLogTest, ALineForWhatWasAskedWithHowItEnded) {
  AuditLog log({.file = folder_ / "audit.log"});
  log.Asked(PeerId{1}, &ann_, SubmitOf(7, "release \"1\"\n"));
  log.Asked(PeerId{2}, nullptr, SubmitOf(7, "other"));
  EXPECT_THAT(Lines(), IsEmpty());
  log.Answered(PeerId{1}, AnswerOf(8));  // to something else
  log.Answered(PeerId{1}, AnswerOf(7));
  log.Answered(PeerId{1}, AnswerOf(7));  // said once
  Command drain;
  drain.request = 9;
  drain.kind = CommandKind::kDrainWorker;
  drain.target = "w1";
  log.Asked(PeerId{1}, &ann_, drain);
  log.Answered(PeerId{1}, AnswerOf(9, 7, "you may not"));
  log.Asked(PeerId{1}, &ann_, Query{});  // nobody asks who asked
  log.Answered(PeerId{1}, AnswerOf(0));
  log.Gone(PeerId{2});
  log.Answered(PeerId{2}, AnswerOf(7));
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0]["who"], "client 'ann'");
  EXPECT_EQ(lines[0]["what"], "submit");
  EXPECT_EQ(lines[0]["about"], "1.2 release \"1\"\n");
  EXPECT_EQ(lines[0]["outcome"], "ok");
  EXPECT_EQ(lines[1]["what"], "drain");
  EXPECT_EQ(lines[1]["about"], "w1");
  EXPECT_EQ(lines[1]["outcome"], "you may not");
}

TEST_F(AuditLogTest, RefusalsAreLimitedAndTheRestIsCounted) {
  AuditLog log({.file = folder_ / "audit.log", .refusals_per_minute = 3});
  const Instant start{std::chrono::hours(1)};
  for (int i = 0; i < 10; ++i) log.Refused(start, "a peer", "its key");
  EXPECT_THAT(Lines(), SizeIs(3));
  log.Refused(start + std::chrono::minutes(1), "a peer", "its key");
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_THAT(std::string(lines[3]["about"]), HasSubstr("7 more"));
}

TEST_F(AuditLogTest, TheFileIsPrivateAndItsSizeIsLimited) {
  AuditLog log({.file = folder_ / "audit.log", .max_bytes = 500});
  for (int i = 0; i < 20; ++i) log.KeysChanged("+worker w" + std::to_string(i));
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "audit.log").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_LT(info.st_size, 700);
  EXPECT_EQ(Lines().back()["about"], "+worker w19");
  EXPECT_FALSE(Lines("audit.log.1").empty());
}

TEST_F(AuditLogTest, TextsAreCutAndThatIsSaid) {
  AuditLog log({.file = folder_ / "audit.log"});
  const std::string longest(500, 'x');
  log.KeysChanged(longest);
  log.KeysChanged(longest + "y");
  const auto lines = Lines();
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(lines[0]["about"], longest);
  const std::string cut = lines[1]["about"];
  EXPECT_LE(cut.size(), longest.size());
  EXPECT_THAT(cut, HasSubstr("bytes left out"));
}

TEST_F(AuditLogTest, WhatWaitsForAnAnswerIsLimited) {
  AuditLog log({.file = folder_ / "audit.log"});
  for (std::uint64_t request = 1; request <= 10'001; ++request) log.Asked(PeerId{1}, &ann_, SubmitOf(request, "job"));
  log.Answered(PeerId{1}, AnswerOf(10'001));
  EXPECT_THAT(Lines(), IsEmpty());
  log.Answered(PeerId{1}, AnswerOf(10'000));
  EXPECT_THAT(Lines(), SizeIs(1));
}

TEST_F(AuditLogTest, AnotherLifeGoesOnInTheSameFile) {
  for (const char* line : {"a", "b"}) AuditLog({.file = folder_ / "audit.log"}).KeysChanged(line);
  EXPECT_THAT(Lines(), SizeIs(2));
}

TEST(WhoIsTest, WithoutAKeyNobodyIsKnown) {
  EXPECT_THAT(WhoIs(PeerId{1}, nullptr), HasSubstr("anyone"));
  EXPECT_EQ(WhoIs(PeerId{net::kLocalPeerBit | 1}, nullptr), "this process");
}

}  // namespace
}  // namespace millrace::serve
