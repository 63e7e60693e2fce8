// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/signals.h"

#include <poll.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

TEST(SignalFd, TurnsSignalsIntoSomethingToPoll) {
  absl::StatusOr<SignalFd> signals = SignalFd::Create({SIGTERM, SIGHUP});
  ASSERT_TRUE(signals.ok());
  EXPECT_TRUE(signals->Take().empty());
  kill(getpid(), SIGHUP);
  pollfd polled{signals->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&polled, 1, 30000), 1);
  const std::vector<SignalFd::Signal> taken = signals->Take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].number, SIGHUP);
  EXPECT_EQ(taken[0].sender, getpid());
}

TEST(SignalFd, RestoresTheMaskAndForgetsWhatIsPending) {
  {
    absl::StatusOr<SignalFd> signals = SignalFd::Create({SIGTERM});
    ASSERT_TRUE(signals.ok());
    raise(SIGTERM);  // would end this process if it were still pending afterwards
  }
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

TEST(SignalFd, RefusesWhatIsNoSignal) {
  EXPECT_EQ(SignalFd::Create({12345}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SignalFd, ChildrenGetTheDefaults) {
  const absl::StatusOr<SignalFd> signals = SignalFd::Create({SIGTERM, SIGINT});
  ASSERT_TRUE(signals.ok());
  IgnoreSigpipe();
  const absl::StatusOr<CommandOutcome> outcome =
      RunCommand(TestShell(SignalMasksCommand("self") + "; kill -TERM $$"), {});
  signal(SIGPIPE, SIG_DFL);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->out, kNoSignalMasks);
  EXPECT_EQ(outcome->signal, SIGTERM);
}

}  // namespace
}  // namespace millrace::exec
