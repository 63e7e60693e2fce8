// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/worker_loop.h"

#include <csignal>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/serve/clock.h"

namespace millrace::serve {
namespace {

constexpr Duration kLinger = std::chrono::seconds(2);
constexpr std::uint64_t kFrameSlack = 16u << 20;  // bytes around the payloads of one attempt: output, names, failures

void LogNote(const agent::Note& note) {
  switch (note.severity) {
    case agent::Severity::kInfo: log::Info("%s", note.text); break;
    case agent::Severity::kWarning: log::Warning("%s", note.text); break;
    case agent::Severity::kError: log::Error("%s", note.text); break;
  }
}

SlotSet::Options SlotOptionsOf(const WorkerOptions& options) {
  SlotSet::Options slots;
  // As the agent counts them: those for attempts that take no cpu come after those that do.
  slots.slots = static_cast<std::uint32_t>(options.brain.offer.cpus) + options.brain.extra_slots;
  slots.registry = options.registry;
  slots.host_args = options.host_args;
  slots.confinement = options.confinement;
  slots.secrets = options.secrets;
  slots.work_dir = options.brain.work_dir;
  slots.max_frame = (std::uint64_t{1} << 30) + kFrameSlack;  // the payload's own limit comes from the broker
  return slots;
}

agent::SlotSaid NotStarted(std::uint32_t slot, AttemptId attempt, Outcome outcome, std::string why,
                           bool transient = true) {
  SlotDone done;
  done.attempt = attempt;
  done.outcome = outcome;
  done.failure.message = std::move(why);
  done.failure.transient = transient;
  return {slot, std::move(done)};
}

}  // namespace

WorkerLoop::WorkerLoop(WorkerOptions options, std::unique_ptr<net::Link> link, net::BlobAccess& blobs,
                       std::unique_ptr<OutboxThread> outbox)
    : options_(std::move(options)),
      link_(std::move(link)),
      blobs_(blobs),
      brain_(options_.brain),
      slots_(SlotOptionsOf(options_)),
      mover_(blobs, options_.store),
      outbox_(std::move(outbox)) {
  options_.brain.restored.clear();  // the agent has them
}

Worker::End WorkerLoop::Run() {
  while (true) {
    Collect();
    const Instant now = Now();
    for (agent::Event& event : events_) brain_.Step(now, std::move(event), actions_);
    events_.clear();
    if (now >= brain_.NextWake()) brain_.Step(now, agent::Tick{}, actions_);
    for (agent::Action& action : actions_) Perform(std::move(action));
    actions_.clear();
    slots_.Flush();
    if (end_) break;
    if (events_.empty()) Wait();  // else what was performed has led to more
  }
  link_->Close(kLinger);
  outbox_.reset();  // all that was to be kept is on disk when this returns
  return *std::move(end_);
}

void WorkerLoop::Collect() {
  // Slots first: whether one has stalled is seen once all that it has said is known.
  CollectSlots();
  CollectLink();
  CollectMover();
  std::vector<agent::StopKind> stops;
  stops_.DrainInto(stops);
  for (const agent::StopKind kind : stops) events_.push_back(agent::StopAsked{kind});
}

void WorkerLoop::CollectLink() {
  std::vector<net::LinkEvent> heard;
  link_->Receive(heard);
  for (net::LinkEvent& event : heard) {
    if (auto* down = std::get_if<net::LinkDown>(&event)) {
      if (down->refused) {
        // Nothing gets through that would say it, and no retry does better.
        events_.push_back(agent::Heard{Refused{.code = RefusalCode::kNotAllowed, .reason = std::move(down->reason)}});
      } else {
        events_.push_back(agent::Disconnected{std::move(down->reason)});
      }
    } else if (auto* message = std::get_if<net::LinkHeard>(&event)) {
      if (const auto* welcome = std::get_if<Welcome>(&message->message)) blobs_.OnPlanes(welcome->planes);
      events_.push_back(agent::Heard{std::move(message->message), message->on_heartbeat_channel});
    } else {
      events_.push_back(agent::Connected{});
    }
  }
}

// A large result goes to the bulk plane first: the agent hears of it when it is there, and until then of nothing that
// came behind it from that slot.
void WorkerLoop::CollectSlots() {
  std::vector<agent::SlotSaid> by_threads;
  std::vector<agent::Event> by_hosts;
  slots_.Collect(by_threads, by_hosts);
  events_.reserve(events_.size() + by_threads.size());
  for (agent::SlotSaid& said : by_threads) TakeSaid(std::move(said));
  Making making;
  for (agent::Event& event : by_hosts) {
    auto* slot_said = std::get_if<agent::SlotSaid>(&event);
    auto* died = std::get_if<agent::SlotDied>(&event);
    if (died != nullptr && died->done) died->done->artifacts.reset();
    if (slot_said != nullptr) {
      TakeSaid(std::move(*slot_said));
    } else if (died != nullptr && died->done && GoesThroughMover({died->slot, *died->done}, making)) {
      agent::SlotSaid last{died->slot, *std::exchange(died->done, std::nullopt)};
      storing_[died->slot].died = *died;
      mover_.Store(std::move(last), std::exchange(making, {}));
    } else if (const auto stored = died == nullptr ? storing_.end() : storing_.find(died->slot);
               stored != storing_.end()) {
      stored->second.died = *died;
    } else {
      events_.push_back(std::move(event));
    }
  }
}

void WorkerLoop::TakeSaid(agent::SlotSaid&& said) {
  if (const auto stored = storing_.find(said.slot); stored != storing_.end()) {
    stored->second.behind.push_back(std::move(said));
    return;
  }
  if (auto* done = std::get_if<SlotDone>(&said.message)) done->artifacts.reset();  // that is not for a host to say
  Making making;
  if (GoesThroughMover(said, making)) {
    storing_[said.slot];
    mover_.Store(std::move(said), std::move(making));
  } else {
    events_.push_back(std::move(said));
  }
}

bool WorkerLoop::GoesThroughMover(const agent::SlotSaid& said, Making& making) {
  const auto* done = std::get_if<SlotDone>(&said.message);
  if (done == nullptr) return false;
  if (const auto made = making_.find(said.slot); made != making_.end() && made->second.first == done->attempt) {
    making = std::move(made->second.second);
    making_.erase(made);
    if (done->outcome == Outcome::kSucceeded) return true;
    making = {};
  }
  return !blobs_.stays_inline() && Mover::NeedsStoring(said);
}

void WorkerLoop::TakeStored(agent::SlotSaid stored) {
  Storing storing = std::move(storing_.extract(stored.slot).mapped());
  if (storing.died) {
    storing.died->done = std::get<SlotDone>(std::move(stored.message));
    events_.push_back(*std::move(storing.died));
  } else {
    events_.push_back(std::move(stored));
  }
  for (agent::SlotSaid& said : storing.behind) TakeSaid(std::move(said));
}

void WorkerLoop::CollectMover() {
  std::vector<Mover::Done> moved;
  mover_.done().DrainInto(moved);
  for (Mover::Done& done : moved) {
    if (auto* stored = std::get_if<agent::SlotSaid>(&done)) {
      TakeStored(std::move(*stored));
      continue;
    }
    auto& fetched = std::get<Mover::Fetched>(done);
    const std::uint32_t slot = fetched.start.slot;
    const AttemptId attempt = fetched.start.execute.attempt;
    const auto waiting = fetching_.find(slot);
    if (waiting == fetching_.end() || waiting->second.attempt != attempt) continue;  // given up, others run there now
    const Fetching::Fate fate = fetching_.extract(waiting).mapped().fate;
    if (fate != Fetching::Fate::kWanted) {
      if (fate != Fetching::Fate::kToldOver) TellOver(slot, attempt, fate == Fetching::Fate::kKilled);
      continue;
    }
    if (fetched.status.ok()) {
      slots_.Start(std::move(fetched.start));
      continue;
    }
    events_.push_back(NotStarted(slot, attempt, Outcome::kFailed, TextOf(fetched.status), !fetched.plain));
  }
}

void WorkerLoop::Perform(agent::Action&& action) {
  if (auto* send = std::get_if<agent::Send>(&action.body)) {
    link_->Send(std::move(send->message));
  } else if (auto* publish = std::get_if<agent::Publish>(&action.body)) {
    link_->Publish(std::move(publish->message));
  } else if (auto* start = std::get_if<agent::Start>(&action.body)) {
    Begin(std::move(*start));
  } else if (const auto* withdraw = std::get_if<agent::Withdraw>(&action.body)) {
    slots_.Withdraw(withdraw->slot, withdraw->attempt);
  } else if (const auto* terminate = std::get_if<agent::Terminate>(&action.body)) {
    // What has ended is not asked to end.
    if (!storing_.contains(terminate->slot) && !StopFetching(terminate->slot, false))
      slots_.Terminate(terminate->slot, terminate->attempt);
  } else if (const auto* kill = std::get_if<agent::Kill>(&action.body)) {
    if (const auto stored = storing_.find(kill->slot); stored != storing_.end()) {
      // Its result is on its way, and the agent takes it as long as it was made in time. It waits for this as well.
      if (!stored->second.died) stored->second.died = agent::SlotDied{kill->slot, 0, SIGKILL};
    } else if (!StopFetching(kill->slot, true)) {
      slots_.Kill(kill->slot);
    }
  } else if (std::holds_alternative<agent::Reconnect>(action.body)) {
    link_->Reconnect();
  } else if (auto* keep = std::get_if<agent::Keep>(&action.body)) {
    if (outbox_ != nullptr) outbox_->Keep(std::move(*keep));
  } else if (auto* erase = std::get_if<agent::Erase>(&action.body)) {
    if (outbox_ != nullptr) outbox_->Erase(std::move(*erase));
  } else if (auto* exit = std::get_if<agent::Exit>(&action.body)) {
    end_ = Worker::End{exit->code, std::move(exit->reason)};
  } else if (const auto* note = std::get_if<agent::Note>(&action.body)) {
    LogNote(*note);
  }
}

void WorkerLoop::Begin(agent::Start&& start) {
  start.in_process |= options_.in_process;
  making_.erase(start.slot);
  if (!start.produces.empty()) {
    making_[start.slot] = {start.execute.attempt, {start.produces, start.execute.work_dir, start.execute.max_payload}};
  }
  if (Mover::NeedsFetching(start)) {
    const auto stage = std::make_shared<Mover::Stage>();
    fetching_[start.slot] = {.attempt = start.execute.attempt, .stage = stage};
    mover_.Fetch(std::move(start), stage);
  } else {
    fetching_.erase(start.slot);
    slots_.Start(std::move(start));
  }
}

bool WorkerLoop::StopFetching(std::uint32_t slot, bool kill) {
  const auto waiting = fetching_.find(slot);
  if (waiting == fetching_.end()) return false;
  using Fate = Fetching::Fate;
  Fetching& fetching = waiting->second;
  if (fetching.fate == Fate::kToldOver) {
    if (kill) TellOver(slot, fetching.attempt, true);
  } else if (fetching.stage->GiveUp()) {
    TellOver(slot, fetching.attempt, kill);
    fetching.fate = Fate::kToldOver;
  } else if (fetching.fate != Fate::kKilled) {
    // Its artifacts are being put into the work directory, where the next one must not meet them half there.
    fetching.fate = kill ? Fate::kKilled : Fate::kStopped;
  }
  return true;
}

// That what was being fetched for will not run: in the words that the agent waits for.
void WorkerLoop::TellOver(std::uint32_t slot, AttemptId attempt, bool killed) {
  if (killed) {
    events_.push_back(agent::SlotDied{slot, 0, SIGKILL});
  } else {
    events_.push_back(NotStarted(slot, attempt, Outcome::kCancelled, "stopped before it started"));
  }
}

void WorkerLoop::Wait() {
  std::vector<net::PollItem> items;
  link_->AppendPollItems(items);
  slots_.AppendPollItems(items);
  for (const int fd : {mover_.done().fd(), stops_.fd()}) {
    net::PollItem item;
    item.fd = fd;
    items.push_back(item);
  }
  const auto ready = poller_.Wait(items, ToSteady(brain_.NextWake()));
  if (!ready.ok()) log::Error("waiting for messages: %s", TextOf(ready.status()));
}

}  // namespace millrace::serve
