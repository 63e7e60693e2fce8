// SPDX-License-Identifier: Apache-2.0
#include "bench/samples.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace::bench {
namespace {

TEST(SamplesTest, QuantilesAreValuesThatWereMeasured) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Quantile({4, 3, 2, 1}, 0), 1);
  EXPECT_EQ(Quantile({4, 3, 2, 1}, 0.99), 4);
  EXPECT_EQ(Quantile({4, 3, 2, 1}, 1), 4);
  EXPECT_EQ(Median({std::nan(""), 5, std::nan("")}), 5);
  EXPECT_TRUE(std::isnan(Median({})));
}

TEST(SamplesTest, AReportHasMediansOfItsSeries) {
  Report report("map");
  report.Parameter("tasks", 7);
  for (const double value : {1.0, 9.0, 2.0}) report.Add("single_us", value);
  report.Add("nothing_us", std::nan(""));
  report.Point("fft", 10, 0.5);
  EXPECT_EQ(nlohmann::json::parse(report.Json()), nlohmann::json::parse(R"({
    "case": "map", "parameters": {"tasks": 7}, "figures": {"single_us": 2.0, "nothing_us": null},
    "samples": {"single_us": [1.0, 9.0, 2.0], "nothing_us": [null]}, "curves": {"fft": [[10.0, 0.5]]}})"));
}

}  // namespace
}  // namespace millrace::bench
