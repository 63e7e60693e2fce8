// SPDX-License-Identifier: Apache-2.0
// The tasks of a packed job as the bytes that a vector of TaskSpec has: read into their columns with no struct for each
// in between. The codec finds these by the arguments' namespaces.
#pragma once

#include "millrace/model/packed_job.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"

namespace millrace::wire {

void WriteOwnForm(Writer& writer, const PackedTasks& tasks);
[[nodiscard]] bool ReadOwnForm(Reader& reader, PackedTasks& tasks);

}  // namespace millrace::wire
