// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/size.h"

#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "millrace/base/status.h"

namespace millrace {
namespace {

struct Unit {
  std::string_view suffix;  // in lower case
  std::uint64_t bytes;
};
constexpr std::uint64_t kKi = 1024;
constexpr std::array<Unit, 18> kUnits = {{{"", 1},
                                          {"b", 1},
                                          {"k", kKi},
                                          {"kib", kKi},
                                          {"kb", 1'000},
                                          {"m", kKi* kKi},
                                          {"mib", kKi* kKi},
                                          {"mb", 1'000'000},
                                          {"g", kKi* kKi* kKi},
                                          {"gib", kKi* kKi* kKi},
                                          {"gb", 1'000'000'000},
                                          {"t", kKi* kKi* kKi* kKi},
                                          {"tib", kKi* kKi* kKi* kKi},
                                          {"tb", 1'000'000'000'000},
                                          {"p", kKi* kKi* kKi* kKi* kKi},
                                          {"pib", kKi* kKi* kKi* kKi* kKi},
                                          {"pb", 1'000'000'000'000'000},
                                          {"bytes", 1}}};
constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

__extension__ using Wide = unsigned __int128;
constexpr int kDigits = 20;          // times the largest unit, so many of them still are a Wide
constexpr int kFractionDigits = 18;  // finer than any byte

// "1.5" as 15 and 10.
struct Amount {
  Wide digits = 0;
  Wide scale = 1;
};

// Takes the number off the front of `text`. False when there is none, or when it is too fine to be exact.
bool TakeAmount(std::string_view& text, Amount& amount) {
  std::size_t at = 0;
  int digits = 0;
  int fraction = -1;
  bool any = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && fraction < 0) {
      fraction = 0;
      continue;
    }
    if (!absl::ascii_isdigit(static_cast<unsigned char>(text[at]))) break;
    any = true;
    if (digits == kDigits && amount.scale == 1) continue;  // too much already, whatever follows
    if (digits == kDigits || fraction == kFractionDigits) return false;
    amount.digits = amount.digits * 10 + static_cast<unsigned>(text[at] - '0');
    digits += amount.digits > 0;
    if (fraction < 0) continue;
    ++fraction;
    amount.scale *= 10;
  }
  text.remove_prefix(at);
  return any;
}

}  // namespace

absl::StatusOr<std::int64_t> ParseSize(std::string_view text) {
  std::string_view rest = text;
  Amount amount;
  const bool is_number = TakeAmount(rest, amount);
  std::string suffix(rest);
  absl::StripAsciiWhitespace(&suffix);
  absl::AsciiStrToLower(&suffix);
  for (const Unit& unit : kUnits) {
    if (!is_number || unit.suffix != suffix) continue;
    const Wide bytes = (amount.digits * unit.bytes + amount.scale / 2) / amount.scale;
    if (bytes > kLargest) return InvalidArgument("'%s' is too much: a size is below 8 EiB, which is 2^63 bytes", text);
    return static_cast<std::int64_t>(bytes);
  }
  return InvalidArgument("'%s' is not a size; write e.g. 4096, 64KiB, 100MiB, 2GiB", text);
}

std::string FormatSize(std::int64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  constexpr double kNext = kKi;
  while (std::abs(amount) >= kNext && unit + 1 < kNames.size()) {
    amount /= kNext;
    ++unit;
  }
  const bool whole = amount == std::floor(amount);
  return absl::StrFormat("%.*f%s", whole ? 0 : 1, amount, kNames[unit]);
}

}  // namespace millrace
