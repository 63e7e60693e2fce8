// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/text.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace millrace {
namespace {

constexpr std::size_t kNoteBytes = 40;  // room for "[... 18446744073709551615 bytes left out]"

bool IsInsideCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::size_t RoomFor(std::size_t limit) { return limit > kNoteBytes ? limit - kNoteBytes : 0; }

}  // namespace

std::string Beginning(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t end = RoomFor(limit);
  while (end > 0 && IsInsideCharacter(text[end])) --end;
  return absl::StrFormat("%s[... %d bytes left out]", text.substr(0, end), text.size() - end).substr(0, limit);
}

std::string Ending(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t start = text.size() - RoomFor(limit);
  while (start < text.size() && IsInsideCharacter(text[start])) ++start;
  const std::size_t line = text.find('\n', start);
  if (line != std::string_view::npos && line + 1 < text.size()) start = line + 1;
  return absl::StrFormat("[%d bytes left out]\n%s", start, text.substr(start)).substr(0, limit);
}

}  // namespace millrace
