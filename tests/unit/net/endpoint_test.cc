// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/endpoint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::net {
namespace {

using testing::HasSubstr;

TEST(EndpointTest, A45_OrchestratorUrlsAreReadAsPeopleWriteThem) {
  const struct {
    const char* url;
    const char* meaning;
  } cases[] = {
      {"tcp://orchestrator:8080", "tcp://orchestrator:8080"},
      {"tcp://orchestrator", "tcp://orchestrator:8080"},
      {"TCP://10.0.0.1:1", "tcp://10.0.0.1:1"},
      {"tcp://[::1]:9000", "tcp://[::1]:9000"},
      {"tcp://[::1]", "tcp://[::1]:8080"},
      {"tcp://10.1.2.3:65525", "tcp://10.1.2.3:65525"},
      {"http://build-1:8080", "tcp://build-1:8080"},
      {"http://build-1:8080/", "tcp://build-1:8080"},
      {"http://build-1", "tcp://build-1:8080"},
      {"ipc:///run/millrace/broker", "ipc:///run/millrace/broker"},
      {"ipc://@name", "ipc://@name"},
      {"inproc://broker", "inproc://broker"},
  };
  for (const auto& c : cases) {
    const auto endpoint = ParseOrchestratorUrl(c.url);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->ToString(), c.meaning) << c.url;
  }
}

TEST(EndpointTest, A45_WrongUrlsAreRefusedWithTheFormExpectedOrTheRange) {
  const struct {
    std::string url;
    const char* message;
  } cases[] = {
      {"", "tcp://HOST:PORT"},
      {"orchestrator:8080", "tcp://HOST:PORT"},
      {"tcp://", "host is missing"},
      {"tcp://:8080", "host is missing"},
      {"tcp://host:", "from 1 to 65525"},
      {"tcp://host:0", "from 1 to 65525"},
      {"tcp://host:65526", "from 1 to 65525"},
      {"tcp://host:99999999999", "from 1 to 65525"},
      {"tcp://host:-1", "from 1 to 65525"},
      {"tcp://host:80x", "from 1 to 65525"},
      {"tcp://host: 80", "from 1 to 65525"},
      {"tcp://::1:8080", "[brackets]"},
      {"tcp://[::1:8080", "] is missing"},
      {"tcp://[::1]8080", ":PORT"},
      {"tcp://*:8080", "for binding"},
      {"tcp://user@host:8080", "letters, digits"},
      {"tcp://a;b:8080", "letters, digits"},
      {"tcp://host/path:8080", "letters, digits"},
      {"http://host:8080/status", "no path"},
      {"https://host:8080", "https"},
      {"udp://host:8080", "tcp://HOST:PORT"},
      {"ipc://", "path is missing"},
      {"ipc://*", "left open"},
      {"inproc://", "name is missing"},
      {"ipc:///" + std::string(120, 'x'), "121 bytes"},
      {"tcp://" + std::string(300, 'x') + ":1", "255"},
  };
  for (const auto& c : cases) {
    const auto endpoint = ParseOrchestratorUrl(c.url);
    ASSERT_FALSE(endpoint.ok()) << c.url;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(TextOf(endpoint.status()), HasSubstr(c.message)) << c.url;
  }
}

TEST(EndpointTest, A45_BindAddressesKeepTheirPortsInRange) {
  EXPECT_EQ(MakeBindEndpoint("127.0.0.1", 0)->ToString(), "tcp://127.0.0.1:*");
  EXPECT_EQ(MakeBindEndpoint("*", 8080)->ToString(), "tcp://*:8080");
  EXPECT_EQ(MakeBindEndpoint("[::1]", 8080)->ToString(), "tcp://[::1]:8080");
  EXPECT_EQ(MakeBindEndpoint("::1", 65525)->ToString(), "tcp://[::1]:65525");
  EXPECT_EQ(MakeBindEndpoint("ipc:///run/x", 8080)->ToString(), "ipc:///run/x");
  for (const int port : {-1, 65526, 70000}) {
    const auto endpoint = MakeBindEndpoint("127.0.0.1", port);
    ASSERT_FALSE(endpoint.ok());
    EXPECT_THAT(TextOf(endpoint.status()), HasSubstr(std::to_string(port)));
    EXPECT_THAT(TextOf(endpoint.status()), HasSubstr("from 1 to 65525"));
  }
  EXPECT_THAT(TextOf(MakeBindEndpoint("tcp://0.0.0.0:80", 1).status()), HasSubstr("the port apart"));
  EXPECT_FALSE(MakeBindEndpoint("", 8080).ok());
}

TEST(EndpointTest, PlanesLieAtFixedPlaces) {
  const Endpoint tcp = *ParseOrchestratorUrl("tcp://host:8080");
  EXPECT_EQ(PlaneEndpoint(tcp, Plane::kControl)->port, 8080);
  EXPECT_EQ(PlaneEndpoint(tcp, Plane::kHeartbeat)->port, 8081);
  EXPECT_EQ(PlaneEndpoint(tcp, Plane::kEvents)->port, 8082);
  EXPECT_EQ(PlaneEndpoint(tcp, Plane::kBulk)->port, 8083);
  EXPECT_EQ(PlaneEndpoint(tcp, Plane::kHttp)->port, 8090);
  const Endpoint highest = *ParseOrchestratorUrl("tcp://host:65525");
  EXPECT_EQ(PlaneEndpoint(highest, Plane::kHttp)->port, 65535);
  const Endpoint open = *MakeBindEndpoint("127.0.0.1", 0);
  EXPECT_EQ(PlaneEndpoint(open, Plane::kHttp)->port, 0);

  const Endpoint ipc = *ParseOrchestratorUrl("ipc:///run/m");
  EXPECT_EQ(PlaneEndpoint(ipc, Plane::kControl)->path, "/run/m");
  EXPECT_EQ(PlaneEndpoint(ipc, Plane::kHeartbeat)->path, "/run/m.hb");
  EXPECT_EQ(PlaneEndpoint(ipc, Plane::kEvents)->path, "/run/m.ev");
  EXPECT_EQ(PlaneEndpoint(ipc, Plane::kBulk)->path, "/run/m.bulk");
  EXPECT_EQ(PlaneEndpoint(ipc, Plane::kHttp).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(PlaneEndpoint(*ParseOrchestratorUrl("inproc://m"), Plane::kBulk)->ToString(), "inproc://m.bulk");
}

TEST(EndpointTest, OnlyWhatNobodyElseCanReachIsLoopback) {
  const struct {
    const char* host;
    bool loopback;
  } cases[] = {
      {"127.0.0.1", true},
      {"127.8.9.1", true},
      {"127.1", true},
      {"::1", true},
      {"localhost", true},
      {"lo", true},
      {"0.0.0.0", false},
      {"*", false},
      {"::", false},
      {"0", false},
      {"10.0.0.1", false},
      {"192.0.2.1", false},
      {"126.255.255.255", false},
      {"128.0.0.1", false},
      {"fe80::1", false},
      {"2001:db8::1", false},
      {"::ffff:127.0.0.1", false},
  };
  for (const auto& c : cases) {
    const Endpoint endpoint{.host = c.host, .port = 8080, .path = {}};
    const auto loopback = IsLoopback(endpoint);
    ASSERT_TRUE(loopback.ok()) << loopback.status();
    EXPECT_EQ(*loopback, c.loopback) << c.host;
    for (const bool bind : {false, true}) {
      EXPECT_EQ(CheckPlaintextAllowed(endpoint, "", bind).ok(), c.loopback) << c.host;
      EXPECT_EQ(CheckPlaintextAllowed(endpoint, "elsewhere", bind).ok(), c.loopback) << c.host;
      EXPECT_TRUE(CheckPlaintextAllowed(endpoint, c.host, bind).ok()) << c.host;
    }
  }
  EXPECT_TRUE(*IsLoopback(*ParseEndpoint("ipc:///tmp/x")));
  EXPECT_TRUE(*IsLoopback(*ParseEndpoint("inproc://x")));
}

TEST(EndpointTest, ARefusedPlaintextAddressNamesTheFlagThatAllowsIt) {
  const absl::Status bind = CheckPlaintextAllowed(*MakeBindEndpoint("*", 8080), "", true);
  EXPECT_EQ(WhoMustAct(bind), Blame::kUser);
  EXPECT_THAT(TextOf(bind), HasSubstr("--insecure-allow-plaintext-on *"));
  const absl::Status connect = CheckPlaintextAllowed(*ParseEndpoint("tcp://192.0.2.7:8080"), "192.0.2.8", false);
  EXPECT_THAT(TextOf(connect), HasSubstr("--insecure-allow-plaintext-on 192.0.2.7"));
}

TEST(EndpointTest, ANameThatNobodyKnowsIsAnErrorAndNotLoopback) {
  const Endpoint endpoint{.host = "a..b", .port = 8080, .path = {}};
  EXPECT_EQ(IsLoopback(endpoint).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(CheckPlaintextAllowed(endpoint, "", false)), HasSubstr("a..b"));
}

TEST(EndpointTest, LoopbackNamesArePinnedToWhatTheyMeantWhenChecked) {
  EXPECT_EQ(PinAddress(*ParseEndpoint("tcp://localhost:9"), false)->host, "127.0.0.1");
  EXPECT_EQ(PinAddress(*ParseEndpoint("tcp://lo:9"), true)->host, "127.0.0.1");
  EXPECT_EQ(PinAddress(*ParseEndpoint("tcp://192.0.2.1:9"), true)->host, "192.0.2.1");
  EXPECT_EQ(PinAddress(*MakeBindEndpoint("*", 9), true)->host, "*");
}

}  // namespace
}  // namespace millrace::net
