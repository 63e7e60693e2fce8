// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_nemesis.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"

namespace millrace::zmqctl {
namespace {

constexpr Duration kSupervisorPause =
    std::chrono::milliseconds(300);  // as a service manager starts again what has ended
constexpr std::size_t kMostNotes = 50;

}  // namespace

Nemesis::Nemesis(Fleet& fleet, Wires& wires, Options options)
    : fleet_(fleet), wires_(wires), options_(std::move(options)) {
  using Kind = Step::Kind;
  for (const Fault& fault : options_.faults) steps_.emplace(fault.at, Step{.kind = Kind::kFault, .fault = fault});
  steps_.emplace(options_.end, Step{.kind = Kind::kMend});
  steps_.emplace(options_.end + options_.patience, Step{.kind = Kind::kGiveUp});
  thread_ = std::thread([this] { Run(); });
}

Nemesis::~Nemesis() { Rest(); }

Nemesis::Story Nemesis::Rest() {
  if (thread_.joinable()) {
    rest_.Signal();
    thread_.join();
  }
  return std::exchange(story_, {});
}

Duration Nemesis::Now() const { return Clock::now() - options_.begin; }

void Nemesis::Run() {
  while (!resting_) {
    while (!steps_.empty() && steps_.begin()->first <= Now()) {
      const Step step = steps_.extract(steps_.begin()).mapped();
      Do(step);
    }
    std::vector<pollfd> items = {{rest_.fd(), POLLIN, 0}};
    for (std::size_t member = 0; member < fleet_.size(); ++member) items.push_back({fleet_.pidfd(member), POLLIN, 0});
    int timeout = -1;
    if (!steps_.empty()) {
      const auto wait = std::chrono::ceil<std::chrono::milliseconds>(steps_.begin()->first - Now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 60'000));
    }
    poll(items.data(), items.size(), timeout);
    resting_ = items[0].revents != 0;
    for (std::size_t member = 0; member < fleet_.size(); ++member) {
      if (items[member + 1].revents != 0 && fleet_.runs(member)) TakeEnded(member);
    }
  }
  Mend();
}

void Nemesis::Do(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kFault: return Do(step.fault);
    case Step::Kind::kStart: return StartAgain(step.member);
    case Step::Kind::kResume:
      if (fleet_.pid(step.member) == step.pid) fleet_.Signal(step.member, SIGCONT);
      return;
    case Step::Kind::kHeal: return wires_.Heal(step.fault.worker);
    case Step::Kind::kThaw: return wires_.Thaw(step.fault.worker, step.fault.way);
    case Step::Kind::kHasten: return wires_.Delay(step.fault.worker, Duration::zero());
    case Step::Kind::kMend: options_.say("the faults are over; everything is mended"); return Mend();
    case Step::Kind::kGiveUp: return options_.on_patience_over();
  }
}

void Nemesis::Do(const Fault& fault) {
  const std::size_t member = fault.kind == FaultKind::kKillBroker ? Fleet::kBroker : fault.worker + 1;
  if (!fleet_.runs(member) && fault.kind <= FaultKind::kPause) return;  // it is down already
  ++story_.done[static_cast<std::size_t>(fault.kind)];
  options_.say(Describe(fault));
  switch (fault.kind) {
    case FaultKind::kKillWorker:
    case FaultKind::kKillBroker:
      story_.deaths.push_back({Now(), member == Fleet::kBroker ? "" : fleet_.NameOf(member)});
      fleet_.Kill(member);
      return After(fault.lasts, {.kind = Step::Kind::kStart, .member = member});
    case FaultKind::kPause:
      fleet_.Signal(member, SIGSTOP);
      return After(fault.lasts, {.kind = Step::Kind::kResume, .member = member, .pid = fleet_.pid(member)});
    case FaultKind::kCut:
      wires_.Cut(fault.worker);
      return After(fault.lasts, {.kind = Step::Kind::kHeal, .fault = fault});
    case FaultKind::kFreeze:
      wires_.Freeze(fault.worker, fault.way);
      return After(fault.lasts, {.kind = Step::Kind::kThaw, .fault = fault});
    case FaultKind::kDelay:
      wires_.Delay(fault.worker, fault.by);
      return After(fault.lasts, {.kind = Step::Kind::kHasten, .fault = fault});
    case FaultKind::kGarble: return wires_.Garble(fault.worker, options_.seed + story_.done.back());
  }
}

void Nemesis::Mend() {
  for (std::size_t member = 0; member < fleet_.size(); ++member) {
    fleet_.Signal(member, SIGCONT);
    if (!fleet_.runs(member)) StartAgain(member);
    if (member == Fleet::kBroker) continue;
    wires_.Heal(member - 1);
    wires_.Thaw(member - 1, Way::kBoth);
    wires_.Delay(member - 1, Duration::zero());
  }
}

void Nemesis::StartAgain(std::size_t member) {
  if (fleet_.runs(member)) return;
  const absl::Status started = fleet_.Start(member);
  if (!started.ok()) story_.defects.push_back("cannot start " + fleet_.NameOf(member) + ": " + TextOf(started));
}

// Not by us: a task may kill its worker, a worker may give up. A broker has no reason to end.
void Nemesis::TakeEnded(std::size_t member) {
  const exec::ExitStatus status = fleet_.Reap(member);
  std::string text = absl::StrFormat("%s ended by itself, %s %d", fleet_.NameOf(member),
                                     status.signal != 0 ? "of signal" : "with exit code",
                                     status.signal != 0 ? status.signal : status.code);
  options_.say(text);
  const bool killed = status.signal == SIGKILL || status.signal == SIGTERM;
  const bool is_defect = member == Fleet::kBroker || (status.signal != 0 && !killed);
  std::vector<std::string>& list = is_defect ? story_.defects : story_.notes;
  if (list.size() < kMostNotes) list.push_back(std::move(text));
  After(kSupervisorPause, {.kind = Step::Kind::kStart, .member = member});
}

}  // namespace millrace::zmqctl
