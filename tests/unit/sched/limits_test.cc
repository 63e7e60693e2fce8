// SPDX-License-Identifier: Apache-2.0
// The limits of what workers and clients say, each at its edge: exactly so much is accepted, and one more is refused
// with both numbers, or cut and counted where it is only words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/hello_check.h"
#include "millrace/sched/job_graph.h"
#include "rig.h"

namespace millrace::sched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kMaxPayload = 1000;

std::string Refusal(const JobSpec& job) { return TextOf(CheckJob(Pack(job), kMaxPayload)); }
std::string Refusal(const JobCounts& counts) { return TextOf(CheckCounts(counts)); }
auto Says(std::uint64_t value, std::uint64_t limit) {
  return AllOf(HasSubstr(absl::StrCat(value)), HasSubstr(absl::StrCat(limit)));
}
auto SaysOver(std::uint64_t limit) { return Says(limit + 1, limit); }

TEST(LimitsTest, A14_CountsOfAJob) {
  EXPECT_THAT(Refusal(JobCounts{kMaxTasks, kMaxTable, kMaxTable, kMaxTable, kMaxEdges}), IsEmpty());
  EXPECT_THAT(Refusal(JobCounts{.tasks = kMaxTasks + 1}), AllOf(SaysOver(kMaxTasks), HasSubstr(" tasks;")));
  EXPECT_THAT(Refusal(JobCounts{.modules = kMaxTable + 1}), AllOf(SaysOver(kMaxTable), HasSubstr(" modules;")));
  EXPECT_THAT(Refusal(JobCounts{.requirements = kMaxTable + 1}),
              AllOf(SaysOver(kMaxTable), HasSubstr(" sets of requirements;")));
  EXPECT_THAT(Refusal(JobCounts{.policies = kMaxTable + 1}), AllOf(SaysOver(kMaxTable), HasSubstr(" policies;")));
  EXPECT_THAT(Refusal(JobCounts{.dependencies = kMaxEdges + 1}),
              AllOf(SaysOver(kMaxEdges), HasSubstr(" dependencies;")));
}

TEST(LimitsTest, A14_TheTablesOfAJobAreCounted) {
  Job job = Job().Task("a");
  job.spec.modules.resize(kMaxTable, job.spec.modules[0]);
  job.spec.requirements.resize(kMaxTable);
  job.spec.policies.resize(kMaxTable);
  EXPECT_THAT(Refusal(job.spec), IsEmpty());
  for (const auto grow :
       {+[](JobSpec& spec) { spec.modules.emplace_back(); }, +[](JobSpec& spec) { spec.requirements.emplace_back(); },
        +[](JobSpec& spec) { spec.policies.emplace_back(); }}) {
    JobSpec grown = job.spec;
    grow(grown);
    EXPECT_THAT(Refusal(grown), SaysOver(kMaxTable));
  }
}

TEST(LimitsTest, A14_NamesOfAJob) {
  const std::string longest(kMaxName, 'n');
  Job job = Job().Task(longest);
  job.spec.name = longest;
  job.spec.modules[0].name = longest;
  EXPECT_THAT(Refusal(job.spec), IsEmpty());
  for (const auto name : {+[](JobSpec& spec) { return &spec.name; }, +[](JobSpec& spec) { return &spec.tasks[0].name; },
                          +[](JobSpec& spec) { return &spec.modules[0].name; }}) {
    JobSpec longer = job.spec;
    *name(longer) += 'n';
    EXPECT_THAT(Refusal(longer), SaysOver(kMaxName));
  }
}

TEST(LimitsTest, A14_WhatATaskBrings) {
  Job job = Job().Task("a").Task("b");
  TaskSpec& task = job.spec.tasks[1];
  task.inputs = Bytes(std::string(kMaxPayload, 'x'));
  task.env["LONG"] = std::string(kMaxEnvironment - 4, 'x');
  task.needs.resize(kMaxNeeds);
  EXPECT_THAT(Refusal(job.spec), IsEmpty());
  task.needs.resize(kMaxNeeds + 1);
  EXPECT_THAT(Refusal(job.spec), SaysOver(kMaxNeeds));
  task.needs.clear();
  task.env["LONG"] += 'x';
  EXPECT_THAT(Refusal(job.spec), SaysOver(kMaxEnvironment));
  task.env.clear();
  task.inputs = Bytes(std::string(kMaxPayload + 1, 'x'));
  EXPECT_THAT(Refusal(job.spec), SaysOver(kMaxPayload));
}

TEST(LimitsTest, A14_WhatATaskAsksFor) {
  Requirements most{.cpus = kMaxCpus};
  most.tags = {std::string(kMaxRequirementText - 8, 'x')};  // 8 more for each word
  const Policy patient{.retries = kMaxRetries, .memory_limit = kLeastMemoryLimit};
  EXPECT_THAT(Refusal(Job().Task("a", "", patient, most).spec), IsEmpty());
  Requirements more = most;
  more.cpus += 1;
  EXPECT_THAT(Refusal(Job().Task("a", "", {}, more).spec), SaysOver(kMaxCpus));
  more = most;
  more.tags[0] += 'x';
  EXPECT_THAT(Refusal(Job().Task("a", "", {}, more).spec), SaysOver(kMaxRequirementText));
  EXPECT_THAT(Refusal(Job().Task("a", "", {.retries = kMaxRetries + 1}).spec), SaysOver(kMaxRetries));
  EXPECT_THAT(Refusal(Job().Task("a", "", {.memory_limit = kLeastMemoryLimit - 1}).spec),
              AllOf(HasSubstr(absl::StrCat(kLeastMemoryLimit - 1)), HasSubstr("16MiB")));
}

TEST(LimitsTest, A14_SecretsOfATask) {
  const auto refusal = [](const SecretNames& secrets) {
    return Refusal(Job().Task("a", "", {.secrets = secrets}).spec);
  };
  SecretNames secrets;
  while (secrets.size() < kMaxSecrets) secrets[absl::StrCat("V", secrets.size())] = std::string(kMaxSecretName, 's');
  EXPECT_THAT(refusal(secrets), IsEmpty());
  secrets["ONE_MORE"] = "s";
  EXPECT_THAT(refusal(secrets), SaysOver(kMaxSecrets));
  EXPECT_THAT(refusal({{"V", std::string(kMaxSecretName + 1, 's')}}), HasSubstr("use 1 to 100 letters"));
}

Hello HelloOfMost() {
  Hello hello;
  hello.name = hello.host = hello.version = std::string(kMaxWorkerName, 'w');
  hello.incarnation = Incarnation{1};
  hello.offer.cpus = kMaxCpus;
  hello.offer.tags.resize(kMaxOffered, "t");
  return hello;
}

TEST(LimitsTest, A48_WorkersThatABrokerKnows) {
  EXPECT_TRUE(CheckRoom(kMaxSessions - 1).ok());
  EXPECT_THAT(TextOf(CheckRoom(kMaxSessions)), HasSubstr("knows 100000 workers, and its limit is 100000"));
}

TEST(LimitsTest, A48_WhatAWorkerSaysOfItself) {
  EXPECT_TRUE(CheckHello(HelloOfMost()).ok()) << CheckHello(HelloOfMost());
  for (const auto text : {+[](Hello& hello) { return &hello.name; }, +[](Hello& hello) { return &hello.host; },
                          +[](Hello& hello) { return &hello.version; }}) {
    Hello hello = HelloOfMost();
    *text(hello) += 'w';
    EXPECT_THAT(TextOf(CheckHello(hello)), SaysOver(kMaxWorkerName));
  }
}

TEST(LimitsTest, A48_WhatAWorkerOffers) {
  Hello hello = HelloOfMost();
  hello.offer.cpus += 1;
  EXPECT_THAT(TextOf(CheckHello(hello)), SaysOver(kMaxCpus));
  for (const auto grow : {+[](Offer& offer) { offer.tags.resize(kMaxOffered + 1); },
                          +[](Offer& offer) { offer.tools.resize(kMaxOffered + 1); },
                          +[](Offer& offer) { offer.modules.resize(kMaxOffered + 1); }}) {
    hello = HelloOfMost();
    grow(hello.offer);
    EXPECT_THAT(TextOf(CheckHello(hello)), SaysOver(kMaxOffered));
  }
  hello = HelloOfMost();
  hello.offer.tags = {std::string(kMaxOfferText - 8, 'x')};
  EXPECT_TRUE(CheckHello(hello).ok()) << CheckHello(hello);
  hello.offer.tags[0] += 'x';
  EXPECT_THAT(TextOf(CheckHello(hello)), SaysOver(kMaxOfferText));
}

TEST(LimitsTest, A48_WordsOfAFailureAreCut) {
  Failure failure;
  failure.message = failure.output = std::string(kMaxFailureText, 'x');
  failure.exception = std::string(kMaxException, 'x');
  const Failure kept = failure;
  Bound(failure);
  EXPECT_EQ(failure, kept);
  failure.message += "end";
  failure.output = "begin" + failure.output;
  failure.exception += "end";
  Bound(failure);
  for (const std::string* text : {&failure.message, &failure.output}) {
    EXPECT_LE(text->size(), kMaxFailureText);
    EXPECT_THAT(*text, HasSubstr("bytes left out"));
  }
  EXPECT_LE(failure.exception.size(), kMaxException);
  AttemptEnded ended;
  ended.message = std::string(kMaxAttemptText, 'x');
  Bound(ended);
  EXPECT_EQ(ended.message, std::string(kMaxAttemptText, 'x'));
  ended.message += "end";
  Bound(ended);
  EXPECT_LE(ended.message.size(), kMaxAttemptText);
  EXPECT_THAT(ended.message, HasSubstr("bytes left out"));
}

TEST(LimitsTest, WarningsOfARunAreCut) {
  std::vector<std::string> warnings(kMaxWarnings, "w");
  Bound(warnings);
  EXPECT_THAT(warnings, SizeIs(kMaxWarnings));
  warnings.resize(kMaxWarnings + 1, "w");
  Bound(warnings);
  ASSERT_THAT(warnings, SizeIs(kMaxWarnings + 1));
  EXPECT_EQ(warnings.back(), "and 1 more warnings");
}

}  // namespace
}  // namespace millrace::sched
