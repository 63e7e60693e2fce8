// SPDX-License-Identifier: Apache-2.0
// For tests that say what a job is one thing at a time: unpacks the job of a record, lets it be changed, packs it
// again.
#pragma once

#include <utility>

#include "millrace/model/record.h"

namespace millrace {

template <class F>
void EditJob(RunAccepted& accepted, F&& edit) {
  JobSpec job = Unpack(*accepted.job);
  edit(job);
  accepted.job = Shared<PackedJob>(Pack(std::move(job)));
}

}  // namespace millrace
