// SPDX-License-Identifier: Apache-2.0
// A worker as the programs around it see it: how it ends, and that it always does.
#include "millrace/serve/worker.h"

#include <poll.h>
#include <sys/wait.h>

#include <csignal>

#include "gmock/gmock.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/leftovers.h"
#include "millrace/exec/spawn.h"
#include "tests/unit/serve/worker_rig.h"

namespace millrace::serve {
namespace {

bool IsReadable(int fd) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(WorkerTest, SaysWhoItIs) {
  WorkerRig rig;
  const Hello hello = rig.Await<Hello>();
  EXPECT_EQ(hello.role, Role::kWorker);
  EXPECT_EQ(hello.name, "w1");
  EXPECT_EQ(hello.offer.cpus, 2);
  EXPECT_EQ(hello.offer.modules.size(), TestModules().size());
}

TEST(WorkerTest, WhatADeadWorkerHasLeftIsGoneBeforeTheHello) {
  std::string mark = exec::NewSlotMark();
  const std::size_t pid = mark.find('-') + 1;
  mark.replace(pid, mark.find('-', pid) - pid, "99999999");  // nobody has this number
  exec::SpawnRequest request;
  request.program = "/bin/sleep";
  request.argv = {"sleep", "1000"};
  request.env = {{exec::kSlotVariable, mark}};
  const exec::Child left = exec::Spawn(request).value();
  WorkerRig rig;
  rig.Await<Hello>();
  int status = 0;
  ASSERT_EQ(waitpid(left.pid, &status, WNOHANG), left.pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(WorkerTest, A28_AnIdleWorkerThatIsDrainedSaysGoodbyeAndEndsWithZero) {
  WorkerRig rig;
  rig.Attach();
  rig.AwaitReport(rig.AssignPlay("well"));
  EXPECT_FALSE(IsReadable(rig.worker().ended_fd()));
  Drain drain;
  drain.session = WorkerRig::kSession;
  drain.number = 2;
  drain.reason = "the broker is done";
  rig.Say(std::move(drain));
  EXPECT_THAT(rig.Await<Goodbye>().reason, testing::HasSubstr("the broker is done"));
  EXPECT_EQ(rig.worker().Wait().code, 0);
  EXPECT_TRUE(IsReadable(rig.worker().ended_fd()));
  EXPECT_EQ(rig.worker().Wait().code, 0);  // as often as one likes
}

TEST(WorkerTest, ARefusalEndsItWithTheReason) {
  WorkerRig rig;
  rig.Await<Hello>();
  rig.Say(Refused{RefusalCode::kVersion, "this broker speaks 2, you speak 1", false});
  const Worker::End end = rig.worker().Wait();
  EXPECT_EQ(end.code, 76);
  EXPECT_THAT(end.reason, testing::HasSubstr("speaks 2"));
}

TEST(WorkerTest, StopsAtOnceWhatRunsInAHost) {
  WorkerRig rig({.in_process = false});
  rig.Attach();
  rig.AssignPlay("deaf");
  rig.Await<Output>();
  rig.worker().AskStop(agent::StopKind::kNow);
  EXPECT_NE(rig.worker().Wait().code, 0);
}

TEST(WorkerTest, ItsEndMayBeLeftToTheDestructor) {
  WorkerRig rig({.in_process = false});
  rig.Attach();
  rig.AssignPlay("deaf");
  rig.Await<Output>();
  rig.DropWorker();  // returns
}

TEST(WorkerTest, ABrokerThatEndsInTheSameProcessDoesNotHoldItUp) {
  auto hub = std::make_unique<net::LocalHub>();
  FakeBlobs blobs;
  WorkerOptions options;
  options.brain.name = "w1";
  options.brain.incarnation = Incarnation{7};
  options.brain.broker_lost_timeout = std::chrono::milliseconds(200);
  options.registry = &TestModules();
  auto worker = Worker::Start(std::move(options), hub->Connect(), blobs);
  ASSERT_TRUE(worker.ok());
  hub.reset();
  EXPECT_EQ((*worker)->Wait().code, 75);
}

}  // namespace
}  // namespace millrace::serve
