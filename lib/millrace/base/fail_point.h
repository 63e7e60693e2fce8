// SPDX-License-Identifier: Apache-2.0
// Named places at which a test lets this process die, as if by kill -9: what is on disk or sent by then is all that is
// left. For the shells only; a brain has no environment. docs/testing.md lists the names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

// What MILLRACE_FAIL_POINT asks for: "NAME" or "NAME:N", the N-th time that the place is reached, counted from 1.
struct FailPointSpec {
  std::string name;
  std::uint64_t at = 1;
  friend bool operator==(const FailPointSpec&, const FailPointSpec&) = default;
};
std::optional<FailPointSpec> ParseFailPoint(std::string_view text);  // nothing when it has no such form

// Does not return where the environment names this place. Any thread; one comparison when none is named.
void FailPoint(std::string_view name);

}  // namespace millrace
