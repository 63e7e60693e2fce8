// SPDX-License-Identifier: Apache-2.0
#include "support/transcript.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace millrace::testing {
namespace {

struct Block {
  std::vector<std::string> before;  // comments and empty lines, kept as they are
  std::vector<std::string> commands;
  std::string expected;
  int line = 0;
};

std::vector<Block> Parse(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path << " cannot be read";
  std::vector<Block> blocks;
  Block block;
  enum class Part { kBefore, kCommands, kExpected } part = Part::kBefore;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (part == Part::kExpected) {
      if (!line.empty()) {
        block.expected += line + "\n";
        continue;
      }
      blocks.push_back(std::exchange(block, Block{}));
      block.before.push_back(line);
      part = Part::kBefore;
    } else if (line == "----") {
      part = Part::kExpected;
    } else if (part == Part::kBefore && (line.empty() || line.front() == '#')) {
      block.before.push_back(line);
    } else {
      if (part == Part::kBefore) block.line = number;
      part = Part::kCommands;
      block.commands.push_back(line);
    }
  }
  blocks.push_back(std::move(block));
  return blocks;
}

}  // namespace

void RunTranscript(const std::string& path,
                   const std::function<std::string(const std::vector<std::string>&)>& command) {
  const bool rewrite = std::getenv("MILLRACE_REWRITE_TRANSCRIPTS") != nullptr;
  std::ostringstream written;
  for (const Block& block : Parse(path)) {
    for (const std::string& line : block.before) written << line << "\n";
    if (block.commands.empty()) continue;
    const std::string got = command(block.commands);
    for (const std::string& line : block.commands) written << line << "\n";
    written << "----\n" << got;
    if (rewrite) continue;
    EXPECT_EQ(got, block.expected) << path << ":" << block.line << ": " << block.commands.front();
  }
  if (!rewrite) return;
  std::string text = written.str();
  while (text.ends_with("\n\n")) text.pop_back();
  std::ofstream(path) << text;
}

std::vector<std::string> TranscriptsIn(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string TranscriptName(const ::testing::TestParamInfo<std::string>& path) {
  std::string name = std::filesystem::path(path.param).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace millrace::testing
