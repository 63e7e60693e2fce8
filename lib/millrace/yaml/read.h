// SPDX-License-Identifier: Apache-2.0
// Scalars by schema: only here does the text of a node become a number, a switch or a time, because only here somebody
// knows that one is wanted. Each takes what the value is for, as errors name it: "'timeout' of module 'build'".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/time.h"
#include "millrace/yaml/document.h"

namespace millrace::yaml {

// Each adds to `problems` and returns nothing when the node is not what is wanted.

// Any scalar, as it is written: `5`, `yes` and `010` are themselves.
std::optional<std::string> ReadText(const Node& node, std::string_view what, Problems& problems);
// true, false, yes, no, on, off; any case.
std::optional<bool> ReadFlag(const Node& node, std::string_view what, Problems& problems);
// Decimal: `010` is ten.
std::optional<std::int64_t> ReadInteger(const Node& node, std::string_view what, std::int64_t low, std::int64_t high,
                                        Problems& problems);
std::optional<Duration> ReadDuration(const Node& node, std::string_view what, Duration low, Duration high,
                                     Problems& problems);
std::optional<std::int64_t> ReadSize(const Node& node, std::string_view what, Problems& problems);
// The index of the one of `names` that the node says; any case.
std::optional<std::size_t> ReadChoice(const Node& node, std::string_view what, std::span<const std::string> names,
                                      Problems& problems);
// A list of texts; one text alone is a list of one.
std::optional<std::vector<std::string>> ReadTexts(const Node& node, std::string_view what, Problems& problems);

// "unknown key 'neds' in module 'build'; did you mean 'needs'?"
void RefuseKey(const Entry& entry, std::string_view where, std::span<const std::string> known, Problems& problems);

// Letters, digits and '_', not beginning with a digit, and not MILLRACE_*, which is ours.
bool CheckVariableName(std::string_view name, Mark mark, Problems& problems);

}  // namespace millrace::yaml
