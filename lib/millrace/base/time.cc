// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/time.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "millrace/base/status.h"

namespace millrace {
namespace {

struct Unit {
  std::string_view suffix;
  double nanoseconds;
};
constexpr std::array<Unit, 7> kUnits = {
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
constexpr double kLongest = 9.2e18;  // about 292 years: what an int64 of nanoseconds holds

absl::Status Refuse(std::string_view text) {
  return InvalidArgument("'%s' is not a duration; write e.g. 250ms, 90s, 10m, 1h30m", text);
}

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  std::string_view rest = text;
  double total = 0;
  bool bare = true;
  if (rest.empty()) return Refuse(text);
  while (!rest.empty()) {
    double amount = 0;
    const auto [stop, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), amount, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(amount) || amount < 0 || rest.front() == '-') return Refuse(text);
    rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const std::string_view suffix = rest.substr(0, letters);
    rest.remove_prefix(letters);
    double scale = 0;
    if (suffix.empty() && rest.empty() && bare) scale = 1e9;  // a number alone is seconds
    bare = false;
    for (const Unit& unit : kUnits) {
      if (unit.suffix == suffix) scale = unit.nanoseconds;
    }
    if (scale == 0) return Refuse(text);
    total += amount * scale;
    if (total > kLongest) return InvalidArgument("'%s' is longer than 292 years", text);
  }
  return Duration(std::llround(total));
}

std::string FormatDuration(Duration duration) {
  if (duration < Duration::zero()) {
    return "-" + FormatDuration(duration == Duration::min() ? Duration::max() : -duration);
  }
  const double seconds = std::chrono::duration<double>(duration).count();
  if (duration.count() == 0) return "0s";
  // Each bound is where rounding would reach the next unit: 999.6us is 1ms, not 1000us.
  if (seconds < 0.9995e-3) return absl::StrFormat("%.0fus", seconds * 1e6);
  if (seconds < 0.9995) return absl::StrFormat("%.0fms", seconds * 1e3);
  if (seconds < 59.95) return absl::StrFormat("%.1fs", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole / 60 % 60);
}

}  // namespace millrace
