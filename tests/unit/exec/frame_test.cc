// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/frame.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::exec {
namespace {

TEST(FrameReader, CutsAnyStreamBackIntoFrames) {
  const std::vector<std::string> sent = {"", "a", std::string(70000, 'x'), "", "end"};
  std::string stream;
  for (const std::string& frame : sent) AppendFrame(frame, &stream);
  for (const std::size_t step : {1u, 3u, 4u, 5u, 4096u, 1000000u}) {
    FrameReader reader(70000);
    std::vector<std::string> frames;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      ASSERT_TRUE(reader.Feed(std::string_view(stream).substr(at, step), &frames).ok());
    }
    EXPECT_EQ(frames, sent) << step;
    EXPECT_FALSE(reader.mid_frame());
  }
}

TEST(FrameReader, RefusesALengthOverTheLimitBeforeItsBytesCome) {
  std::string stream;
  AppendFrame(std::string(11, 'x'), &stream);
  FrameReader reader(10);
  std::vector<std::string> frames;
  const absl::Status status = reader.Feed(std::string_view(stream).substr(0, kFrameHeader), &frames);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("11 bytes"));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("limit of 10"));
}

}  // namespace
}  // namespace millrace::exec
