// SPDX-License-Identifier: Apache-2.0
// Transcripts: text files of commands and what came of them, compared block by block.
//
//     # a comment
//     hello w1 cpus=2
//     ----
//     to w1: Welcome{session=1.1}
//
// A block is one or more lines of commands, `----`, and the expected output up to the next empty line. With
// MILLRACE_REWRITE_TRANSCRIPTS=1 the output is written into the file instead, to be reviewed as a diff.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace millrace::testing {

// Runs the file; `command` gets the lines of one block and returns what happened, a line each. Reports differences as
// failures of the running test.
void RunTranscript(const std::string& path, const std::function<std::string(const std::vector<std::string>&)>& command);

// The *.txt files in the folder, sorted.
std::vector<std::string> TranscriptsIn(const std::string& folder);

// The name of the file as the name of a test.
std::string TranscriptName(const ::testing::TestParamInfo<std::string>& path);

}  // namespace millrace::testing
