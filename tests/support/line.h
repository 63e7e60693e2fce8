// SPDX-License-Identifier: Apache-2.0
// A command of a transcript, taken apart: `assign a b cpus=2` has three plain words, and one with a value.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/time.h"

namespace millrace::testing {

struct Line {
  std::vector<std::string> words;
  std::multimap<std::string, std::string> values;

  bool Has(const std::string& word) const;
  std::string Value(const std::string& key, const std::string& otherwise = "") const;
  std::vector<std::string> Values(const std::string& key) const;
  // The plain words from this one on, with blanks between.
  std::string Rest(std::size_t from) const;
};

Line SplitLine(const std::string& text);
// Without the empty ones.
std::vector<std::string> Parts(const std::string& text, char separator);
// Throws on rubbish: a transcript is written by us.
Duration DurationOf(std::string_view text);

}  // namespace millrace::testing
