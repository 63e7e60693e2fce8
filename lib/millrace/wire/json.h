// SPDX-License-Identifier: Apache-2.0
// Msgpack in the named layout to JSON text and back, for people, shell steps and tools. Bytes look like base64 strings,
// nan and infinities like null, integer keys like strings; typed decoding accepts these forms again (decode.h).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/wire/limits.h"

namespace millrace::wire {

enum class JsonStyle : bool { kCompact, kIndented };

// Keys stay in the order of the input. Bytes of strings that are not UTF-8 become U+FFFD. Refuses what is not exactly
// one well-formed value, and duplicate keys.
absl::StatusOr<std::string> MsgpackToJson(std::string_view msgpack, JsonStyle style = JsonStyle::kCompact,
                                          const Limits& limits = {});

// Refuses comments, duplicate keys, and nesting deeper than limits.max_depth, before anything is built.
absl::StatusOr<std::string> JsonToMsgpack(std::string_view json, const Limits& limits = {});

// A string as JSON writes it, with its quotes; not UTF-8 becomes U+FFFD.
std::string JsonQuote(std::string_view text);

}  // namespace millrace::wire
