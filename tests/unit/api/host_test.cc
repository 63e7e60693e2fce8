// SPDX-License-Identifier: Apache-2.0
// The real module host: this program, started again, at the other end of a socket pair.
#include "millrace/api/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>

#include "attempt.h"
#include "millrace/exec/host_channel.h"
#include "millrace/exec/spawn.h"
#include "millrace/wire/slot_frame.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

struct Echo {
  static constexpr std::string_view kName = "echo";
  std::string text;
  absl::StatusOr<std::string> Run(Context& context) const {
    context.Print(text);
    return text;
  }
};
// Prints past the context.
struct Printf {
  static constexpr std::string_view kName = "printf";
  absl::Status Run() const {
    std::printf("by printf, no newline");
    std::cout << " and by cout";
    std::fprintf(stderr, "by stderr\n");
    if (std::system("echo by a child") != 0) return absl::UnknownError("no shell");  // NOLINT: what is tested
    return absl::InternalError("so that its output is reported");
  }
};
// Goes elsewhere, as modules should not.
struct Wander {
  static constexpr std::string_view kName = "wander";
  absl::StatusOr<std::string> Run(Context& context) const {
    const std::string here = std::filesystem::current_path();
    if (here != std::filesystem::canonical(context.work_dir())) return absl::InternalError("two truths");
    std::filesystem::current_path("/");
    return here + "|" + context.Shell("pwd")->output;
  }
};
struct WaitForStop {
  static constexpr std::string_view kName = "wait_for_stop";
  absl::Status Run(Context& context) const {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    context.Print("waiting");
    stopped.wait(lock, context.stop_token(), [] { return false; });
    return absl::CancelledError("stopped");
  }
};
struct Deaf {
  static constexpr std::string_view kName = "deaf";
  absl::Status Run(Context& context) const {
    context.Print("waiting");
    while (true) pause();
  }
};
struct Die {
  static constexpr std::string_view kName = "die";
  void Run() const { std::_Exit(9); }
};

class HostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd theirs(ends[1]);
    channel_ = exec::HostChannel::FromFd(ends[0]).value();
    exec::SpawnRequest request;
    request.program = std::filesystem::read_symlink("/proc/self/exe");
    request.argv = {"host", kModuleHostWord};
    request.env = exec::ChildEnvironment({});
    request.descriptors = {{theirs.get(), exec::kHostChannelFd}};
    child_ = exec::Spawn(request).value();
  }
  void TearDown() override {
    channel_.reset();
    if (child_.pid > 0) kill(child_.pid, SIGKILL), waitpid(child_.pid, nullptr, 0);
  }

  void Send(SlotMessage message) { ASSERT_TRUE(channel_->Send(wire::EncodeSlotMessage(message)).ok()); }
  std::optional<SlotMessage> Next() {
    auto frame = channel_->Receive();
    if (!frame.ok() || !frame->has_value()) return std::nullopt;
    return wire::DecodeSlotMessage(Bytes(**std::move(frame))).value();
  }
  void WaitForOutput(std::string_view text) {
    while (out_.find(text) == std::string::npos) {
      auto message = Next();
      ASSERT_TRUE(message && std::holds_alternative<SlotOutput>(*message));
      Take(std::get<SlotOutput>(*message));
    }
  }
  SlotDone WaitForDone() {
    while (auto message = Next()) {
      if (auto* done = std::get_if<SlotDone>(&*message)) return std::move(*done);
      Take(std::get<SlotOutput>(*message));
    }
    ADD_FAILURE() << "the host went away";
    return {};
  }
  void Take(const SlotOutput& chunk) {
    EXPECT_EQ(chunk.attempt, attempt_);
    (chunk.is_stderr ? err_ : out_) += chunk.text;
  }
  SlotExecute Attempt(std::string module, Bytes inputs = {}) {
    SlotExecute execute = testing::AttemptOf(std::move(module), std::move(inputs));
    execute.attempt = attempt_ = AttemptId{attempt_.value + 1};
    out_.clear();
    err_.clear();
    return execute;
  }
  int ExitStatus() {
    int status = 0;
    waitpid(std::exchange(child_.pid, 0), &status, 0);
    return status;
  }

  std::unique_ptr<exec::HostChannel> channel_;
  exec::Child child_;
  AttemptId attempt_{100};
  std::string out_;
  std::string err_;
};

TEST_F(HostTest, RunsOneAttemptAfterTheOther) {
  for (const char* text : {"one", "two", "three"}) {
    Send(Attempt("echo", EncodeValue(Echo{text})));
    const SlotDone done = WaitForDone();
    EXPECT_EQ(done.outcome, Outcome::kSucceeded);
    EXPECT_EQ(done.attempt, attempt_);
    EXPECT_EQ(DecodeValue<std::string>(wire::UnpackPayload(done.result.bytes, 100).value()).value(), text);
    EXPECT_EQ(out_, std::string(text) + "\n") << "all output comes before the outcome";
  }
}

TEST_F(HostTest, A39_WhatTheProcessItselfPrintsBelongsToTheTask) {
  Send(Attempt("printf"));
  const SlotDone done = WaitForDone();
  EXPECT_THAT(out_, HasSubstr("by printf, no newline and by cout"));
  EXPECT_THAT(out_, HasSubstr("by a child\n"));
  EXPECT_EQ(err_, "by stderr\n");
  EXPECT_THAT(done.failure.output, HasSubstr("by stderr"));
  EXPECT_THAT(done.failure.output, HasSubstr("no newline"));
}

TEST_F(HostTest, A20_AStopReachesARunningModuleAndTheHostLivesOn) {
  Send(Attempt("wait_for_stop"));
  WaitForOutput("waiting");
  Send(SlotStop{attempt_});
  EXPECT_EQ(WaitForDone().outcome, Outcome::kCancelled);
  Send(Attempt("echo", EncodeValue(Echo{"again"})));
  EXPECT_EQ(WaitForDone().outcome, Outcome::kSucceeded) << "the stop was for the one before";
}

TEST_F(HostTest, AStopForAnotherAttemptIsIgnored) {
  Send(Attempt("wait_for_stop"));
  WaitForOutput("waiting");
  Send(SlotStop{AttemptId{7}});
  Send(SlotStop{attempt_});
  EXPECT_EQ(WaitForDone().attempt, attempt_);
}

TEST_F(HostTest, SigtermStopsTheRunningModule) {
  Send(Attempt("wait_for_stop"));
  WaitForOutput("waiting");
  kill(child_.pid, SIGTERM);
  EXPECT_EQ(WaitForDone().outcome, Outcome::kCancelled);
}

TEST_F(HostTest, TheEndOfTheChannelEndsAnIdleHost) {
  Send(Attempt("echo"));
  EXPECT_EQ(WaitForDone().outcome, Outcome::kSucceeded);
  channel_.reset();
  EXPECT_EQ(ExitStatus(), 0);
}

TEST_F(HostTest, TheEndOfTheChannelEndsAModuleThatDoesNotListen) {
  SlotExecute execute = Attempt("deaf");
  execute.kill_grace = std::chrono::milliseconds(50);
  Send(execute);
  WaitForOutput("waiting");
  channel_.reset();
  const int status = ExitStatus();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 75);
}

TEST_F(HostTest, AModuleThatDiesTakesTheHostAlong) {
  Send(Attempt("die"));
  EXPECT_FALSE(Next().has_value());
  EXPECT_EQ(WEXITSTATUS(ExitStatus()), 9);
}

TEST_F(HostTest, AWorkDirectoryThatIsNotThereIsAFailure) {
  SlotExecute execute = Attempt("echo");
  execute.work_dir = "/no/such/place";
  Send(execute);
  const SlotDone done = WaitForDone();
  EXPECT_EQ(done.outcome, Outcome::kFailed);
  EXPECT_THAT(done.failure.message, HasSubstr("/no/such/place"));
}

TEST_F(HostTest, EveryAttemptStartsInItsWorkDirectory) {
  const std::string here = std::filesystem::current_path();
  for (const std::string work_dir : {"", "", "/usr", "."}) {
    SlotExecute execute = Attempt("wander");
    execute.work_dir = work_dir;
    Send(execute);
    const SlotDone done = WaitForDone();
    ASSERT_EQ(done.outcome, Outcome::kSucceeded) << done.failure.message;
    const std::string expected = work_dir == "/usr" ? work_dir : here;
    EXPECT_EQ(DecodeValue<std::string>(wire::UnpackPayload(done.result.bytes, 1000).value()).value(),
              expected + "|" + expected + "\n");
  }
}

TEST(HostArgumentTest, WithoutTheWordItIsAnOrdinaryProgram) {
  char name[] = "program";
  char* argv[] = {name, nullptr};
  EXPECT_FALSE(MaybeRunModuleHost(1, argv, Registry()).has_value());
}

}  // namespace

Registry HostTestModules() {
  Registry registry;
  registry.Add<Echo>().Add<Printf>().Add<WaitForStop>().Add<Deaf>().Add<Wander>().Add<Die>();
  return registry;
}

}  // namespace millrace

int main(int argc, char** argv) {
  if (const auto code = millrace::MaybeRunModuleHost(argc, argv, millrace::HostTestModules())) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
