// SPDX-License-Identifier: Apache-2.0
// What the worker says of its own accord: reports in batches until they are recorded, "started" hints, output.
#include <algorithm>
#include <utility>

#include "millrace/agent/state.h"

namespace millrace::agent {
namespace {

constexpr std::uint64_t kBatchSize = 256;

}  // namespace

bool Agent::State::HintDue(const Slot& slot, Duration age) const {
  return slot.busy() && !slot.hinted && !slot.told && slot.cause == StopCause::kNone && now - slot.started >= age;
}

// While more work waits here, reports are held back for a moment to share a message; the last one before a worker runs
// dry goes at once, since somebody may be waiting for it.
bool Agent::State::ReportsDue() const {
  if (speech.report_owed || now >= speech.notice_at) return true;
  const bool dry = backlog.empty() && lanes.size() == 0 && ahead.size() == 0;
  if (outbox.unsent() > 0 && (dry || now >= speech.batch_until || outbox.unsent() >= kBatchSize)) return true;
  for (std::uint32_t index = 0; index < slots.end(); ++index) {
    if (HintDue(slots[index], kStartedHint)) return true;
  }
  return false;
}

void Agent::State::Speak() {
  if (!attached() || closing.on) return;
  if (!outbox.empty() && now >= speech.resend_at) {
    const bool deaf = life.heard_control < speech.resent;  // not a word since the last time
    // The hello that made the session was said before an earlier session had recorded what we have forgotten since. A
    // word that was only late is followed by others.
    const std::uint64_t waits_for = std::exchange(speech.recorded, std::nullopt).value_or(outbox.first()) + 1;
    const bool behind = waits_for < outbox.first();
    speech.resent = now;
    speech.resend_at = kNever;
    speech.resend_delay = std::min(2 * speech.resend_delay, kResendLimit);
    outbox.Rewind();
    if (deaf || behind) {
      Doubt(false, behind ? absl::StrFormat("the broker waits for report %d, and %d is the oldest that there is",
                                            waits_for, outbox.first())
                          : absl::StrFormat("%d reports are not answered", outbox.size()));
      return TendLink();
    }
  }
  if (ReportsDue()) SendReports();
  if (now >= output.DueAt()) SendOutput();
}

void Agent::State::SendReports() {
  if (outbox.unsent() > 0) SendOutput();  // what an attempt printed comes before its end
  if (now >= speech.notice_at) {
    speech.noticed = now;
    speech.notice_at = kNever;
  }
  Report report;
  for (std::uint32_t index = 0; index < slots.end(); ++index) {
    Slot& slot = slots[index];
    if (!HintDue(slot, kStartedHint / 2)) continue;
    slot.hinted = true;
    report.started.push_back(slot.attempt);
  }
  do {
    report.session = link.session;
    report.orders_through = link.orders_through;
    outbox.TakeBatch(report);
    Say(std::exchange(report, Report{}));
  } while (outbox.unsent() > 0);
  speech.report_owed = false;
  speech.batch_until = After(now, kReportBatch);
  if (!outbox.empty() && speech.resend_at == kNever) speech.resend_at = After(now, speech.resend_delay);
}

void Agent::State::SendOutput() {
  for (Output& message : output.Take(link.session)) Say(std::move(message));
}

void Agent::State::OnRecorded(const Recorded& recorded) {
  // While a hello is out, its first_report is our word: a new session counts our reports from there, and would wait for
  // ever for one that its predecessor had recorded and we have forgotten.
  if (link.awaiting || recorded.session != link.session) return;
  speech.recorded = recorded.through;
  if (!outbox.Record(recorded.through)) return;
  speech.resend_delay = kResendFirst;
  speech.resend_at = outbox.empty() ? kNever : After(now, kResendFirst);
  if (!recorded.dropped.empty()) {
    Tell(Severity::kInfo, absl::StrFormat("the broker dropped %d reports of attempts that are not ours (any more)",
                                          recorded.dropped.size()));
  }
}

void Agent::State::WantNotice() {
  speech.notice_at = std::min(speech.notice_at, std::max(now, After(speech.noticed, kNoticeGap)));
}

}  // namespace millrace::agent
