// SPDX-License-Identifier: Apache-2.0
// The HTTP plane over real sockets: what it answers, whom it refuses, and that nobody holds it up.
#include "millrace/serve/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/serve/clock.h"
#include "tests/unit/serve/support.h"

#include <nlohmann/json.hpp>

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

int PortOf(const HttpServer& server) { return std::stoi(server.url().substr(server.url().rfind(':') + 1)); }

// A connection that says what it is told to.
class Connection {
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Say(const std::string& text) {
    std::size_t said = 0;
    while (said < text.size()) {
      const ssize_t count = send(fd_, text.data() + said, text.size() - said, MSG_NOSIGNAL);
      if (count <= 0) return false;  // it has heard enough
      said += static_cast<std::size_t>(count);
    }
    return true;
  }
  // Everything up to the end, or up to the end of the first answer.
  std::string Hear(bool first_only = false) {
    std::string text;
    char buffer[4096];
    ssize_t count = 0;
    while ((count = recv(fd_, buffer, sizeof buffer, 0)) > 0) {
      text.append(buffer, static_cast<std::size_t>(count));
      if (first_only && text.find("}\n") != std::string::npos) break;
    }
    return text;
  }

  // Whether the other end closes it, without reading what it says.
  bool AwaitHangUp() const {
    pollfd poll_for{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return poll(&poll_for, 1, 60'000) == 1;
  }

 private:
  int fd_;
};

class HttpTest : public testing::Test {
 protected:
  HttpTest() {
    Publish([](Snapshot&) {});
    auto server = HttpServer::Start("127.0.0.1", 0, board_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void Serve(const HttpLimits& limits) {
    auto server = HttpServer::Start("127.0.0.1", 0, board_, {}, limits);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  template <class Change>
  void Publish(Change change) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->taken = Now().time_since_epoch();
    change(*snapshot);
    board_.Publish(std::move(snapshot));
  }
  std::string Ask(const std::string& method_and_path, const std::string& host = "127.0.0.1",
                  const std::string& body = "") {
    Connection connection(PortOf(*server_));
    connection.Say(method_and_path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return connection.Hear();
  }
  static nlohmann::json JsonOf(const std::string& answer) {
    return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
  }

  SnapshotBoard board_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpTest, HealthHasStatusWorkersByStateLoadLimitsAndTimestamp) {
  Publish([](Snapshot& snapshot) {
    snapshot.workers.resize(3);
    snapshot.workers[0].state = WorkerState::kBusy;
    snapshot.workers[1].state = WorkerState::kBusy;
    snapshot.workers[2].state = WorkerState::kLost;
    snapshot.broker.cpus = 8;
    snapshot.broker.cpus_used = 5;
    snapshot.broker.tasks_ready = 4;
    snapshot.broker.tasks_running = 3;
    snapshot.broker.expected_workers = 2;
    snapshot.broker.version = "1.2.3";
    snapshot.unix_ms = 1'700'000'000'000;
  });
  const std::string answer = Ask("GET /api/health");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: application/json"),
                            HasSubstr("X-Content-Type-Options: nosniff"), HasSubstr("Cache-Control: no-store")));
  const nlohmann::json health = JsonOf(answer);
  EXPECT_EQ(health["status"], "ok");
  EXPECT_EQ(health["workers"], (nlohmann::json{{"idle", 0}, {"busy", 2}, {"draining", 0}, {"lost", 1}}));
  EXPECT_EQ(health["load"], (nlohmann::json{{"cpus", 8}, {"cpus_used", 5}, {"tasks_ready", 4}, {"tasks_running", 3}}));
  EXPECT_EQ(health["limits"]["expected_workers"], 2);
  EXPECT_EQ(health["version"], "1.2.3");
  EXPECT_EQ(health["timestamp_unix_ms"], 1'700'000'000'000);
}

TEST_F(HttpTest, DegradedIsSaidAndIsNot503) {
  Publish([](Snapshot& snapshot) { snapshot.broker.warnings = {"1 of 2 expected workers"}; });
  const std::string answer = Ask("GET /api/health");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(JsonOf(answer)["status"], "degraded");
  EXPECT_EQ(JsonOf(answer)["warnings"][0], "1 of 2 expected workers");
}

TEST_F(HttpTest, ALoopThatStandsStillIs503) {
  Publish([](Snapshot& snapshot) { snapshot.taken -= std::chrono::seconds(16); });
  const std::string answer = Ask("GET /api/health");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(JsonOf(answer)["status"], "stalled");
  // What was last known is still told.
  EXPECT_THAT(Ask("GET /api/workers"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, AnswersFromTheBoardAsItIsNow) {
  EXPECT_EQ(JsonOf(Ask("GET /api/workers")), nlohmann::json::array());
  Publish([](Snapshot& snapshot) {
    snapshot.workers.resize(1);
    snapshot.workers[0].name = "w1";
    snapshot.runs.resize(1);
    snapshot.runs[0].name = "release";
    snapshot.broker.epoch = 9;
  });
  EXPECT_EQ(JsonOf(Ask("GET /api/workers"))[0]["name"], "w1");
  EXPECT_EQ(JsonOf(Ask("GET /api/runs"))[0]["name"], "release");
  EXPECT_EQ(JsonOf(Ask("GET /api/status"))["epoch"], 9);
}

TEST_F(HttpTest, AForeignHostIsRefused) {
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "evil.example:8090",
                           "[::1].evil.example", "evil.example]"}) {
    const std::string answer = Ask("GET /api/status", host);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 ")) << host;
    EXPECT_THAT(answer, testing::Not(HasSubstr("epoch"))) << host;
  }
  const std::string port = ":" + std::to_string(PortOf(*server_));
  for (const std::string host : {"127.0.0.1", "localhost", "[::1]"}) {
    EXPECT_THAT(Ask("GET /api/status", host), StartsWith("HTTP/1.1 200 ")) << host;
    EXPECT_THAT(Ask("GET /api/status", host + port), StartsWith("HTTP/1.1 200 ")) << host;
  }
}

TEST_F(HttpTest, ReadsOnlyAndKnowsItsPaths) {
  for (const char* request : {"GET /", "GET /api", "GET /api/health/x", "GET /../etc/passwd", "POST /api"}) {
    EXPECT_THAT(Ask(request), StartsWith("HTTP/1.1 404 ")) << request;
  }
  for (const char* request : {"POST /api/health", "PUT /api/status", "DELETE /api/runs"}) {
    EXPECT_THAT(Ask(request), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n"))) << request;
  }
  const std::string head = Ask("HEAD /api/health");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 "), testing::EndsWith("\r\n\r\n")));
  EXPECT_THAT(Ask("GET /api/health?verbose"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, TooLargeOrNoRequestAtAllIsRefusedAndNothingBreaks) {
  EXPECT_THAT(Ask("POST /api/health", "127.0.0.1", std::string(5000, 'x')), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("GET /" + std::string(100'000, 'a')), StartsWith("HTTP/1.1 414 "));
  EXPECT_THAT(Ask("GET /api/health", std::string(10'000, 'a')), StartsWith("HTTP/1.1 431 "));
  {
    Connection connection(PortOf(*server_));
    connection.Say(std::string("\0\xff\r\n\r\n", 6));
    EXPECT_THAT(connection.Hear(), testing::Not(StartsWith("HTTP/1.1 200 ")));
  }
  EXPECT_THAT(Ask("GET /api/health"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, SilentConnectionsDoNotHoldUpOthers) {
  Connection silent(PortOf(*server_));
  Connection half(PortOf(*server_));
  half.Say("GET /api/health HTTP/1.1\r\nHo");
  EXPECT_THAT(Ask("GET /api/health"), StartsWith("HTTP/1.1 200 "));
}

// Two requests in one message, a third one in two: the answers come in their order.
TEST_F(HttpTest, AConnectionServesOneRequestAfterTheOther) {
  Connection connection(PortOf(*server_));
  connection.Say("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\nGET /no HTTP/1.1\r\nHost: localhost\r\n\r\nGET /a");
  connection.Say("pi/workers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string heard = connection.Hear();
  const auto first = heard.find("HTTP/1.1 200 ");
  const auto second = heard.find("HTTP/1.1 404 ");
  const auto third = heard.rfind("HTTP/1.1 200 ");
  EXPECT_EQ(first, 0u);
  EXPECT_TRUE(first < second && second < third && third != std::string::npos) << heard;
  EXPECT_THAT(heard, AllOf(HasSubstr("Connection: keep-alive"), HasSubstr("Connection: close")));
}

TEST_F(HttpTest, AConnectionHasSoManyRequests) {
  Serve({.requests = 3});
  Connection connection(PortOf(*server_));
  for (int i = 0; i < 4; ++i) connection.Say("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string heard = connection.Hear();
  int answers = 0;
  for (std::size_t at = 0; (at = heard.find("HTTP/1.1 200 ", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 3);
}

// Whatever drips in meanwhile: time counts from the first byte.
TEST_F(HttpTest, WhoIsSlowToAskHearsThatHisTimeIsOver) {
  Serve({.head = std::chrono::milliseconds(30)});
  Connection slow(PortOf(*server_));
  slow.Say("G");
  std::thread drip([&slow] {
    for (int i = 0; i < 20'000; ++i) {
      slow.Say("E");
      std::this_thread::yield();
    }
  });
  EXPECT_THAT(slow.Hear(), AllOf(StartsWith("HTTP/1.1 4"), HasSubstr("Connection: close")));
  drip.join();
  Connection half(PortOf(*server_));
  half.Say("GET /api/health HTTP/1.1\r\nHost: lo");
  EXPECT_THAT(half.Hear(), AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("longer than 30ms")));
  Connection silent(PortOf(*server_));
  EXPECT_EQ(silent.Hear(), "") << "who says nothing hears nothing, and is closed";
}

// Though there is always something to read: he gets rid of what can be read in that time, and no more.
TEST_F(HttpTest, WhoWasRefusedAndGoesOnTalkingIsClosed) {
  Serve({.linger = std::chrono::milliseconds(5)});
  Connection talker(PortOf(*server_));
  ASSERT_TRUE(talker.Say("GET /api/health HTTP/2.0\r\n\r\n"));
  const std::string more(std::size_t{1} << 18, 'x');
  int said = 0;
  while (talker.Say(more)) ASSERT_LT(++said, 512) << "128 MiB: it is listened to for ever";
}

TEST_F(HttpTest, WhoDoesNotTakeHisAnswerIsClosed) {
  Publish([](Snapshot& snapshot) {
    snapshot.runs.resize(6000);
    for (RunView& run : snapshot.runs) run.name = std::string(2000, 'n');
  });
  Serve({.answer = std::chrono::milliseconds(30)});
  Connection lazy(PortOf(*server_));
  lazy.Say("GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n");
  // More than any buffer between them holds; it is not read before the other end has gone.
  EXPECT_TRUE(lazy.AwaitHangUp());
  Publish([](Snapshot&) {});
  EXPECT_THAT(Ask("GET /api/health"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, TheOldestOfTooManyGivesWay) {
  Serve({.connections = 3, .head = std::chrono::hours(1)});
  const auto open = [this] {
    auto connection = std::make_unique<Connection>(PortOf(*server_));
    connection->Say("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(connection->Hear(/*first_only=*/true), StartsWith("HTTP/1.1 200 "));
    return connection;
  };
  const auto first = open();
  const auto second = open();
  const auto third = open();
  const auto fourth = open();
  EXPECT_EQ(first->Hear(), "");
  second->Say("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(second->Hear(/*first_only=*/true), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpTest, EndsSoonThoughAConnectionIsKeptAlive) {
  Connection kept(PortOf(*server_));
  kept.Say("GET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(kept.Hear(/*first_only=*/true), StartsWith("HTTP/1.1 200 "));
  server_.reset();
  EXPECT_EQ(kept.Hear(), "");
}

TEST_F(HttpTest, ATakenPortIsAnErrorWithTheFix) {
  const int port = PortOf(*server_);
  const auto second = HttpServer::Start("127.0.0.1", port, board_);
  ASSERT_FALSE(second.ok()) << "two brokers would share the requests of one port";
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(second.status()), AllOf(HasSubstr("127.0.0.1:" + std::to_string(port)), HasSubstr("--http-port")));
  // The port is free again as soon as its holder has gone.
  server_.reset();
  const auto third = HttpServer::Start("127.0.0.1", port, board_);
  EXPECT_TRUE(third.ok()) << third.status();
}

TEST_F(HttpTest, AnAddressThatIsNotOursIsAnError) {
  const auto server = HttpServer::Start("192.0.2.1", 0, board_);  // of documentation, RFC 5737
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(TextOf(server.status()), HasSubstr("192.0.2.1"));
}

}  // namespace
}  // namespace millrace::serve
