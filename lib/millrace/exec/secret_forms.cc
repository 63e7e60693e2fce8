// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/secret_forms.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "millrace/base/status.h"

namespace millrace::exec {
namespace {

using Forms = std::set<std::string>;

constexpr std::size_t kShortestLine = 8;
// A line break may stand anywhere in base64, and is only looked for behind some characters (see mask.cc): what is left
// behind one that came earlier is a form of its own.
constexpr std::size_t kLongBase64 = 20;
constexpr std::size_t kMostLeftOut = 3;

void AppendHex(std::string& out, unsigned char byte, bool upper, int digits) {
  const char* const hex = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += hex[(byte >> shift) & 15];
}

// RFC 3986, encodeURIComponent and Python's quote differ in what they leave alone; forms write '+' for a space.
void AddUrl(std::string_view value, Forms& forms) {
  for (const std::string_view kept : {"-_.~", "-_.~!*'()", "-_.~/"}) {
    for (const bool upper : {true, false}) {
      for (const bool plus : {false, true}) {
        std::string out;
        for (const char c : value) {
          if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || kept.find(c) != std::string_view::npos) {
            out += c;
          } else if (c == ' ' && plus) {
            out += '+';
          } else {
            out += '%';
            AppendHex(out, static_cast<unsigned char>(c), upper, 2);
          }
        }
        forms.insert(std::move(out));
      }
    }
  }
}

// The UTF-16 units of the character at `at`, which moves behind it; nothing if it is none, and `at` stays.
std::vector<std::uint16_t> Units(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(at);
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  std::uint32_t code = length == 1 ? lead : lead & (0xffu >> (length + 1));
  if (length == 1 && lead >= 0x80) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0u) != 0x80) return {};
    code = code << 6 | (byte(at + i) & 0x3fu);
  }
  at += length;
  if (code < 0x10000) return {static_cast<std::uint16_t>(code)};
  code -= 0x10000;
  return {static_cast<std::uint16_t>(0xd800 + (code >> 10)), static_cast<std::uint16_t>(0xdc00 + (code & 0x3ff))};
}

void AppendUnit(std::string& out, std::uint16_t unit, bool upper) {
  out += "\\u";
  AppendHex(out, static_cast<unsigned char>(unit >> 8), upper, 2);
  AppendHex(out, static_cast<unsigned char>(unit), upper, 2);
}

struct JsonWay {
  bool ascii;  // other characters as \uXXXX
  bool slash;  // as "\/"
  bool html;   // <, > and & as \uXXXX
  bool upper;  // hexadecimal digits
};

std::string Json(std::string_view value, const JsonWay& way) {
  constexpr std::string_view kShort = "\b\f\n\r\t\"\\";
  std::string out;
  for (std::size_t at = 0; at < value.size();) {
    const char c = value[at];
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t known = kShort.find(c); known != std::string_view::npos) {
      out += '\\';
      out += "bfnrt\"\\"[known];
    } else if (c == '/' && way.slash) {
      out += "\\/";
    } else if (byte < 0x20 || byte == 0x7f || (way.html && (c == '<' || c == '>' || c == '&'))) {
      AppendUnit(out, byte, way.upper);
    } else if (byte >= 0x80 && way.ascii) {
      if (const auto units = Units(value, at); !units.empty()) {
        for (const std::uint16_t unit : units) AppendUnit(out, unit, way.upper);
        continue;
      }
      AppendUnit(out, 0xfffd, way.upper);
    } else {
      out += c;
    }
    ++at;
  }
  return out;
}

void AddJson(std::string_view value, Forms& forms) {
  for (int bits = 0; bits < 16; ++bits) {
    forms.insert(Json(value, {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0}));
  }
}

// `value` with each character of `special` behind a backslash.
std::string Escaped(std::string_view value, std::string_view special) {
  std::string out;
  for (const char c : value) {
    if (special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Between the quotes, as `set -x`, `printf %q`, shlex.quote and people write it.
void AddShell(std::string_view value, Forms& forms) {
  forms.insert(absl::StrReplaceAll(Av(value), {{"'", "'\\''"}}));
  forms.insert(absl::StrReplaceAll(Av(value), {{"'", "'\"'\"'"}}));
  forms.insert(Escaped(value, "$`\"\\"));
  forms.insert(Escaped(value, "$`\"\\!"));
  forms.insert(Escaped(value, " \t!\"#$&'()*,;<>?[\\]^`{|}~"));
  forms.insert(Escaped(value, " \t!\"#$&'()*;<>?[\\]^`{|}~="));
  std::string ansi;  // $'...'
  for (const char c : value) {
    constexpr std::string_view kShort = "\a\b\t\n\v\f\r\x1b'\\";
    if (const std::size_t known = kShort.find(c); known != std::string_view::npos) {
      ansi += '\\';
      ansi += "abtnvfrE'\\"[known];
    } else {
      ansi += c;
    }
  }
  forms.insert(std::move(ansi));
}

void AddExact(std::string_view value, Forms& forms) {
  forms.emplace(value);
  AddUrl(value, forms);
  AddJson(value, forms);
  AddShell(value, forms);
}

void AddBase64(std::string_view value, Forms& forms) {
  const auto add = [&forms](std::string form) {
    std::string web = form;
    for (char& c : web) c = c == '+' ? '-' : c == '/' ? '_' : c;
    for (std::string& one : {std::ref(form), std::ref(web)}) {
      for (std::size_t left = 0; left <= (one.size() < kLongBase64 ? 0 : kMostLeftOut); ++left) {
        forms.insert(one.substr(left));
      }
    }
  };
  for (const std::size_t before : {0u, 1u, 2u}) {  // bytes of something else in the same group
    std::string encoded;
    absl::Base64Escape(absl::string_view(std::string(before, '\0').append(value)), &encoded);
    const std::size_t first = (8 * before + 5) / 6;  // the characters with bits of `value` alone
    const std::size_t last = 8 * (before + value.size()) / 6;
    add(encoded.substr(first, last - first));
    add(encoded.substr(first));
    add(encoded.substr(first, encoded.find('=') - first));
  }
}

}  // namespace

SecretForms FormsOf(std::string_view secret) {
  Forms exact;
  AddExact(secret, exact);
  Forms base64;
  AddBase64(secret, base64);
  AddBase64(std::string(secret) + "\n", base64);  // echo $SECRET | base64
  if (secret.find('\n') != std::string_view::npos) {
    for (std::size_t at = 0; at <= secret.size();) {
      const std::size_t end = std::min(secret.find('\n', at), secret.size());
      std::string_view line = secret.substr(at, end - at);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line.size() >= kShortestLine) AddExact(line, exact);
      at = end + 1;
    }
  }
  return {{exact.begin(), exact.end()}, {base64.begin(), base64.end()}};
}

}  // namespace millrace::exec
