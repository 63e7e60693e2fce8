// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/host_channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <set>
#include <thread>

#include "gtest/gtest.h"

namespace millrace::exec {
namespace {

class HostChannelTest : public testing::Test {
 protected:
  HostChannelTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    host_ = HostChannel::FromFd(ends[0]).value();
    worker_ = HostChannel::FromFd(ends[1]).value();
  }
  std::unique_ptr<HostChannel> host_;
  std::unique_ptr<HostChannel> worker_;
};

TEST_F(HostChannelTest, CarriesFramesOfAnySizeAndEnds) {
  const std::vector<std::string> frames = {"", "a", std::string(1 << 20, 'm'), std::string(5 << 20, 'l')};
  std::thread sender([&] {
    for (const std::string& frame : frames) EXPECT_TRUE(worker_->Send(frame).ok());
    worker_.reset();
  });
  for (const std::string& frame : frames) {
    const absl::StatusOr<std::optional<std::string>> received = host_->Receive();
    ASSERT_TRUE(received.ok() && received->has_value());
    EXPECT_EQ(**received, frame);
  }
  EXPECT_EQ(host_->Receive().value(), std::nullopt);
  sender.join();
}

TEST_F(HostChannelTest, FramesOfManyThreadsDoNotMix) {
  constexpr int kThreads = 4, kFrames = 50;
  std::vector<std::thread> senders;
  for (int t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, t] {
      for (int i = 0; i < kFrames; ++i) {
        EXPECT_TRUE(host_->Send(std::string(10000 + static_cast<std::size_t>(i), static_cast<char>('a' + t))).ok());
      }
    });
  }
  for (int i = 0; i < kThreads * kFrames; ++i) {
    const std::string frame = worker_->Receive().value().value();
    EXPECT_EQ(std::set<char>(frame.begin(), frame.end()).size(), 1u);
  }
  for (std::thread& sender : senders) sender.join();
}

TEST_F(HostChannelTest, ATooLargeFrameIsRefusedAndTheChannelLives) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const std::unique_ptr<HostChannel> small = HostChannel::FromFd(ends[0], 10).value();
  const std::unique_ptr<HostChannel> large = HostChannel::FromFd(ends[1]).value();
  EXPECT_EQ(small->Send("12345678901").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(small->Send("1234567890").ok());
  EXPECT_EQ(large->Receive().value().value(), "1234567890");
  EXPECT_TRUE(large->Send("12345678901").ok());
  EXPECT_EQ(small->Receive().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(HostChannelTest, WritingToADeadWorkerIsAnErrorNotASignal) {
  worker_.reset();
  EXPECT_FALSE(host_->Send("x").ok());
}

TEST(HostChannel, RefusesWhatIsNoChannel) {
  const absl::Status status = HostChannel::FromFd(open("/dev/null", O_RDONLY | O_CLOEXEC)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace millrace::exec
