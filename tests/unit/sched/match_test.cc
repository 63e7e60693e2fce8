// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Offer Linux() {
  Offer offer;
  offer.os = "Linux";
  offer.arch = "x86_64";
  offer.tools = {{.name = "CMake", .version = "3.25.1"}, {.name = "docker", .version = ""}};
  offer.tags = {"Build-Worker"};
  offer.modules = {{.name = "build", .fingerprint = 7}};
  offer.cpus = 4;
  offer.memory = 1000;
  offer.resources = {{"GPU", 2}};
  return offer;
}

const ModuleSpec kAny{};

TEST(MatchTest, A26_IgnoresCaseEverywhere) {
  const Requirements requirements{.os = {"macos", "LINUX"},
                                  .arch = {"X86_64"},
                                  .tools = {"cmake", "DOCKER"},
                                  .tags = {"build-worker"},
                                  .cpus = 4,
                                  .memory = 1000,
                                  .resources = {{"gpu", 2}}};
  EXPECT_THAT(Missing(requirements, {.name = "Build", .fingerprint = 7, .version = {}}, Linux()), IsEmpty());
}

TEST(MatchTest, A26_SaysEverythingThatIsMissing) {
  const Requirements requirements{.os = {"windows"},
                                  .arch = {"aarch64"},
                                  .tools = {"ninja", "cmake>=3.26", "docker>=20"},
                                  .tags = {"gpu-worker"},
                                  .cpus = 5,
                                  .memory = 1001,
                                  .resources = {{"gpu", 3}, {"tpu", 1}}};
  EXPECT_THAT(Missing(requirements, {.name = "test", .fingerprint = 0, .version = {}}, Linux()),
              ElementsAre("module test", "os windows (is Linux)", "arch aarch64 (is x86_64)", "tool ninja",
                          "tool cmake>=3.26 (has 3.25.1)", "tool docker>=20 (version unknown)", "tag gpu-worker",
                          "5 cpus (has 4)", "1001 bytes of memory (has 1000)", "3 gpu (has 2)", "1 tpu (has 0)"));
}

TEST(MatchTest, A47_AModuleWithOtherTypesIsNotTheModule) {
  EXPECT_TRUE(CanServe({}, {.name = "build", .fingerprint = 7, .version = {}}, Linux()));
  EXPECT_TRUE(CanServe({}, {.name = "build", .fingerprint = 0, .version = {}}, Linux()));
  const std::vector<std::string> missing = Missing({}, {.name = "build", .fingerprint = 8, .version = {}}, Linux());
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_THAT(missing[0], ::testing::HasSubstr("other types"));
}

TEST(MatchTest, A26_ToolVersionsCompare) {
  for (const char* fits :
       {"cmake>=3.25", "cmake >= 3.9", "cmake==3.25.1", "cmake<4", "cmake>3.25", "cmake<=3.25.1.0"}) {
    EXPECT_TRUE(CanServe({.tools = {fits}}, kAny, Linux())) << fits;
  }
  for (const char* misses : {"cmake>=3.25.2", "cmake==3.25", "cmake<3.25.1", "cmake>3.25.1", "cmake<=3.9"}) {
    EXPECT_FALSE(CanServe({.tools = {misses}}, kAny, Linux())) << misses;
  }
}

TEST(VersionTest, ComparesNumbersByValueAndWordsBeforeNumbers) {
  EXPECT_LT(CompareVersions("3.9", "3.10"), 0);
  EXPECT_EQ(CompareVersions("1.0", "1"), 0);
  EXPECT_EQ(CompareVersions("1.02", "1.2"), 0);
  EXPECT_LT(CompareVersions("1.0-rc1", "1.0"), 0);
  EXPECT_LT(CompareVersions("1.0-rc1", "1.0-rc2"), 0);
  EXPECT_LT(CompareVersions("1.0-rc1", "1.0.1"), 0);
  EXPECT_GT(CompareVersions("99999999999999999999999", "99999999999999999999998"), 0);
}

TEST(ToolDemandTest, RefusesWhatItCannotRead) {
  EXPECT_FALSE(ParseToolDemand("").ok());
  EXPECT_FALSE(ParseToolDemand(">=3").ok());
  EXPECT_FALSE(ParseToolDemand("cmake>=").ok());
  EXPECT_FALSE(ParseToolDemand("cmake=3").ok());
  EXPECT_FALSE(ParseToolDemand("cmake>=new").ok());
  EXPECT_EQ(ParseToolDemand(" cmake <= 4 ")->comparison, Comparison::kAtMost);
  EXPECT_EQ(ParseToolDemand(" cmake <= 4 ")->version, "4");
}

TEST(RoomTest, TakesAndGivesBack) {
  Room room = RoomOf(Linux());
  const Room full = room;
  const Room need = NeedOf({.cpus = 3, .memory = 600, .resources = {{"Gpu", 1}}});
  ASSERT_TRUE(room.Fits(need));
  room.Take(need);
  EXPECT_FALSE(room.Fits(need));
  EXPECT_TRUE(room.Fits(NeedOf({.cpus = 1, .memory = 400, .resources = {{"gpu", 1}}})));
  room.Give(need);
  EXPECT_EQ(room, full);
}

}  // namespace
}  // namespace millrace::sched
