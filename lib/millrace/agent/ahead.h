// SPDX-License-Identifier: Apache-2.0
// Attempts that were assigned ahead: they wait for the success of others that this worker has, and whose results they
// need. Neither queued nor held: the broker counts them once all of these have ended.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "millrace/agent/backlog.h"
#include "millrace/base/ids.h"
#include "millrace/model/message.h"

namespace millrace::agent {

class AheadTable {
 public:
  // `queued` has at least one need that is still to come.
  void Push(QueuedPtr queued);
  bool Holds(AttemptId attempt) const { return waiting_.contains(attempt); }
  QueuedPtr Take(AttemptId attempt);  // null: it is not here

  // From here on the end of `attempt` is of interest: its task's datum is this one, but for outcome and result.
  void Expect(AttemptId attempt, const std::shared_ptr<const Datum>& promise);
  bool Expects(AttemptId attempt) const { return expected_.contains(attempt); }

  struct Settled {
    std::shared_ptr<const Datum> promise;  // null: nobody expected it
    std::vector<AttemptId> dependants;     // that are still here, in the order they came
  };
  // The attempt has ended.
  Settled Settle(AttemptId attempt);
  // Gives those the datum that wait for `attempt`, and returns those that now have all they need, in their order.
  std::vector<QueuedPtr> Fill(const std::vector<AttemptId>& dependants, AttemptId attempt,
                              const std::shared_ptr<const Datum>& datum);

  bool empty() const { return waiting_.empty() && expected_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  std::vector<AttemptId> Attempts() const;  // in the order of their numbers
  std::vector<AttemptId> Expected() const;  // the same
  // What is expected is of no interest any more; nothing may wait. Returns their tasks.
  std::vector<TaskRef> Clear();

  absl::Status CheckInvariants() const;

 private:
  struct Expectation {
    std::shared_ptr<const Datum> promise;
    std::vector<AttemptId> dependants;
  };
  absl::flat_hash_map<AttemptId, QueuedPtr> waiting_;
  absl::flat_hash_map<AttemptId, Expectation> expected_;
};

}  // namespace millrace::agent
