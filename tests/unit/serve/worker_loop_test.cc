// SPDX-License-Identifier: Apache-2.0
// The worker's loop: payloads that are elsewhere, results that are too large, and stops that come in between. Every
// attempt ends in one report.
#include "millrace/serve/worker_loop.h"

#include <atomic>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "millrace/serve/artifact_courier.h"
#include "millrace/wire/lz4.h"
#include "tests/unit/serve/worker_rig.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Bytes PackedResult(std::size_t size) {
  return wire::PackPayload(Bytes(wire::Encode(std::string(size, 'x'))), wire::Compression::kOff);
}
std::int64_t NumberIn(const AttemptReport& report) {
  const auto raw = wire::UnpackPayload(report.result.bytes, 100);
  EXPECT_TRUE(raw.ok()) << raw.status();
  const auto number = raw.ok() ? wire::Decode<std::int64_t>(*raw) : absl::StatusOr<std::int64_t>(-1);
  EXPECT_TRUE(number.ok()) << number.status();
  return number.ok() ? *number : -1;
}

TEST(WorkerLoopTest, ARunOfAModuleIsReportedWithItsResult) {
  WorkerRig rig;
  rig.Attach();
  const AttemptReport report = rig.AwaitReport(rig.AssignPlay("well"));
  EXPECT_EQ(report.outcome, Outcome::kSucceeded) << report.failure.message;
  EXPECT_FALSE(report.result.bytes.empty());
  EXPECT_EQ(report.result.digest, std::nullopt);
  EXPECT_EQ(rig.blobs().stores(), 0);
}

TEST(WorkerLoopTest, TheSameInAHostProcess) {
  WorkerRig rig({.in_process = false});
  rig.Attach();
  EXPECT_EQ(rig.AwaitReport(rig.AssignPlay("well")).outcome, Outcome::kSucceeded);
  const AttemptReport exited = rig.AwaitReport(rig.AssignPlay("exit"));
  EXPECT_EQ(exited.outcome, Outcome::kFailed);
  EXPECT_EQ(exited.failure.exit_code, 3);
}

// A task that only waits takes no cpu, and so none of the slots that are for those.
TEST(WorkerLoopTest, A04_AnAttemptThatTakesNoCpuRunsBesideAFullWorker) {
  WorkerRig rig({.cpus = 1});
  rig.Attach();
  const AttemptId busy = rig.AssignPlay("wait");
  rig.Await<Output>();  // it runs
  EXPECT_EQ(rig.AwaitReport(rig.AssignPlay("well", 0, /*cpus=*/0)).outcome, Outcome::kSucceeded);
  EXPECT_FALSE(rig.HasReport(busy));
  rig.CancelAttempt(busy);
  EXPECT_EQ(rig.AwaitReport(busy).outcome, Outcome::kCancelled);
}

TEST(WorkerLoopTest, A33_WhatIsElsewhereIsFetchedBeforeTheStart) {
  WorkerRig rig;
  rig.Attach();
  const Bytes packed = PackedResult(300'000);
  rig.blobs().Put(Sha256(packed.view()), packed);
  const AttemptReport report = rig.AwaitReport(rig.AssignSum({WorkerRig::ElsewhereAt(1, packed)}));
  ASSERT_EQ(report.outcome, Outcome::kSucceeded) << report.failure.message;
  EXPECT_EQ(NumberIn(report), 300'000);
}

TEST(WorkerLoopTest, A04_A37_AFetchThatFailsIsATransientFailureThatSaysWhatAndWhy) {
  WorkerRig rig;
  rig.Attach();
  rig.blobs().FailFetching(Unavailable("the bulk plane has sent nothing for 30 s"));
  const AttemptReport report = rig.AwaitReport(rig.AssignSum({WorkerRig::ElsewhereAt(4, PackedResult(300'000))}));
  EXPECT_EQ(report.outcome, Outcome::kFailed);
  EXPECT_TRUE(report.failure.transient);
  EXPECT_THAT(report.failure.message, AllOf(HasSubstr("play[4]"), HasSubstr("has sent nothing for 30 s")));
  EXPECT_EQ(rig.AwaitReport(rig.AssignPlay("well")).outcome, Outcome::kSucceeded);
}

// The fetch still hangs when the attempt's end is told; its slot is free for others, and what arrives is not started.
TEST(WorkerLoopTest, A20_ACancelDoesNotWaitForAFetch) {
  WorkerRig rig({.cpus = 1});
  rig.Attach();
  rig.blobs().SetClosed(true);
  const Bytes packed = PackedResult(300'000);
  rig.blobs().Put(Sha256(packed.view()), packed);
  const AttemptId fetching = rig.AssignSum({WorkerRig::ElsewhereAt(1, packed)});
  ASSERT_TRUE(Eventually([&] { return rig.blobs().fetches() == 1; }));
  rig.CancelAttempt(fetching);
  EXPECT_EQ(rig.AwaitReport(fetching).outcome, Outcome::kCancelled);
  const AttemptId next = rig.AssignPlay("wait");
  rig.Await<Output>();  // it runs in the same slot
  rig.blobs().SetClosed(false);
  const Bytes other = PackedResult(400'000);
  rig.blobs().Put(Sha256(other.view()), other);
  rig.CancelAttempt(next);
  EXPECT_EQ(rig.AwaitReport(next).outcome, Outcome::kCancelled);
  const AttemptReport last = rig.AwaitReport(rig.AssignSum({WorkerRig::ElsewhereAt(2, other)}));
  ASSERT_EQ(last.outcome, Outcome::kSucceeded) << last.failure.message;
  EXPECT_EQ(NumberIn(last), 400'000);
}

// What comes of a fetch that was given up does not get into the work directory, where others are at work by then.
TEST(WorkerLoopTest, A20_A36_WhatIsCancelledWhileItsArtifactsAreFetchedPlacesNone) {
  WorkerRig rig({.cpus = 1});
  rig.Attach();
  const TemporaryDirectory elsewhere;
  std::filesystem::create_directories(elsewhere / "made/out");
  std::ofstream(elsewhere / "made/out/app") << "elf";
  const std::atomic<bool> stopping = false;
  ArtifactCourier maker({elsewhere / "store", std::uint64_t{1} << 30}, rig.blobs(), stopping);
  const auto made = maker.HandOver(
      {.produces = {{.name = "app", .paths = {"out/app"}}}, .work_dir = elsewhere / "made", .max_file = 1000},
      [&](const Digest& digest, const Bytes& bytes) { return rig.blobs().Store(digest, bytes); });
  ASSERT_TRUE(made.ok()) << made.status();
  const std::filesystem::path app = rig.work_dir() / "out/app";
  rig.blobs().SetClosed(true);
  const AttemptId fetching = rig.AssignConsumer(*made);
  ASSERT_TRUE(Eventually([&] { return rig.blobs().fetches() == 1; }));
  rig.CancelAttempt(fetching);
  EXPECT_EQ(rig.AwaitReport(fetching).outcome, Outcome::kCancelled);
  rig.blobs().SetClosed(false);
  const Bytes packed = PackedResult(300'000);
  rig.blobs().Put(Sha256(packed.view()), packed);
  // Fetched after it, by the same thread.
  ASSERT_EQ(rig.AwaitReport(rig.AssignSum({WorkerRig::ElsewhereAt(2, packed)})).outcome, Outcome::kSucceeded);
  EXPECT_FALSE(std::filesystem::exists(app));
  ASSERT_EQ(rig.AwaitReport(rig.AssignConsumer(*made)).outcome, Outcome::kSucceeded);
  EXPECT_TRUE(std::filesystem::exists(app));
}

// Stopped at once, also when the grace is over long before the fetch.
TEST(WorkerLoopTest, A04_AStopOfTheWorkerWhileFetchingEndsIt) {
  WorkerRig rig({.in_process = false});
  rig.Attach();
  rig.blobs().SetClosed(true);
  rig.AssignSum({WorkerRig::ElsewhereAt(1, PackedResult(300'000))});
  ASSERT_TRUE(Eventually([&] { return rig.blobs().fetches() == 1; }));
  rig.worker().AskStop(agent::StopKind::kNow);
  rig.Await<Goodbye>();
  rig.blobs().SetClosed(false);  // the thread that fetches is waited for
  rig.worker().Wait();
}

TEST(WorkerLoopTest, A33_ALargeResultIsStoredBeforeItIsReported) {
  WorkerRig rig;
  rig.Attach();
  const AttemptReport report = rig.AwaitReport(rig.AssignPlay("well", 1 << 20));
  ASSERT_EQ(report.outcome, Outcome::kSucceeded) << report.failure.message;
  EXPECT_TRUE(report.result.bytes.empty());
  ASSERT_TRUE(report.result.digest.has_value());
  EXPECT_TRUE(rig.blobs().Has(*report.result.digest));
  EXPECT_GT(report.result.size, std::uint64_t{1} << 20);
}

// A stop that comes while the result is on its way to the bulk plane, and a grace that ends before it is there.
TEST(WorkerLoopTest, A04_AResultThatIsBeingStoredIsNotLostToAStop) {
  WorkerRig rig({.cpus = 1, .in_process = false});
  rig.Attach();
  rig.blobs().SetClosed(true);
  const AttemptId attempt = rig.AssignPlay("well", 1 << 20);
  ASSERT_TRUE(Eventually([&] { return rig.blobs().stores() == 1; }));
  rig.CancelAttempt(attempt);
  // Twice the grace: the KILL has been asked for. It is no use to wait for anything else, for nothing may happen.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  ASSERT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_FALSE(rig.HasReport(attempt));
  rig.blobs().SetClosed(false);
  const AttemptReport report = rig.AwaitReport(attempt);
  EXPECT_EQ(report.outcome, Outcome::kSucceeded) << report.failure.message;
  EXPECT_TRUE(rig.blobs().Has(report.result.digest.value()));
  EXPECT_EQ(rig.AwaitReport(rig.AssignPlay("well")).outcome, Outcome::kSucceeded) << "the slot is as good as before";
}

TEST(WorkerLoopTest, BesideItsBrokerALargeResultStaysWhereItIs) {
  WorkerRig rig;
  rig.blobs().SetStaysInline(true);  // before anything is assigned
  rig.Attach();
  const AttemptReport report = rig.AwaitReport(rig.AssignPlay("well", 1 << 20));
  ASSERT_EQ(report.outcome, Outcome::kSucceeded);
  EXPECT_GT(report.result.bytes.size(), std::size_t{1} << 20);
  EXPECT_EQ(rig.blobs().stores(), 0);
}

TEST(WorkerLoopTest, A39_WhatIsPrintedReachesTheBrokerWithItsTask) {
  WorkerRig rig;
  rig.Attach();
  const AttemptId attempt = rig.AssignPlay("print");
  const Output output = rig.Await<Output>();
  ASSERT_FALSE(output.chunks.empty());
  EXPECT_EQ(output.chunks[0].attempt, attempt);
  EXPECT_EQ(output.chunks[0].name, "play");
  EXPECT_THAT(output.chunks[0].text, testing::StartsWith("a line"));
  EXPECT_EQ(rig.AwaitReport(attempt).outcome, Outcome::kSucceeded);
}

}  // namespace
}  // namespace millrace::serve
