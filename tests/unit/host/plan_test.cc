// SPDX-License-Identifier: Apache-2.0
// The plan of a pipeline: waves, what each needs, and what the cache would give; nothing runs.
#include "millrace/host/plan.h"

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "millrace/store/cache.h"
#include "tests/unit/host/support.h"

namespace millrace::host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// restore <- build <- test, docs: only build and test are cached.
JobSpec Release() {
  JobSpec job;
  job.name = "release";
  for (const char* module : {"restore", "build", "test", "docs"}) job.modules.push_back({module, 7, "1"});
  job.requirements.resize(2);
  job.requirements[1].tools = {"cmake", "g++>=12"};
  job.requirements[1].cpus = 2;
  job.policies.resize(2);
  job.policies[1].cached = true;
  job.tasks.resize(4);
  for (std::uint32_t i = 0; i < 4; ++i) {
    job.tasks[i].name = job.modules[i].name;
    job.tasks[i].module = i;
  }
  job.tasks[0].policy = job.tasks[1].policy = job.tasks[2].policy = 1;
  job.tasks[1].requirements = 1;
  job.tasks[1].needs = {{.task = 0}};
  job.tasks[2].needs = {{.task = 1}};
  return job;
}

class PlanTest : public testing::Test {
 protected:
  PlanTest() { options_.data_dir = folder_.path().string(); }
  std::string Plan(const JobSpec& job) { return PlanText(job, options_, {}); }
  // As a run would have remembered it.
  Payload Remember(const JobSpec& job, std::uint32_t index, const std::vector<Datum>& data) {
    auto cache = store::ResultCache::Open(folder_ / "cache.sqlite");
    EXPECT_TRUE(cache.ok()) << cache.status();
    Payload result;
    result.bytes = Bytes::Copy("result of " + job.tasks[index].name);
    result.size = result.bytes.size();
    const Digest key = store::CacheKey(job.modules[job.tasks[index].module], job.tasks[index].inputs.view(), {}, data);
    EXPECT_TRUE(cache->Remember(key, job.tasks[index].name, result, 1).ok());
    return result;
  }

  TemporaryDirectory folder_;
  Options options_;
};

TEST_F(PlanTest, WavesNeedsAndRequirements) {
  EXPECT_EQ(Plan(Release()),
            "wave  module   needs    requires                      cache\n"
            "1     restore  -        -                             would run\n"
            "1     docs     -        -                             -\n"
            "2     build    restore  tools cmake, g++>=12; 2 cpus  would run\n"
            "3     test     build    -                             would run\n"
            "release: 4 modules in 3 waves (waves are shown, never waited for)\n");
}

TEST_F(PlanTest, WhatIsExpectedIsShownWhereItIsSaid) {
  JobSpec job = Release();
  job.policies[0].expected = std::chrono::minutes(90);
  EXPECT_EQ(Plan(job),
            "wave  module   needs    requires                      cache      expected\n"
            "1     restore  -        -                             would run  -\n"
            "1     docs     -        -                             -          1h30m\n"
            "2     build    restore  tools cmake, g++>=12; 2 cpus  would run  -\n"
            "3     test     build    -                             would run  -\n"
            "release: 4 modules in 3 waves (waves are shown, never waited for)\n");
}

TEST_F(PlanTest, A38_WhatTheCacheHasIsAHitAsFarAsItsDependenciesAre) {
  const JobSpec job = Release();
  Datum restored;
  restored.name = restored.module = "restore";
  restored.outcome = Outcome::kCached;
  restored.result = Remember(job, 0, {});
  EXPECT_THAT(Plan(job), HasSubstr("-                             hit"));
  Remember(job, 1, {restored});
  const std::string plan = Plan(job);
  EXPECT_THAT(plan, HasSubstr("2 cpus  hit"));
  EXPECT_THAT(plan, HasSubstr("would run"));  // test
  JobSpec uncached = job;
  uncached.use_cache = false;
  EXPECT_THAT(Plan(uncached), Not(HasSubstr("hit")));
  JobSpec changed = job;
  changed.tasks[0].inputs = Bytes::Copy("other");
  EXPECT_THAT(Plan(changed), Not(HasSubstr("hit")));
}

TEST_F(PlanTest, LeavesNothingBehind) {
  Plan(Release());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(PlanTest, ADiamondIsAsDeepAsItsLongestSide) {
  JobSpec job = Release();
  job.tasks[3].needs = {{.task = 0}, {.task = 2}};
  EXPECT_THAT(Plan(job), AllOf(HasSubstr("4     docs     restore, test"), HasSubstr("4 modules in 4 waves")));
}

TEST_F(PlanTest, AnEmptyPipelineAndNamesThatDriveTerminals) {
  EXPECT_THAT(Plan(JobSpec{}), HasSubstr("0 modules in 0 waves"));
  JobSpec job = Release();
  job.name = "release\x1b[2J";
  for (TaskSpec& task : job.tasks) task.name += "\x1b[2J";
  job.requirements[1].tags = {"tag\x1b[2J"};
  EXPECT_THAT(Plan(job), Not(HasSubstr("\x1b")));
}

TEST(RequirementsTextTest, SaysAllOfThem) {
  EXPECT_EQ(RequirementsText({}), "");
  Requirements all;
  all.os = {"linux", "macos"};
  all.arch = {"x86_64"};
  all.tools = {"cmake", "g++>=12"};
  all.tags = {"gpu", "big"};
  all.cpus = 0;
  all.memory = std::int64_t{512} << 20;
  all.resources = {{"licence", 2}};
  EXPECT_EQ(RequirementsText(all),
            "os linux or macos; arch x86_64; tools cmake, g++>=12; tags gpu, big; 0 cpus; 512 MiB; 2 licence");
}

}  // namespace
}  // namespace millrace::host
