// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::zmqctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ChaosArguments Some() {
  ChaosArguments arguments;
  arguments.file = "p.yaml";
  return arguments;
}

std::string Refusal(const ChaosArguments& arguments) {
  const auto settings = CheckChaos(arguments, {});
  return settings.ok() ? "taken" : std::string(settings.status().message());
}

TEST(ChaosSettings, HaveABitOfEverythingThatMayNotBreakAPromise) {
  const auto settings = CheckChaos(Some(), {});
  ASSERT_TRUE(settings.ok()) << settings.status();
  for (std::size_t kind = 0; kind + 1 < kFaultKinds; ++kind) EXPECT_GT(settings->rates[kind], 0) << kind;
  EXPECT_EQ(settings->rates[kFaultKinds - 1], 0);  // rubbish
  EXPECT_EQ(settings->duration, seconds(60));
  EXPECT_EQ(settings->lease, seconds(3));
  EXPECT_EQ(settings->heartbeat, milliseconds(300));
}

TEST(ChaosSettings, OneRateLeavesOutTheOthers) {
  ChaosArguments arguments = Some();
  arguments.rates[1] = "2.5";
  const auto settings = CheckChaos(arguments, {});
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->rates, ElementsAre(0, 2.5, 0, 0, 0, 0, 0));
}

TEST(ChaosSettings, SayHowTheSameFaultsComeAgain) {
  ChaosArguments arguments = Some();
  arguments.seed = "4711";
  arguments.rates[0] = "12";
  arguments.expect_failure = {"poison"};
  const auto settings = CheckChaos(arguments, {});
  ASSERT_TRUE(settings.ok()) << settings.status();
  for (const char* part : {"--seed 4711 ", "--kill-workers 12 ", "--kill-broker 0 ", "--expect-failure 'poison'",
                           "--lease 3000ms", "p.yaml' "}) {
    EXPECT_THAT(settings->command, HasSubstr(part));
  }
}

TEST(ChaosSettings, RefuseWhatIsOutOfRange) {
  ChaosArguments arguments = Some();
  arguments.workers = 0;
  EXPECT_EQ(Refusal(arguments), "--workers 0: allowed are 1 to 50");
  arguments = Some();
  arguments.rates[0] = "-1";
  EXPECT_EQ(Refusal(arguments), "--kill-workers -1: allowed are 0 to 600 a minute");
  arguments.rates[0] = "nan";
  EXPECT_THAT(Refusal(arguments), HasSubstr("--kill-workers nan"));
  arguments = Some();
  arguments.lease = "10ms";
  EXPECT_THAT(Refusal(arguments), HasSubstr("--lease 10ms: allowed are 500ms to"));
  arguments.lease = "soon";
  EXPECT_THAT(Refusal(arguments), HasSubstr("--lease"));
  arguments = Some();
  arguments.heartbeat = "2s";
  EXPECT_THAT(Refusal(arguments), HasSubstr("--heartbeat 2s: allowed are 10ms to 1.5s"));
  arguments = Some();
  arguments.seed = "x";
  EXPECT_THAT(Refusal(arguments), HasSubstr("--seed x"));
}

}  // namespace
}  // namespace millrace::zmqctl
