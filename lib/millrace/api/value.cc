// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/value.h"

#include "millrace/wire/json.h"

namespace millrace {

absl::StatusOr<std::string> ToJson(const Bytes& encoded) { return wire::MsgpackToJson(encoded.view()); }

absl::StatusOr<Bytes> FromJson(std::string_view text) {
  MILLRACE_ASSIGN_OR_RETURN(std::string encoded, wire::JsonToMsgpack(text));
  return Bytes(std::move(encoded));
}

}  // namespace millrace
