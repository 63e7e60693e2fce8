// SPDX-License-Identifier: Apache-2.0
// What must hold between two steps, whatever was said to the worker.
#include "millrace/agent/state.h"

namespace millrace::agent {

absl::Status Agent::State::CheckInvariants() const {
  MILLRACE_RETURN_IF_ERROR(backlog.CheckInvariants());
  MILLRACE_RETURN_IF_ERROR(slots.CheckInvariants());
  MILLRACE_RETURN_IF_ERROR(lanes.CheckInvariants());
  MILLRACE_RETURN_IF_ERROR(outbox.CheckInvariants());
  MILLRACE_RETURN_IF_ERROR(ahead.CheckInvariants());
  if (!forsaken.empty()) return Internal("%d attempts are forsaken and not returned", forsaken.size());
  for (const AttemptId attempt : ahead.Expected()) {
    if (!Has(attempt) && !slots.Find(attempt).has_value()) {
      return Internal("attempt %d is awaited and is not here", attempt.value);
    }
  }

  std::uint64_t held = backlog.size() + lanes.size() + ahead.size();
  for (std::uint32_t index = 0; index < slots.size(); ++index) {
    const Slot& slot = slots[index];
    if (!slot.busy() && !lanes.Empty(index)) return Internal("lane %d stands still behind a free slot", index);
    if (!slot.busy()) continue;
    held += slot.told ? 0 : 1;
    if (backlog.Holds(slot.attempt)) return Internal("attempt %d runs and is queued", slot.attempt.value);
    if (!slot.told && slot.cause != StopCause::kUnwanted && outbox.Holds(slot.attempt))
      return Internal("attempt %d runs and was reported", slot.attempt.value);
    if (slots.Find(slot.attempt) != index) return Internal("attempt %d runs in two slots", slot.attempt.value);
  }
  for (const AttemptId attempt : backlog.Attempts()) {
    if (outbox.Holds(attempt)) return Internal("attempt %d is queued and was reported", attempt.value);
    if (lanes.Holds(attempt)) return Internal("attempt %d is queued and stands in a lane", attempt.value);
  }
  for (const AttemptId attempt : lanes.Attempts()) {
    if (slots.Find(attempt).has_value()) return Internal("attempt %d runs and stands in a lane", attempt.value);
  }
  if (counts.taken != counts.reported + counts.given_up + held) {
    return Internal("%d attempts taken, but %d reported, %d given up and %d held", counts.taken, counts.reported,
                    counts.given_up, held);
  }
  if (outbox.newest() != counts.reported) {
    return Internal("%d reports made, the newest has number %d", counts.reported, outbox.newest());
  }
  if ((drain.on || closing.on) && ahead.size() > 0) return Internal("%d attempts wait while leaving", ahead.size());
  if ((drain.on || closing.on) && !backlog.empty()) return Internal("%d attempts queued while leaving", backlog.size());
  if (link.fenced && !link.awaiting) return Internal("fenced without asking the broker");
  if (link.unproven && !link.fenced) return Internal("unproven but not fenced");
  if (const Queued* head = backlog.Front(true);
      head != nullptr && MayStart() && slots.FreeFor(slots.Clamp(head->assignment.cpus)).has_value()) {
    return Internal("attempt %d waits for no reason", head->assignment.attempt.value);
  }
  if (begun && !closing.exited && NextWake() <= now) {
    return Internal("something is due at once, again: now %s, wake %s", FormatDuration(now.time_since_epoch()),
                    FormatDuration(NextWake().time_since_epoch()));
  }
  return absl::OkStatus();
}

}  // namespace millrace::agent
