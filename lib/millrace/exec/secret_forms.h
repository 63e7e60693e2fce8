// SPDX-License-Identifier: Apache-2.0
// The forms in which a secret turns up in text: as it is, and as base64, URLs, JSON and shells write it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::exec {

struct SecretForms {
  std::vector<std::string> exact;
  // At each of the three places that a byte can have in a group of base64, in both alphabets, with and without padding
  // (RFC 4648): so also as a part of something longer, such as "user:password". Line breaks may stand in them.
  std::vector<std::string> base64;
};

// Of a value with several lines, also those of each line of 8 bytes and more, since programs print lines. Neither list
// has an element twice.
SecretForms FormsOf(std::string_view secret);

}  // namespace millrace::exec
