// SPDX-License-Identifier: Apache-2.0
// Texts for people that come from outside and may be of any length, cut to one that fits where they go.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

// The text itself when it has at most `limit` bytes; else its beginning and how much was left out, within `limit`
// bytes together. Never cuts a UTF-8 character.
std::string Beginning(std::string_view text, std::size_t limit);

// The same with its end: for output, of which the last lines matter. Whole lines where there are any.
std::string Ending(std::string_view text, std::size_t limit);

}  // namespace millrace
