// SPDX-License-Identifier: Apache-2.0
// Receipts of reports on their way to workers. Nobody waits for one, and to be woken for it may cost a worker more than
// the task it is for: it goes with the next message, or in a moment, and one for many.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "millrace/base/ids.h"
#include "millrace/model/message.h"

namespace millrace::serve {

class Receipts {
 public:
  bool empty() const { return late_.empty(); }
  // Takes the place of an earlier one to the same peer, and says what that had to say.
  void Add(PeerId peer, Recorded recorded) {
    const auto [late, fresh] = late_.try_emplace(peer, recorded);
    if (fresh) return;
    if (late->second.session == recorded.session) {
      recorded.dropped.insert(recorded.dropped.begin(), late->second.dropped.begin(), late->second.dropped.end());
      recorded.through = std::max(recorded.through, late->second.through);
    }
    late->second = std::move(recorded);
  }
  std::optional<Recorded> TakeFor(PeerId peer) {
    auto late = late_.extract(peer);
    if (late.empty()) return std::nullopt;
    return std::move(late.mapped());
  }
  std::map<PeerId, Recorded> TakeAll() { return std::exchange(late_, {}); }

 private:
  std::map<PeerId, Recorded> late_;
};

}  // namespace millrace::serve
