// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/ids.h"

#include <charconv>

#include "millrace/base/status.h"

namespace millrace {
namespace {

bool ParseUint32(std::string_view text, std::uint32_t& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string RunName(RunId run) {
  return absl::StrFormat("%u.%u", EpochOf(run.value), static_cast<std::uint32_t>(run.value));
}

absl::StatusOr<RunId> ParseRunName(std::string_view text) {
  std::uint32_t epoch = 0;
  std::uint32_t n = 0;
  const auto dot = text.find('.');
  if (dot == std::string_view::npos || !ParseUint32(text.substr(0, dot), epoch) ||
      !ParseUint32(text.substr(dot + 1), n) || n == 0) {
    return InvalidArgument("'%s' is not a run; runs look like 3.17 (see `zmqctl runs`)", text);
  }
  return RunId{EpochQualified(epoch, n)};
}

}  // namespace millrace
