// SPDX-License-Identifier: Apache-2.0
// One test per transcript in this folder.
#include <gtest/gtest.h>

#include "scenario.h"
#include "support/transcript.h"

namespace millrace::agent {
namespace {

class Transcript : public ::testing::TestWithParam<std::string> {};

TEST_P(Transcript, GoesAsWritten) {
  Scenario scenario;
  testing::RunTranscript(GetParam(),
                         [&scenario](const std::vector<std::string>& lines) { return scenario.Run(lines); });
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Transcript, ::testing::ValuesIn(testing::TranscriptsIn(MILLRACE_SCENARIOS)),
                         testing::TranscriptName);

}  // namespace
}  // namespace millrace::agent
