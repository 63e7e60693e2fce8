// SPDX-License-Identifier: Apache-2.0
// Starting and stopping a broker: what cannot work comes back from Start with the fix, and Stop always comes to an end.
#include "millrace/serve/broker.h"

#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class BrokerTest : public testing::Test {
 protected:
  BrokerOptions OptionsOn(std::string_view folder) const {
    BrokerOptions options;
    options.data_dir = folder_ / folder;
    options.network.emplace();
    options.network->port = 0;
    return options;
  }
  static std::unique_ptr<Broker> MustStart(BrokerOptions options) {
    auto broker = Broker::Start(&TestContext(), std::move(options));
    EXPECT_TRUE(broker.ok()) << broker.status();
    return broker.ok() ? *std::move(broker) : nullptr;
  }
  static absl::Status Refusal(BrokerOptions options) {
    const auto broker = Broker::Start(&TestContext(), std::move(options));
    EXPECT_FALSE(broker.ok());
    return broker.status();
  }

  TemporaryDirectory folder_;
};

// The next message that this link has heard.
Message Hear(net::Link& link) {
  std::vector<net::LinkEvent> events;
  std::optional<Message> heard;
  EXPECT_TRUE(Eventually([&] {
    events.clear();
    link.Receive(events);
    for (net::LinkEvent& event : events) {
      auto* said = std::get_if<net::LinkHeard>(&event);
      if (said != nullptr && !said->on_heartbeat_channel) heard = std::move(said->message);
    }
    return heard.has_value();
  }));
  return heard ? *std::move(heard) : Message{};
}

// A worker in name: it says hello and waits for its welcome.
std::unique_ptr<net::Link> AttachWorker(Broker& broker, SessionId* session) {
  auto link = broker.ConnectLocal();
  Hello hello;
  hello.role = Role::kWorker;
  hello.name = "w1";
  hello.incarnation = Incarnation{7};
  hello.host = "elsewhere";
  link->Send(std::move(hello));
  const Message answer = Hear(*link);
  EXPECT_TRUE(std::holds_alternative<Welcome>(answer));
  if (const auto* welcome = std::get_if<Welcome>(&answer)) *session = welcome->session;
  return link;
}

TEST_F(BrokerTest, WithANetworkEveryPlaneHasItsAddress) {
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  EXPECT_THAT(broker->control_endpoint(), StartsWith("tcp://127.0.0.1:"));
  EXPECT_THAT(broker->planes().heartbeat, StartsWith("tcp://127.0.0.1:"));
  EXPECT_THAT(broker->planes().events, StartsWith("tcp://127.0.0.1:"));
  EXPECT_THAT(broker->planes().bulk, StartsWith("tcp://127.0.0.1:"));
  EXPECT_THAT(broker->planes().http, StartsWith("http://127.0.0.1:"));
  EXPECT_EQ(broker->board().Latest()->broker.protocol_errors, 0u);
}

TEST_F(BrokerTest, WithoutOneNoPortIsOpened) {
  BrokerOptions options;
  const auto broker = Broker::Start(nullptr, std::move(options));
  ASSERT_TRUE(broker.ok()) << broker.status();
  EXPECT_THAT((*broker)->control_endpoint(), IsEmpty());
  EXPECT_EQ((*broker)->planes(), Planes{});
  SessionId session;
  AttachWorker(**broker, &session);
  EXPECT_TRUE(session.valid());
}

TEST_F(BrokerTest, A46_ASecondBrokerOnADataDirectoryIsRefusedAndTheFirstGoesOn) {
  const auto first = MustStart(OptionsOn("data"));
  ASSERT_NE(first, nullptr);
  const absl::Status refusal = Refusal(OptionsOn("data"));
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refusal), AllOf(HasSubstr((folder_ / "data").string()), HasSubstr(std::to_string(getpid())),
                                     HasSubstr("another directory")));
  SessionId session;
  AttachWorker(*first, &session);
  EXPECT_TRUE(session.valid());
  EXPECT_NE(MustStart(OptionsOn("other")), nullptr);
}

TEST_F(BrokerTest, A46_TheDataDirectoryIsFreeAfterTheEndAndTheEpochHasRisen) {
  Epoch last = 0;
  for (int i = 0; i < 3; ++i) {
    const auto broker = MustStart(OptionsOn("data"));
    ASSERT_NE(broker, nullptr);
    SessionId session;
    AttachWorker(*broker, &session);
    EXPECT_GT(EpochOf(session.value), last);
    last = EpochOf(session.value);
  }
}

TEST_F(BrokerTest, AStartThatFailsLetsGoOfEverything) {
  const auto holder = MustStart(OptionsOn("holder"));
  ASSERT_NE(holder, nullptr);
  BrokerOptions options = OptionsOn("data");
  options.network->http_port = std::stoi(holder->planes().http.substr(holder->planes().http.rfind(':') + 1));
  const absl::Status refusal = Refusal(options);
  EXPECT_THAT(TextOf(refusal), HasSubstr("--http-port"));
  options.network->http_port = 0;
  EXPECT_NE(MustStart(options), nullptr);
}

TEST_F(BrokerTest, ANetworkNeedsADataDirectory) {
  BrokerOptions options = OptionsOn("data");
  options.data_dir.clear();
  EXPECT_THAT(TextOf(Refusal(std::move(options))), HasSubstr("--data-dir"));
}

TEST_F(BrokerTest, ADataDirectoryThatIsAFileIsRefusedByItsName) {
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(TextOf(Refusal(OptionsOn("file"))), HasSubstr((folder_ / "file").string()));
}

TEST_F(BrokerTest, ADamagedEpochIsRefusedNotStartedAgainFromOne) {
  std::filesystem::create_directories(folder_ / "data");
  std::ofstream(folder_ / "data/epoch") << "not a number";
  EXPECT_THAT(TextOf(Refusal(OptionsOn("data"))), HasSubstr("epoch"));
}

TEST_F(BrokerTest, PlaintextBeyondLoopbackIsRefused) {
  BrokerOptions options = OptionsOn("data");
  options.network->bind = "0.0.0.0";
  EXPECT_THAT(TextOf(Refusal(options)), HasSubstr("insecure"));
  options.network->bind = "*";
  options.network->insecure_allow_plaintext_on = "10.0.0.1";  // another one
  EXPECT_THAT(TextOf(Refusal(options)), HasSubstr("insecure"));
}

TEST_F(BrokerTest, AnAddressThatIsNoneIsRefusedByItsName) {
  BrokerOptions options = OptionsOn("data");
  options.network->bind = "no such host";
  EXPECT_THAT(TextOf(Refusal(std::move(options))), HasSubstr("no such host"));
}

TEST_F(BrokerTest, ResultsArePrivate) {
  const auto broker = MustStart(OptionsOn("data"));
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "data").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(BrokerTest, AFolderThatWasThereKeepsItsMode) {
  std::filesystem::create_directories(folder_ / "data");
  ASSERT_EQ(chmod((folder_ / "data").c_str(), 0751), 0);
  const auto broker = MustStart(OptionsOn("data"));
  struct stat info {};
  ASSERT_EQ(stat((folder_ / "data").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0751u);
}

TEST_F(BrokerTest, ABrokenCacheIsNotABrokenBroker) {
  std::filesystem::create_directories(folder_ / "data");
  std::ofstream(folder_ / "data/cache.sqlite") << "this is no database, and long enough to be looked at as one";
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  SessionId session;
  AttachWorker(*broker, &session);
  EXPECT_TRUE(session.valid());
}

TEST_F(BrokerTest, A05_StopReleasesTheWorkersAndDoesNotWaitLongerThanTheyTake) {
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  SessionId session;
  const auto link = AttachWorker(*broker, &session);
  std::thread stopper([&] { broker->Stop(std::chrono::minutes(10)); });
  const Message order = Hear(*link);
  const auto* drain = std::get_if<Drain>(&order);
  EXPECT_NE(drain, nullptr);
  if (drain != nullptr) {
    EXPECT_EQ(drain->session, session);
    EXPECT_THAT(drain->reason, HasSubstr("the broker is done"));
  }
  link->Send(Goodbye{session, "drained"});
  stopper.join();
}

TEST_F(BrokerTest, A05_StopDoesNotWaitLongerThanItsPatience) {
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  SessionId session;
  const auto link = AttachWorker(*broker, &session);  // and never says goodbye
  const auto begun = std::chrono::steady_clock::now();
  broker->Stop(std::chrono::milliseconds(300));
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(10));
  broker->Stop(std::chrono::minutes(10));  // the second one has nothing to do
}

TEST_F(BrokerTest, WithoutWorkersStopIsImmediate) {
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  broker->Stop(std::chrono::minutes(10));
}

TEST_F(BrokerTest, ALinkThatOutlivesTheBrokerIsToldSo) {
  std::unique_ptr<net::Link> link;
  {
    const auto broker = MustStart(OptionsOn("data"));
    ASSERT_NE(broker, nullptr);
    link = broker->ConnectLocal();
  }
  std::vector<net::LinkEvent> events;
  link->Receive(events);
  ASSERT_FALSE(events.empty());
  EXPECT_TRUE(std::holds_alternative<net::LinkDown>(events.back()));
  link->Send(Goodbye{});  // into the void
}

TEST_F(BrokerTest, BlobsOfThisProcessAreTheOnesOfTheBroker) {
  const auto broker = MustStart(OptionsOn("data"));
  ASSERT_NE(broker, nullptr);
  EXPECT_TRUE(broker->local_blobs().stays_inline());
  ASSERT_TRUE(broker->local_blobs().Store(Sha256("x"), Bytes::Copy("x")).ok());
  const auto fetched = broker->local_blobs().Fetch(Sha256("x"), 100);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->view(), "x");
  EXPECT_EQ(broker->local_blobs().Fetch(Sha256("y"), 100).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace::serve
