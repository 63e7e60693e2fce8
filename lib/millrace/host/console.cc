// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace millrace::host {
namespace {

std::string_view CodeOf(Colour colour) {
  switch (colour) {
    case Colour::kGreen: return "\x1b[32m";
    case Colour::kRed: return "\x1b[31m";
    case Colour::kYellow: return "\x1b[33m";
    case Colour::kDim: return "\x1b[2m";
    case Colour::kBold: return "\x1b[1m";
    case Colour::kPlain: return "";
  }
  return "";
}

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

Console Console::Of(std::FILE* file) {
  Console console;
  console.file = file;
  const int descriptor = fileno(file);
  const char* term = std::getenv("TERM");
  const bool terminal = isatty(descriptor) == 1 && term != nullptr && std::string_view(term) != "dumb";
  const char* no_colour = std::getenv("NO_COLOR");
  console.colour = terminal && (no_colour == nullptr || *no_colour == '\0');
  console.live = terminal;
  winsize size{};
  if (terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) console.columns = size.ws_col;
  return console;
}

std::string Console::Paint(Colour wanted, std::string_view text) const {
  if (!colour || wanted == Colour::kPlain) return std::string(text);
  std::string painted(CodeOf(wanted));
  painted.append(text).append("\x1b[0m");
  return painted;
}

void Console::Write(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

std::size_t Width(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += IsContinuation(c) ? 0 : 1;
  return width;
}

std::string Clip(std::string_view text, std::size_t columns) {
  if (Width(text) <= columns) return std::string(text);
  if (columns < 3) return std::string(columns, '.');
  std::size_t kept = 0;
  std::size_t bytes = 0;
  while (bytes < text.size() && kept + 2 < columns) {
    ++bytes;
    while (bytes < text.size() && IsContinuation(text[bytes])) ++bytes;
    ++kept;
  }
  return std::string(text.substr(0, bytes)) + "..";
}

std::string Pad(std::string_view text, std::size_t columns) {
  std::string padded(text);
  const std::size_t width = Width(text);
  if (width < columns) padded.append(columns - width, ' ');
  return padded;
}

std::string Printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {  // U+0080 to U+009F: what ESC and a letter say, as one character
      clean.push_back('?');
      ++i;
    } else {
      clean.push_back((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f ? '?' : c);
    }
  }
  return clean;
}

}  // namespace millrace::host
