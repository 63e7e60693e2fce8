// SPDX-License-Identifier: Apache-2.0
// Roles: what each key may say, and that nobody speaks for another's worker.
#include "millrace/sched/permission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<const Caller> With(Standing standing, const std::string& name, std::vector<std::string> tags = {}) {
  return std::make_shared<const Caller>(Caller{standing, name, "key of " + name, std::move(tags)});
}

Hello WorkerHello(const std::string& name) {
  Hello hello;
  hello.name = name;
  hello.incarnation = {5};
  hello.offer.modules.push_back({.name = "work", .fingerprint = 0});
  return hello;
}
Hello ClientHello() {
  Hello hello;
  hello.role = Role::kClient;
  return hello;
}
Command CommandOf(CommandKind kind) {
  Command command;
  command.request = 3;
  command.kind = kind;
  return command;
}

TEST(PermissionTest, EachRoleMaySayItsOwn) {
  const std::vector<std::pair<Message, std::string>> table = {
      // the roles that may, by their first letters
      {WorkerHello("x"), "w"},
      {Report{}, "w"},
      {Beat{}, "w"},
      {Output{}, "w"},
      {Goodbye{}, "w"},
      {ClientHello(), "caj"},
      {Submit{}, "ca"},
      {Query{}, "ca"},
      {CommandOf(CommandKind::kCancelRun), "ca"},
      {CommandOf(CommandKind::kDrainWorker), "a"},
      {CommandOf(CommandKind::kReleaseWorkers), "a"},
      {CommandOf(CommandKind::kJoin), "j"},
      {CommandOf(static_cast<CommandKind>(99)), ""},
      {Ping{}, "wcaj"},
      {Pong{}, "wcaj"},
  };
  for (const Standing standing : {Standing::kWorker, Standing::kClient, Standing::kAdmin, Standing::kJoin}) {
    for (const auto& [message, who] : table) {
      const absl::Status status = CheckPermission(*With(standing, "x"), message);
      const bool may = who.find(StandingName(standing).front()) != std::string::npos;
      EXPECT_EQ(status.ok(), may) << StandingName(standing) << " says message " << message.index() << ": " << status;
      EXPECT_EQ(status.code() == absl::StatusCode::kPermissionDenied, !may);
    }
  }
}

TEST(PermissionTest, A49_AKeySpeaksForItsOwnWorkerIdsOnly) {
  const auto caller = With(Standing::kWorker, "build");
  for (const char* own : {"build", "build.1", "build.host-12"}) {
    EXPECT_TRUE(CheckPermission(*caller, WorkerHello(own)).ok()) << own;
  }
  for (const char* other : {"builder", "build-1", "bui", "", "other", "Build"}) {
    EXPECT_THAT(TextOf(CheckPermission(*caller, WorkerHello(other))), HasSubstr("--worker-id build")) << other;
  }
}

TEST(PermissionTest, TagsAreLimitedWhereTheKeyLimitsThem) {
  Hello hello = WorkerHello("x");
  hello.offer.tags = {"gpu", "fast"};
  EXPECT_TRUE(CheckPermission(*With(Standing::kWorker, "x"), hello).ok());
  EXPECT_TRUE(CheckPermission(*With(Standing::kWorker, "x", {"fast", "gpu", "big"}), hello).ok());
  EXPECT_THAT(TextOf(CheckPermission(*With(Standing::kWorker, "x", {"gpu"}), hello)), HasSubstr("'fast'"));
}

TEST(PermissionTest, A48_TheBrainRefusesInTheFormInWhichAnAnswerIsExpected) {
  Rig rig;
  rig.Join("w1");
  rig.Step(Heard{.peer = PeerId{7}, .message = ClientHello(), .caller = With(Standing::kClient, "ann")});
  Command drain = CommandOf(CommandKind::kDrainWorker);
  drain.target = "w1";
  rig.Step(Heard{.peer = PeerId{7}, .message = drain, .caller = With(Standing::kClient, "ann")});
  const Answer answer = rig.Last<Answer>(PeerId{7}).value();
  EXPECT_EQ(answer.request, 3u);
  EXPECT_EQ(answer.code, static_cast<std::int32_t>(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(answer.message, AllOf(HasSubstr("ann"), HasSubstr("client"), HasSubstr("keys add admin")));
  EXPECT_NE(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kDraining);

  rig.Step(Heard{.peer = PeerId{8}, .message = WorkerHello("w2"), .caller = With(Standing::kClient, "ann")});
  EXPECT_EQ(rig.Last<Refused>(PeerId{8}).value().code, RefusalCode::kNotAllowed);
  EXPECT_EQ(rig.scheduler->Workers(rig.now).size(), 1u);
  EXPECT_EQ(rig.scheduler->Broker(rig.now).protocol_errors, 2u);

  rig.Step(Heard{.peer = PeerId{7}, .message = drain, .caller = With(Standing::kAdmin, "ann")});
  EXPECT_EQ(rig.scheduler->Workers(rig.now).at(0).state, WorkerState::kDraining);
}

TEST(PermissionTest, ABeatForAnotherKeysSessionKeepsNobodyAlive) {
  const auto lost_with_beats_of = [](const std::string& key) {
    Rig rig;
    rig.Join("w1");
    const SessionId session = rig.Last<Welcome>(rig.workers.at("w1").peer).value().session;
    for (std::uint64_t number = 1; number <= 20; ++number) {
      Beat beat;
      beat.session = session;
      beat.incarnation = rig.workers.at("w1").incarnation;
      beat.number = number;
      rig.Step(
          Heard{.peer = {}, .message = beat, .on_heartbeat_channel = true, .caller = With(Standing::kWorker, key)});
      rig.Advance(seconds(2));
    }
    EXPECT_EQ(rig.scheduler->Broker(rig.now).protocol_errors > 0, key != "w1");
    return rig.scheduler->Workers(rig.now).at(0).state == WorkerState::kLost;
  };
  EXPECT_FALSE(lost_with_beats_of("w1"));
  EXPECT_TRUE(lost_with_beats_of("w2"));
}

TEST(PermissionTest, A49_ARevokedWorkersTasksGoToOthersAtOnceAndNobodyIsToBlame) {
  Rig rig;
  rig.Join("w1");
  rig.Submit(Job().Task("a").spec);
  ASSERT_EQ(rig.Task("a").worker, "w1");
  rig.Started("w1", "a");
  const PeerId peer = rig.workers.at("w1").peer;
  rig.Step(PeerGone{.peer = peer, .process_dead = false, .revoked = true});
  rig.Join("w2");
  EXPECT_EQ(rig.Task("a").worker, "w2");
  for (const WorkerView& row : rig.scheduler->Workers(rig.now)) {
    EXPECT_EQ(row.state == WorkerState::kLost, row.name == "w1") << row.name;
  }
}

}  // namespace
}  // namespace millrace::sched
