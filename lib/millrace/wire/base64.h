// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, the standard alphabet, padded): how bytes look in JSON.
#pragma once

#include <string>
#include <string_view>

namespace millrace::wire {

std::string EncodeBase64(std::string_view bytes);
// Strict: no line breaks, padding required. False leaves `bytes` unspecified.
bool DecodeBase64(std::string_view text, std::string& bytes);

}  // namespace millrace::wire
