// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/dependency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

struct Info {
  int size = 0;
};
struct Build {
  int jobs = 0;
  absl::StatusOr<Info> Run() const { return Info{}; }
};

using Result = DependencyResult<Info>;

TEST(DependencyTest, FromGivesTheValueAndItsName) {
  const From<Build> from(Result("build", Outcome::kSucceeded, Info{7}));
  EXPECT_TRUE(from.ok());
  EXPECT_EQ(from->size, 7);
  EXPECT_EQ((*from).size, 7);
  EXPECT_EQ(from.value().size, 7);
  EXPECT_EQ(from.name(), "build");
  EXPECT_TRUE(from.status().ok());
}

TEST(DependencyTest, A16_AnIgnoredFailureIsSeenAndNeverReadAsAValue) {
  const From<Build> from(Result("build", Outcome::kFailed, absl::FailedPreconditionError("exit code 2")));
  EXPECT_FALSE(from.ok());
  EXPECT_EQ(from.outcome(), Outcome::kFailed);
  try {
    static_cast<void>(from->size);
    FAIL() << "it gave a value it does not have";
  } catch (const NoValue& error) {
    EXPECT_STREQ(error.what(), "the dependency 'build' has no value (exit code 2); ask ok() before taking it");
  }
}

TEST(DependencyTest, MaybeTellsAbsentSkippedFailedAndValueApart) {
  const Maybe<Build> absent;
  EXPECT_TRUE(absent.absent() && !absent && !absent.skipped() && !absent.failed());
  EXPECT_THROW(static_cast<void>(*absent), NoValue);

  const Maybe<Build> skipped(Result("build", Outcome::kSkipped, absl::CancelledError("not on linux")));
  EXPECT_TRUE(skipped.skipped() && !skipped.absent() && !skipped && !skipped.failed());
  EXPECT_EQ(skipped.status().message(), "not on linux");

  const Maybe<Build> failed(Result("build", Outcome::kTimedOut, absl::DeadlineExceededError("after 10m")));
  EXPECT_TRUE(failed.failed() && !failed.absent() && !failed && !failed.skipped());
  EXPECT_EQ(failed.outcome(), Outcome::kTimedOut);

  const Maybe<Build> value(Result("build", Outcome::kCached, Info{3}));
  EXPECT_TRUE(value && !value.absent() && !value.skipped() && !value.failed());
  EXPECT_EQ(value->size, 3);
}

TEST(DependencyTest, FromAllIsARangeOfModuleNameAndResult) {
  const FromAll<Build> all({{Build{1}, "build[jobs=1]", Result("build[jobs=1]", Outcome::kSucceeded, Info{10})},
                            {Build{2}, "build[jobs=2]", Result("build[jobs=2]", Outcome::kSucceeded, Info{20})}});
  int sum = 0;
  for (const auto& [module, name, result] : all) sum += module.jobs * result->size;
  EXPECT_EQ(sum, 50);
  EXPECT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].name, "build[jobs=2]");
}

}  // namespace
}  // namespace millrace
