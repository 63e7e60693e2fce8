// SPDX-License-Identifier: Apache-2.0
// Signals as calls. Each test runs in a process of its own: signals are blocked before there are other threads, and
// meant for that process alone.
#include "millrace/host/interrupts.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "gtest/gtest.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

class InterruptsTest : public testing::Test {
 protected:
  InterruptsTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// Ends this process with 0 when it holds.
[[noreturn]] void ExitWhether(bool holds) { _exit(holds ? 0 : 1); }

TEST_F(InterruptsTest, A20_CountsTheSignalsWhicheverTheyAre) {
  EXPECT_EXIT(
      {
        auto interrupts = Interrupts::Begin();
        std::atomic<int> last = 0;
        (*interrupts)->SetHandler([&](int count) { last = count; });
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
          const int before = last;
          kill(getpid(), signal);
          if (!Eventually([&] { return last == before + 1; })) _exit(2);
        }
        ExitWhether(last == 3);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InterruptsTest, ASignalThatCameBeforeTheHandlerIsTold) {
  EXPECT_EXIT(
      {
        auto interrupts = Interrupts::Begin();
        std::atomic<int> first = 0;
        (*interrupts)->SetHandler([&](int count) { first = count; });
        kill(getpid(), SIGTERM);
        if (!Eventually([&] { return first == 1; })) _exit(2);
        (*interrupts)->SetHandler({});
        int told = 0;
        (*interrupts)->SetHandler([&](int count) { told = count; });  // at once, in this thread
        ExitWhether(told == 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InterruptsTest, WithoutAHandlerASignalKillsNobody) {
  EXPECT_EXIT(
      {
        auto interrupts = Interrupts::Begin();
        kill(getpid(), SIGINT);
        kill(getpid(), SIGTERM);
        kill(getpid(), SIGPIPE);
        std::atomic<int> count = 0;
        (*interrupts)->SetHandler([&](int told) { count = told; });
        ExitWhether(Eventually([&] { return count == 2; }));
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(InterruptsTest, TakingTheHandlerAwayWaitsForACallUnderWay) {
  EXPECT_EXIT(
      {
        auto interrupts = Interrupts::Begin();
        std::atomic<bool> entered = false;
        std::atomic<bool> left = false;
        (*interrupts)->SetHandler([&](int) {
          entered = true;
          poll(nullptr, 0, 50);
          left = true;
        });
        kill(getpid(), SIGTERM);
        if (!Eventually([&] { return entered.load(); })) _exit(2);
        (*interrupts)->SetHandler({});
        const bool waited = left;
        interrupts->reset();  // ends though nobody listens
        ExitWhether(waited);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace millrace::host
