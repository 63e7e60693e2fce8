// SPDX-License-Identifier: Apache-2.0
// The worker's brain: a pure state machine that owns the session, the held attempts, the slots and the outbox. No
// clock, socket, process, thread, log or file inside.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "millrace/agent/event.h"

namespace millrace::agent {

class Agent {
 public:
  explicit Agent(Config config);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Takes one event at the time `now` (never earlier than the last) and appends what is to be done.
  void Step(Instant now, Event event, Actions& actions);
  // When the next Tick is due, kNever if nothing waits for time.
  Instant NextWake() const;

  // Internal if slots, held attempts and outbox disagree; run after every step in tests.
  absl::Status CheckInvariants() const;
  Footprint Remembers() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::agent
