// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_wires.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>

#include "millrace/base/fd.h"

namespace millrace::zmqctl {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr char kNear[] = "127.77.7.1";

sockaddr_in AddressOf(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

// What a broker would be: it listens on a port of 127.0.0.1 that the system has chosen.
class FarEnd {
 public:
  FarEnd() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = AddressOf("127.0.0.1", 0);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 8), 0);
    EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  UniqueFd Accept() const { return UniqueFd(accept(listener_.get(), nullptr, nullptr)); }

 private:
  UniqueFd listener_;
  std::uint16_t port_ = 0;
};

UniqueFd Dial(std::uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = AddressOf(kNear, port);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void Say(const UniqueFd& fd, std::string_view text) {
  EXPECT_EQ(send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

// At least so many bytes, or less at the end of the connection.
std::string Hear(const UniqueFd& fd, std::size_t least) {
  std::string heard;
  char buffer[4096];
  for (ssize_t n; heard.size() < least && (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) heard.append(buffer, n);
  return heard;
}

bool IsSilent(const UniqueFd& fd, int ms) {
  pollfd item{fd.get(), POLLIN, 0};
  return poll(&item, 1, ms) == 0;
}

struct WiresTest : ::testing::Test {
  void SetUp() override {
    auto wires = Wires::Start({kNear}, {far_.port()});
    ASSERT_TRUE(wires.ok()) << wires.status();
    wires_ = *std::move(wires);
    near_end_ = Dial(far_.port());
    far_end_ = far_.Accept();
  }
  // Both ways.
  void ExpectThrough() {
    Say(near_end_, "ping");
    EXPECT_EQ(Hear(far_end_, 4), "ping");
    Say(far_end_, "pong");
    EXPECT_EQ(Hear(near_end_, 4), "pong");
  }

  FarEnd far_;
  std::unique_ptr<Wires> wires_;
  UniqueFd near_end_, far_end_;
};

TEST_F(WiresTest, PassEverythingOnBothWaysAndTheEnd) {
  ExpectThrough();
  const std::string much(3u << 20, 'x');
  std::thread sayer([&] { Say(near_end_, much); });
  EXPECT_EQ(Hear(far_end_, much.size()), much);
  sayer.join();
  near_end_.Reset();
  EXPECT_EQ(Hear(far_end_, 1), "");
}

TEST_F(WiresTest, ACutResetsWhatThereIsAndWhatComes) {
  ExpectThrough();
  wires_->Cut(0);
  EXPECT_EQ(Hear(near_end_, 1), "");
  EXPECT_EQ(Hear(far_end_, 1), "");
  EXPECT_EQ(Hear(Dial(far_.port()), 1), "");
  wires_->Heal(0);
  near_end_ = Dial(far_.port());
  far_end_ = far_.Accept();
  ExpectThrough();
}

TEST_F(WiresTest, AFrozenWayHoldsBytesAndTheOtherDoesNot) {
  ExpectThrough();
  wires_->Freeze(0, Way::kToBroker);
  Say(near_end_, "held");
  Say(far_end_, "1");
  EXPECT_EQ(Hear(near_end_, 1), "1");
  EXPECT_TRUE(IsSilent(far_end_, 100));
  wires_->Thaw(0, Way::kToBroker);
  EXPECT_EQ(Hear(far_end_, 4), "held");
}

TEST_F(WiresTest, AnEndIsNotToldThroughAFrozenWire) {
  wires_->Freeze(0, Way::kBoth);
  Say(near_end_, "last words");
  near_end_.Reset();
  EXPECT_TRUE(IsSilent(far_end_, 100));
  wires_->Thaw(0, Way::kBoth);
  EXPECT_EQ(Hear(far_end_, 100), "last words");  // what was held, then the end
}

TEST_F(WiresTest, ADelayIsKeptAndSoIsTheOrder) {
  constexpr milliseconds kDelay(150);
  ExpectThrough();
  wires_->Delay(0, kDelay);
  const auto begin = Clock::now();
  Say(near_end_, "1");
  Say(near_end_, "2");
  EXPECT_EQ(Hear(far_end_, 2), "12");
  EXPECT_GE(Clock::now() - begin, kDelay);
  wires_->Delay(0, Duration::zero());
  ExpectThrough();
}

TEST_F(WiresTest, RubbishComesBetweenTwoPieces) {
  ExpectThrough();
  wires_->Garble(0, 1);
  const std::string rubbish = Hear(far_end_, 64);
  EXPECT_EQ(rubbish.size(), 64u);
  EXPECT_EQ(Hear(near_end_, 64).size(), 64u);
  ExpectThrough();
}

TEST_F(WiresTest, NobodyAtTheFarEndIsTold) {
  const std::uint16_t port = far_.port();
  far_ = FarEnd();  // elsewhere
  EXPECT_EQ(Hear(Dial(port), 1), "");
}

TEST_F(WiresTest, ATakenPortIsRefused) {
  const auto second = Wires::Start({kNear}, {far_.port()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable) << second.status();
}

}  // namespace
}  // namespace millrace::zmqctl
