// SPDX-License-Identifier: Apache-2.0
// Secrets out of a result: it goes into the journal, to dependants and into reports.
#pragma once

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/exec/mask.h"

namespace millrace {

// `value`, in msgpack, with the texts and binaries in it masked. It is what a module of ours encoded: an error is that
// of bytes that are no msgpack.
absl::StatusOr<Bytes> MaskValue(const exec::Masks& masks, const Bytes& value);

}  // namespace millrace
