// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/source.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::yaml {
namespace {

constexpr int kMostOpenBrackets = 10'000;  // far above any real file, also one full of shell scripts

Mark MarkAt(std::string_view text, std::size_t position) {
  const std::string_view before = text.substr(0, position);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 = 0
  return {static_cast<int>(lines) + 1, static_cast<int>(position - line_start) + 1};
}

// The length of the well-formed UTF-8 character at the front of `text`, 0 if there is none.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (first == 0xF4 && byte(1) > 0x8F) return 0;  // beyond Unicode
  return length;
}

}  // namespace

bool CheckSource(std::string_view text, Problems& problems) {
  int open = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '[' || c == '{') ++open;
    if ((c == ']' || c == '}') && open > 0) --open;
    if (open > kMostOpenBrackets) {
      problems.Add(MarkAt(text, i), "over %d brackets are open here", kMostOpenBrackets);
      return false;
    }
    const std::size_t length = c == '\0' ? 0 : CharacterLength(text.substr(i));
    if (length == 0) {
      problems.Add(MarkAt(text, i), "byte 0x%02x is not text; a YAML file is UTF-8", static_cast<unsigned char>(c));
      return false;
    }
    i += length;
  }
  return true;
}

bool CheckLastQuoted(std::string_view text, std::optional<std::size_t> begin, Problems& problems) {
  if (!begin.has_value() || *begin >= text.size()) return true;
  std::size_t i = *begin;
  while (i < text.size() && (text[i] == '&' || text[i] == '!')) {  // properties come before the text
    i = std::min(text.find_first_of(" \t\r\n", i), text.size());
    i = std::min(text.find_first_not_of(" \t\r\n", i), text.size());
  }
  if (i >= text.size() || (text[i] != '"' && text[i] != '\'')) return true;
  const char quote = text[i];
  for (std::size_t j = i + 1; j < text.size(); ++j) {
    if (text[j] == '\\' && quote == '"') {
      ++j;
    } else if (text[j] == quote) {
      if (quote == '"' || j + 1 >= text.size() || text[j + 1] != quote) return true;
      ++j;  // '' is a quote inside a single-quoted text
    }
  }
  problems.Add(MarkAt(text, i), "this quoted text is never closed");
  return false;
}

std::string SyntaxHint(std::string_view parser_message) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kHints = {{
      {"illegal map value", "a ':' where no key can stand; quote text that contains ': ', and check the indentation"},
      {"illegal map key", "a key cannot stand here; check the indentation"},
      {"illegal tab when looking for indentation", "a tab cannot indent YAML; use spaces"},
      {"unknown token", "text cannot begin with this character; quote it"},
      {"end of map not found", "this does not belong to the map above; check the indentation"},
      {"end of sequence not found", "this does not belong to the list above; check the indentation"},
      {"end of sequence flow not found", "a '[' is not closed, or a ',' is missing before this"},
      {"end of map flow not found", "a '{' is not closed, a ',' is missing, or text with ': ' is not quoted"},
      {"illegal flow end", "a closing bracket that nothing opened"},
      {"the referenced anchor is not defined", "this alias names no anchor; anchors must come first"},
  }};
  for (const auto& [message, hint] : kHints) {
    if (message == parser_message) return std::string(hint);
  }
  return std::string(parser_message);
}

}  // namespace millrace::yaml
