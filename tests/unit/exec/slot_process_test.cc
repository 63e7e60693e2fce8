// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/slot_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

TEST(SlotProcess, CarriesFramesOfAnySize) {
  TestSlot slot;
  EXPECT_EQ(slot.Ask("echo "), "");
  EXPECT_EQ(slot.Ask("echo x"), "x");
  const std::string large(1 << 20, 'l');
  EXPECT_EQ(slot.Ask("echo " + large), large);
  EXPECT_EQ(slot.Ask(""), "unknown");  // an empty frame arrives as one
  EXPECT_EQ(slot.Ask("pid"), std::to_string(slot.slot().host_pid()));
}

TEST(SlotProcess, NeverBlocksHoweverMuchIsSent) {
  TestSlot slot;
  const std::string large(4 << 20, 'l');
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(slot.slot().Send("echo " + large).ok());
  EXPECT_TRUE(slot.slot().wants_write());
  EXPECT_GT(slot.slot().unsent_bytes(), 0u);
  ASSERT_TRUE(slot.Until([&] { return slot.frames.size() == 8; }));
  EXPECT_FALSE(slot.slot().wants_write());
  for (const std::string& frame : slot.frames) EXPECT_EQ(frame.size(), large.size());
}

TEST(SlotProcess, RefusesATooLargeFrameAndGoesOn) {
  TestSlot slot(1000);
  const absl::Status refused = slot.slot().Send(std::string(1001, 'x'));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("1001 bytes"));
  EXPECT_EQ(slot.Ask("echo still here"), "still here");
}

TEST(SlotProcess, ATooLargeFrameOfTheHostEndsItsChannel) {
  TestSlot slot(1000);
  ASSERT_TRUE(slot.slot().Send("flood 1001").ok());
  ASSERT_TRUE(slot.Until([&] { return !slot.received.ok(); }));
  EXPECT_EQ(slot.received.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(slot.slot().channel_fd(), -1);
  EXPECT_EQ(slot.slot().Send("x").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(slot.Await<TreeEmpty>());  // a host without its channel ends
  ASSERT_TRUE(slot.slot().RestartHost().ok());
  EXPECT_EQ(slot.Ask("echo again"), "again");
}

TEST(SlotProcess, TellsOfACrashWithItsSignal) {
  TestSlot slot;
  ASSERT_TRUE(slot.slot().Send("abort").ok());
  ASSERT_TRUE(slot.Await<TreeEmpty>());
  ASSERT_NE(slot.Find<HostExited>(), nullptr);
  EXPECT_EQ(slot.Find<HostExited>()->status, (ExitStatus{128 + SIGABRT, SIGABRT}));
  EXPECT_EQ(slot.slot().host_pid(), 0);
}

TEST(SlotProcess, TellsOfAnExitWithItsCodeAndLastWords) {
  TestSlot slot;
  ASSERT_TRUE(slot.slot().Send("echo last words").ok());
  ASSERT_TRUE(slot.slot().Send("exit 42").ok());
  ASSERT_TRUE(slot.Await<HostExited>());
  EXPECT_EQ(slot.Find<HostExited>()->status, (ExitStatus{42, 0}));
  EXPECT_TRUE(slot.Until([&] { return slot.slot().channel_fd() < 0; }));
  EXPECT_THAT(slot.frames, testing::ElementsAre("last words"));
}

TEST(SlotProcess, RestartsItsHostUnderTheSameSupervisor) {
  TestSlot slot;
  const std::string first = slot.Ask("pid");
  const pid_t supervisor = slot.slot().supervisor_pid();
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(slot.slot().Send("abort").ok());
    ASSERT_TRUE(slot.Await<TreeEmpty>());
    slot.events.clear();
    ASSERT_TRUE(slot.slot().RestartHost().ok());
    EXPECT_NE(slot.Ask("pid"), first);
    EXPECT_EQ(slot.slot().supervisor_pid(), supervisor);
  }
  // Also while a host still runs, which then ends first.
  ASSERT_TRUE(slot.slot().Send("spin").ok());
  ASSERT_TRUE(slot.slot().RestartHost().ok());
  EXPECT_EQ(slot.Ask("echo x"), "x");
  EXPECT_NE(slot.Find<TreeEmpty>(), nullptr);
}

TEST(SlotProcess, TheHostHasItsChannelAndNoOtherDescriptor) {
  std::vector<UniqueFd> open_ones;
  for (int i = 0; i < 20; ++i) open_ones.emplace_back(open("/dev/null", O_RDONLY));
  TestSlot other;
  TestSlot slot;
  EXPECT_EQ(slot.Ask("fds"), "0 1 2 3 ");
  EXPECT_EQ(slot.Ask("run for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; done"),
            "0 1 2 ");
}

TEST(SlotProcess, OutputOfTheHostGoesWhereItIsTold) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  TestSlot slot(kDefaultMaxFrame, writer.get());
  writer.Reset();
  EXPECT_EQ(slot.Ask("print hello"), "unknown");
  char text[16] = {};
  EXPECT_EQ(read(reader.get(), text, sizeof text), 5);
  EXPECT_STREQ(text, "hello");
}

TEST(SlotProcess, SaysWhyItCannotStart) {
  SlotOptions options;
  EXPECT_EQ(SlotProcess::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.host_args = {"--test-host"};
  options.directory = "/nonexistent";
  const absl::Status status = SlotProcess::Start(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/nonexistent: no such directory"));
}

}  // namespace
}  // namespace millrace::exec
