// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/record_frame.h"

#include "millrace/wire/tagged.h"

namespace millrace::wire {

std::string EncodeRecord(const Record& record) {
  std::string out;
  EncodeTagged(out, record);
  return out;
}

absl::StatusOr<Record> DecodeRecord(const Bytes& bytes, const Limits& limits) {
  return DecodeTagged<Record>(bytes, limits, "journal record");
}

}  // namespace millrace::wire
