// SPDX-License-Identifier: Apache-2.0
// The two small files of a data directory by which ids are told apart: the epoch, raised by one and synced at every
// broker start, before a socket is bound, so that no attempt, run or session id is ever given out twice, whatever was
// lost with the previous life; and the identity, since two directories give out the same ids.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"
#include "millrace/base/ids.h"

namespace millrace::store {

// Reads `folder`/epoch, writes one more, syncs file and folder, and returns the new epoch (1 on a new folder). A file
// that is not a number (DataLoss), or that cannot be read, is refused: starting again from 1 could hand out old ids.
absl::StatusOr<Epoch> RaiseEpoch(const std::filesystem::path& folder);

// The number in `folder`/identity, never 0, which is `fresh` if there was none; it stays for good. Refused like an
// epoch: with another number, workers would let go of all that they hold.
absl::StatusOr<std::uint64_t> IdentityOf(const std::filesystem::path& folder, std::uint64_t fresh);

}  // namespace millrace::store
