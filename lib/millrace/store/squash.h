// SPDX-License-Identifier: Apache-2.0
// Which records of a run change nothing any more. An attempt that was given back untried leaves its task as it was, and
// nothing counts it: its two records can go. They are the only ones without a bound, since a task may be given back as
// often as workers come and go; of all others a task has as many as it has tries.
#pragma once

#include "absl/container/flat_hash_set.h"
#include "millrace/base/ids.h"
#include "millrace/model/record.h"

namespace millrace::store {

class Squash {
 public:
  // Of each record, from the newest to the oldest: whether it must stay.
  bool Keeps(const Record& record);

 private:
  absl::flat_hash_set<AttemptId> given_back_;  // whose assignment is still to come
};

}  // namespace millrace::store
