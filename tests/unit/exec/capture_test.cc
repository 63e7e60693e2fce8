// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/capture.h"

#include "gtest/gtest.h"

namespace millrace::exec {
namespace {

TEST(Capture, KeepsAllWithinTheLimit) {
  Capture capture(10);
  capture.Add("0123");
  capture.Add("456789");
  EXPECT_EQ(capture.Take(), "0123456789");
  EXPECT_EQ(capture.dropped(), 0u);
}

TEST(Capture, KeepsHeadAndTailAndCountsTheRest) {
  for (const std::size_t step : {1u, 3u, 7u, 1000u}) {
    std::string all;
    for (int i = 0; i < 1000; ++i) all += static_cast<char>('a' + i % 26);
    Capture capture(11);
    for (std::size_t at = 0; at < all.size(); at += step) capture.Add(std::string_view(all).substr(at, step));
    EXPECT_EQ(capture.Take(), all.substr(0, 6) + "\n[... 989 bytes left out ...]\n" + all.substr(995)) << step;
    EXPECT_EQ(capture.dropped(), 989u) << step;
  }
}

TEST(Capture, OfNothingKeepsNothing) {
  Capture capture(0);
  capture.Add("abc");
  EXPECT_EQ(capture.Take(), "\n[... 3 bytes left out ...]\n");
}

}  // namespace
}  // namespace millrace::exec
