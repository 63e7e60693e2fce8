// SPDX-License-Identifier: Apache-2.0
// What a job says of artifacts, looked at before it is taken: names, patterns, and that what is consumed is made by
// something that the task needs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "millrace/model/packed_job.h"

namespace millrace::sched {

absl::Status CheckArtifacts(const Policy& policy);
// Of a job whose indexes are in range.
absl::Status CheckConsumed(const PackedJob& job);
// Bytes on the wire, about, of what a policy says of artifacts.
std::size_t ArtifactBytes(const Policy& policy);

}  // namespace millrace::sched
