// SPDX-License-Identifier: Apache-2.0
#include "millrace/report/text.h"

#include <cstdint>

#include "absl/strings/str_format.h"
#include "millrace/base/text.h"

namespace millrace::report {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

bool IsControl(unsigned char c) { return c < 0x20 || c == 0x7f; }

struct Lead {
  std::size_t length = 1;
  std::uint32_t bits = 0;
  std::uint32_t least = 0;  // what fewer bytes could say must not take more
};
bool ReadLead(unsigned char byte, Lead& lead) {
  if (byte >= 0xc2 && byte <= 0xdf)
    lead = {2, byte & 0x1fU, 0x80};
  else if (byte >= 0xe0 && byte <= 0xef)
    lead = {3, byte & 0x0fU, 0x800};
  else if (byte >= 0xf0 && byte <= 0xf4)
    lead = {4, byte & 0x07U, 0x10000};
  else
    return false;
  return true;
}

// The length of the character at the front, 0 when it is none; XML has no U+FFFE and U+FFFF.
std::size_t CharacterAt(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  Lead lead;
  if (!ReadLead(first, lead) || text.size() < lead.length) return 0;
  std::uint32_t code = lead.bits;
  for (std::size_t i = 1; i < lead.length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return 0;
    code = code << 6 | (next & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < lead.least || code > 0x10ffff || surrogate || code == 0xfffe || code == 0xffff ? 0 : lead.length;
}

}  // namespace

std::string CleanUtf8(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = CharacterAt(text);
    clean += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return clean;
}

namespace {

std::string Escape(std::string_view text, bool keep_blanks) {
  std::string escaped;
  for (const char c : CleanUtf8(text)) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      case '\n': escaped += keep_blanks ? "\n" : "&#10;"; break;
      case '\t': escaped += keep_blanks ? "\t" : "&#9;"; break;
      default:
        if (IsControl(static_cast<unsigned char>(c))) {
          escaped += kReplacement;
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

}  // namespace

std::string EscapeXml(std::string_view text) { return Escape(text, /*keep_blanks=*/false); }
std::string EscapeXmlText(std::string_view text) { return Escape(text, /*keep_blanks=*/true); }

std::string OneLine(std::string_view text, std::size_t most) {
  std::string line = CleanUtf8(Beginning(text, most));
  for (char& c : line) {
    if (IsControl(static_cast<unsigned char>(c))) c = ' ';
  }
  return line;
}

std::string EscapeMermaid(std::string_view text) {
  constexpr std::string_view kPlain = " -_.,:=/+@()!?";
  std::string escaped;
  for (const char c : OneLine(text)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || byte >= 0x80;
    if (word || kPlain.find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      escaped += absl::StrFormat("#%d;", byte);
    }
  }
  return escaped;
}

std::string EscapeDot(std::string_view text) {
  std::string escaped;
  for (const char c : OneLine(text)) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
    if (c == '&') escaped += "amp;";  // DOT knows the entities of HTML
  }
  return escaped;
}

}  // namespace millrace::report
