// SPDX-License-Identifier: Apache-2.0
// Bytes at the port that are not from a peer of ours.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "support.h"

namespace millrace::net {
namespace {

class Connection {
 public:
  explicit Connection(const Endpoint& endpoint) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Send(std::string_view bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Reads until the other side has closed.
  bool ClosedByPeer() {
    timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    char buffer[256];
    ssize_t got = 0;
    while ((got = recv(fd_, buffer, sizeof(buffer), 0)) > 0) {
    }
    return got == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
};

std::string Zmtp1Frames() {
  // Length 1, no flags: an anonymous peer; then a message of one frame.
  return std::string("\x01\x00", 2) + std::string("\x06\x00hello", 7);
}

TEST(StrangersTest, A48_WhatAWebPageCouldPostReachesNobody) {
  const auto router = MustBind(Loopback());
  const std::string greeting_of_zmtp2("\xff\0\0\0\0\0\0\0\1\x7f\1\5\0\0", 14);
  const std::string posts[] = {
      "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 7\r\n\r\n" + Zmtp1Frames(),
      Zmtp1Frames(),
      greeting_of_zmtp2 + std::string("\0\5hello", 7),
      std::string(64, '\xff'),
  };
  for (const std::string& post : posts) {
    Connection stranger(router->endpoint());
    stranger.Send(post);
    EXPECT_TRUE(stranger.ClosedByPeer()) << post;
  }
  // Whatever they said would be there by now: a real peer that came after them is heard.
  const auto dealer = MustConnect(router->endpoint());
  std::vector<Received> received;
  ASSERT_TRUE(SendEventually(*dealer, Text("real")));
  ASSERT_TRUE(ReceiveEventually(*router, 1, received));
  EXPECT_EQ(router->Receive(100, received), 0U);
  EXPECT_EQ(received.front().payload.view(), "real");
  EXPECT_EQ(router->counters().malformed, 0U);
  EXPECT_EQ(router->counters().unwanted, 0U);
}

TEST(StrangersTest, ManyWhoComeAndGoDoNotStopTheOthers) {
  const auto router = MustBind(Loopback());
  const auto dealer = MustConnect(router->endpoint());
  const PeerId peer = Meet(*router, *dealer);
  // More than an undrained monitor could hold.
  for (int i = 0; i < 3000; ++i) const Connection scanner(router->endpoint());
  ASSERT_TRUE(SendEventually(*dealer, Text("still here")));
  std::vector<Received> received;
  ASSERT_TRUE(ReceiveEventually(*router, 1, received));
  EXPECT_TRUE(router->TakeGone().empty());
  EXPECT_EQ(router->Send(peer, Text("x")), SendResult::kSent);
}

TEST(StrangersTest, ADealerSaysThatTheOtherSideIsNoBroker) {
  // A server of something else, which answers in its own words.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), length), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ASSERT_EQ(listen(listener, 4), 0);
  const auto dealer = MustConnect(Endpoint{.host = "127.0.0.1", .port = ntohs(address.sin_port), .path = {}});
  const int accepted = accept(listener, nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  const std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  EXPECT_EQ(send(accepted, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
  close(accepted);
  std::vector<ConnectionEvent> events;
  ASSERT_TRUE(Eventually([&] {
    for (auto& event : dealer->TakeConnectionEvents()) events.push_back(event);
    return !events.empty();
  }));
  EXPECT_EQ(events.front().kind, ConnectionEvent::Kind::kHandshakeFailed);
  EXPECT_THAT(events.front().reason, testing::HasSubstr("a broker"));
  EXPECT_EQ(events.size(), 1U);
  close(listener);
}

}  // namespace
}  // namespace millrace::net
