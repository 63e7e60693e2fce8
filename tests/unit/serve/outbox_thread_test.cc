// SPDX-License-Identifier: Apache-2.0
// The thread that keeps a worker's outcomes: what it was given is in the file when it has ended, trouble is waited out,
// and a folder has one holder.
#include "millrace/serve/outbox_thread.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/serve/support.h"
#include "tests/unit/serve/worker_rig.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kSoon = std::chrono::milliseconds(5);

AttemptReport ReportOf(std::uint64_t attempt, std::size_t size = 1) {
  AttemptReport report;
  report.attempt = AttemptId{attempt};
  report.outcome = Outcome::kSucceeded;
  report.result = {.bytes = Bytes(std::string(size, 'x')), .digest = {}, .size = size};
  return report;
}

// No file of this process grows beyond it, while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

class OutboxThreadTest : public testing::Test {
 protected:
  std::filesystem::path Place() const { return folder_ / "state/workers/w1"; }
  std::unique_ptr<OutboxThread> Start() {
    auto started = OutboxThread::Start(Place(), found_, kSoon);
    EXPECT_TRUE(started.ok()) << started.status();
    return started.ok() ? *std::move(started) : nullptr;
  }
  // What the next process would find. Only while no thread runs.
  std::vector<std::uint64_t> Attempts() {
    Start();
    std::vector<std::uint64_t> attempts;
    for (const AttemptReport& report : found_.reports) attempts.push_back(report.attempt.value);
    return attempts;
  }
  std::string Log() const {
    std::ifstream in(Place() / "outbox.sqlite-wal", std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TemporaryDirectory folder_;
  store::Outbox::Content found_;
};

TEST_F(OutboxThreadTest, A09_WhatItWasGivenIsThereWhenItHasEnded) {
  {
    const auto outbox = Start();
    outbox->Keep({.broker = 7, .reports = {ReportOf(1), ReportOf(2)}});
    outbox->Keep({.broker = 7, .reports = {ReportOf(3)}});
    outbox->Erase({.attempts = {AttemptId{2}}});
  }
  EXPECT_THAT(Attempts(), ElementsAre(1, 3));
  EXPECT_EQ(found_.broker, 7u);
  {
    const auto outbox = Start();
    outbox->Erase({.attempts = {AttemptId{1}}});
    outbox->Keep({.broker = 8, .reports = {ReportOf(3, 5)}});
  }
  EXPECT_THAT(Attempts(), ElementsAre(3));
  EXPECT_EQ(found_.broker, 8u);
}

TEST_F(OutboxThreadTest, A09_ItDoesNotWaitForItsEndToWrite) {
  const auto outbox = Start();
  AttemptReport report = ReportOf(1);
  report.failure.message = "words that are looked for";
  outbox->Keep({.broker = 7, .reports = {report}});
  EXPECT_TRUE(Eventually([&] { return Log().find("words that are looked for") != std::string::npos; }));
}

TEST_F(OutboxThreadTest, AFullDiskIsWaitedOut) {
  {
    const auto outbox = Start();
    outbox->Keep({.broker = 7, .reports = {ReportOf(1)}});
    {
      const FileSizeLimit full(64 * 1024);
      outbox->Keep({.broker = 7, .reports = {ReportOf(2, 200'000), ReportOf(3)}});
      outbox->Erase({.attempts = {AttemptId{3}}});
      // Once it has tried for a while, it must have failed; how often does not matter.
      const auto until = std::chrono::steady_clock::now() + 20 * kSoon;
      ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > until; }));
      EXPECT_LE(Log().size(), 64u * 1024);
    }
    EXPECT_TRUE(Eventually([&] { return Log().size() > 200'000; }));
  }
  EXPECT_THAT(Attempts(), ElementsAre(1, 2));
}

TEST_F(OutboxThreadTest, A49_AFolderHasOneHolderAndTheOtherIsToldWhich) {
  const auto outbox = Start();
  store::Outbox::Content content;
  const absl::Status refused = OutboxThread::Start(Place(), content).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused), HasSubstr("process " + std::to_string(getpid())));
}

TEST_F(OutboxThreadTest, AllThatItMakesIsForItsUserOnly) {
  Start();
  for (std::filesystem::path place = Place(); place != folder_.path(); place = place.parent_path()) {
    struct stat info {};
    ASSERT_EQ(stat(place.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << place;
  }
  EXPECT_FALSE(OutboxThread::Start("/proc/no/such/place", found_).ok());
}

// A worker through and through: its first process ends without having been heard, its second one says it.
TEST_F(OutboxThreadTest, A09_AWorkersOutcomeOutlivesIt) {
  AttemptId attempt;
  {
    WorkerRig rig({.state_dir = Place()});
    rig.Attach();
    rig.SetDeaf(true);
    attempt = rig.AssignPlay("well");
    EXPECT_EQ(rig.AwaitReport(attempt).outcome, Outcome::kSucceeded);
    rig.worker().AskStop(agent::StopKind::kNow);
    rig.worker().Wait();
  }
  EXPECT_THAT(Attempts(), ElementsAre(attempt.value));
  {
    WorkerRig rig({.state_dir = Place()});
    const Hello hello = rig.Await<Hello>();
    ASSERT_EQ(hello.held.size(), 1u);
    EXPECT_EQ(hello.held[0], (Held{.attempt = attempt, .state = HeldState::kFinished}));
    rig.Greet();
    EXPECT_EQ(rig.AwaitReport(attempt).outcome, Outcome::kSucceeded);
    rig.worker().AskStop(agent::StopKind::kDrain);
    rig.Await<Hello>();  // that it drains
    rig.Greet();
    EXPECT_EQ(rig.worker().Wait().code, 0);
  }
  EXPECT_THAT(Attempts(), IsEmpty());
}

// Loud, and no more than that.
TEST_F(OutboxThreadTest, AWorkerWithoutAPlaceForItWorksAsWell) {
  const auto holder = Start();
  WorkerRig rig({.state_dir = Place()});
  rig.Attach();
  EXPECT_EQ(rig.AwaitReport(rig.AssignPlay("well")).outcome, Outcome::kSucceeded);
}

}  // namespace
}  // namespace millrace::serve
