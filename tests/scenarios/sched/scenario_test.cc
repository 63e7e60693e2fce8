// SPDX-License-Identifier: Apache-2.0
// One test per transcript in this folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "scenario.h"
#include "support/transcript.h"

namespace millrace::sched {
namespace {

class Transcript : public ::testing::TestWithParam<std::string> {};

TEST_P(Transcript, GoesAsWritten) {
  Scenario scenario;
  testing::RunTranscript(GetParam(),
                         [&scenario](const std::vector<std::string>& lines) { return scenario.Run(lines); });
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& transcript) {
  std::string name = std::filesystem::path(transcript.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Transcript, ::testing::ValuesIn(testing::TranscriptsIn(MILLRACE_SCENARIOS)),
                         NameOf);

}  // namespace
}  // namespace millrace::sched
