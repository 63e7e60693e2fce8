// SPDX-License-Identifier: Apache-2.0
// What a terminal can do: colours and cursor movement only where a person looks at them.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace millrace::host {

enum class Colour { kPlain, kGreen, kRed, kYellow, kDim, kBold };

struct Console {
  std::FILE* file = stderr;
  bool colour = false;  // a terminal, and neither NO_COLOR nor TERM=dumb is set
  bool live = false;    // a terminal on which a line may be drawn again
  int columns = 80;

  static Console Of(std::FILE* file);
  // The text in colour, where colours are wanted.
  std::string Paint(Colour colour, std::string_view text) const;
  void Write(std::string_view text) const;
};

// At most `columns` characters; what is cut is marked. Counts UTF-8 code points, not bytes.
std::string Clip(std::string_view text, std::size_t columns);
// `text` with spaces up to `columns`, never cut.
std::string Pad(std::string_view text, std::size_t columns);
std::size_t Width(std::string_view text);
// What came from outside (names, output) without what could drive the terminal: control characters but newline and tab
// become '?'.
std::string Printable(std::string_view text);

}  // namespace millrace::host
