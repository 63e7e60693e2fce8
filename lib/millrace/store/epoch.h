// SPDX-License-Identifier: Apache-2.0
// The epoch file: raised by one and synced at every broker start, before a socket is bound, so that no attempt, run or
// session id is ever given out twice, whatever was lost with the previous life.
#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "millrace/base/ids.h"

namespace millrace::store {

// Reads `folder`/epoch, writes one more, syncs file and folder, and returns the new epoch (1 on a new folder). A file
// that is not a number (DataLoss), or that cannot be read, is refused: starting again from 1 could hand out old ids.
absl::StatusOr<Epoch> RaiseEpoch(const std::filesystem::path& folder);

}  // namespace millrace::store
