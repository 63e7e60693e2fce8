// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/size.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "millrace/base/status.h"

namespace millrace {
namespace {

struct Unit {
  std::string_view suffix;  // in lower case
  double bytes;
};
constexpr double kKi = 1024;
constexpr std::array<Unit, 18> kUnits = {{{"", 1},
                                          {"b", 1},
                                          {"k", kKi},
                                          {"kib", kKi},
                                          {"kb", 1e3},
                                          {"m", kKi* kKi},
                                          {"mib", kKi* kKi},
                                          {"mb", 1e6},
                                          {"g", kKi* kKi* kKi},
                                          {"gib", kKi* kKi* kKi},
                                          {"gb", 1e9},
                                          {"t", kKi* kKi* kKi* kKi},
                                          {"tib", kKi* kKi* kKi* kKi},
                                          {"tb", 1e12},
                                          {"p", kKi* kKi* kKi* kKi* kKi},
                                          {"pib", kKi* kKi* kKi* kKi* kKi},
                                          {"pb", 1e15},
                                          {"bytes", 1}}};
constexpr double kLargest = 9.2e18;  // what an int64 holds

}  // namespace

absl::StatusOr<std::int64_t> ParseSize(std::string_view text) {
  double amount = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, amount, std::chars_format::fixed);
  std::string suffix(stop, end);
  absl::StripAsciiWhitespace(&suffix);
  absl::AsciiStrToLower(&suffix);
  if (error == std::errc() && std::isfinite(amount) && amount >= 0 && text.front() != '-') {
    for (const Unit& unit : kUnits) {
      if (unit.suffix != suffix) continue;
      if (amount * unit.bytes > kLargest) return InvalidArgument("'%s' is more than 8 EiB", text);
      return static_cast<std::int64_t>(std::llround(amount * unit.bytes));
    }
  }
  return InvalidArgument("'%s' is not a size; write e.g. 4096, 64KiB, 100MiB, 2GiB", text);
}

std::string FormatSize(std::int64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(amount) >= kKi && unit + 1 < kNames.size()) {
    amount /= kKi;
    ++unit;
  }
  const bool whole = amount == std::floor(amount);
  return absl::StrFormat("%.*f%s", whole ? 0 : 1, amount, kNames[unit]);
}

}  // namespace millrace
