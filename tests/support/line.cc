// SPDX-License-Identifier: Apache-2.0
#include "support/line.h"

#include <algorithm>
#include <sstream>

namespace millrace::testing {

bool Line::Has(const std::string& word) const { return std::find(words.begin(), words.end(), word) != words.end(); }

std::string Line::Value(const std::string& key, const std::string& otherwise) const {
  const auto it = values.find(key);
  return it == values.end() ? otherwise : it->second;
}

std::vector<std::string> Line::Values(const std::string& key) const {
  std::vector<std::string> found;
  for (auto [it, end] = values.equal_range(key); it != end; ++it) found.push_back(it->second);
  return found;
}

std::string Line::Rest(std::size_t from) const {
  std::string text;
  for (std::size_t i = from; i < words.size(); ++i) text += (text.empty() ? "" : " ") + words[i];
  return text;
}

Line SplitLine(const std::string& text) {
  Line line;
  for (const std::string& word : Parts(text, ' ')) {
    const std::size_t at = word.find('=');
    if (at == std::string::npos) {
      line.words.push_back(word);
    } else {
      line.values.emplace(word.substr(0, at), word.substr(at + 1));
    }
  }
  return line;
}

std::vector<std::string> Parts(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

Duration DurationOf(std::string_view text) { return ParseDuration(text).value(); }

}  // namespace millrace::testing
