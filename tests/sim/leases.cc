// SPDX-License-Identifier: Apache-2.0
#include "leases.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace millrace::sim {
namespace {

// Clocks that drift are computed in floating point.
constexpr Duration kRounding = std::chrono::milliseconds(1);

}  // namespace

void Leases::Begin(const sched::Config& config, Instant now, const Fold& known) {
  const std::uint64_t ended = ended_;
  *this = {};
  ended_ = ended;
  lease_ = config.lease;
  interval_ = config.heartbeat_interval;
  begun_ = MarkOf(now);
  for (const auto& [id, run] : known.runs()) {
    for (std::uint32_t task = 0; task < run.tasks.size(); ++task) {
      if (run.tasks[task].attempt.valid()) orphans_.push_back({.task = {id, task}, .attempt = run.tasks[task].attempt});
    }
  }
}

void Leases::Sleeps(Duration length) {
  slept_ += length;
  ++naps_;
}

// A sleep is noticed at the first wake-up that comes an interval late, and the next wake-up was never farther away than
// an interval.
Duration Leases::AwakeSince(const Mark& mark, Instant now) const {
  return now - mark.at - (slept_ - mark.slept) + 2 * (naps_ - mark.naps) * interval_ + kRounding;
}

bool Leases::IsOver(const Mark& mark, Duration most, Instant now) const {
  return now - mark.at > most + (slept_ - mark.slept) + kRounding;
}

Leases::Worker* Leases::Of(PeerId peer) {
  for (Worker& worker : workers_) {
    if (worker.live && worker.peer == peer) return &worker;
  }
  return nullptr;
}

Leases::Worker* Leases::Of(SessionId session) {
  for (Worker& worker : workers_) {
    if (worker.session == session) return &worker;
  }
  return nullptr;
}

void Leases::Hears(const sched::Event& event, Instant now) {
  if (const auto* gone = std::get_if<sched::PeerGone>(&event)) {
    if (Worker* worker = Of(gone->peer)) {
      worker->live = false;
      worker->away = MarkOf(now);
    }
  } else if (const auto* heard = std::get_if<sched::Heard>(&event)) {
    const auto* beat = std::get_if<Beat>(&heard->message);
    if (beat != nullptr) return HearsBeat(*beat, heard->on_heartbeat_channel ? PeerId{} : heard->peer, now);
    if (!heard->on_heartbeat_channel) Hears(heard->peer, heard->message, now);
  }
}

// `peer`: none on the heartbeat channel.
void Leases::HearsBeat(const Beat& beat, PeerId peer, Instant now) {
  Worker* worker = Of(beat.session);
  if (worker == nullptr || worker->incarnation != beat.incarnation || beat.number <= worker->beat) return;
  if (peer.valid() && (worker->peer != peer || !worker->live)) return;
  worker->beat = beat.number;
  if (!worker->live) return;
  worker->heard = MarkOf(now);
  if (!peer.valid()) return;
  worker->control = worker->heard;
  worker->asked = {};
}

void Leases::Hears(PeerId peer, const Message& message, Instant now) {
  if (const auto* hello = std::get_if<Hello>(&message)) {
    hellos_[peer] = {.name = hello->name, .incarnation = hello->incarnation};
    return;
  }
  SessionId session;
  if (const auto* report = std::get_if<Report>(&message)) session = report->session;
  if (const auto* output = std::get_if<Output>(&message)) session = output->session;
  const bool counts = session.valid() || std::holds_alternative<Ping>(message) || std::holds_alternative<Pong>(message);
  Worker* worker = Of(peer);
  if (!counts || worker == nullptr || (session.valid() && worker->session != session)) return;
  worker->heard = worker->control = MarkOf(now);
  worker->asked = {};
}

void Leases::Welcomes(PeerId peer, const Welcome& welcome, Instant now) {
  claimed_.insert(welcome.keep.begin(), welcome.keep.end());
  const Said& said = hellos_[peer];
  Worker* worker = Of(welcome.session);
  if (worker == nullptr) {
    std::erase_if(workers_, [&said](const Worker& known) { return known.name == said.name; });
    worker = &workers_.emplace_back();
    worker->name = said.name;
    worker->session = welcome.session;
    worker->incarnation = said.incarnation;
  }
  worker->peer = peer;
  worker->live = true;
  worker->heard = worker->control = MarkOf(now);
  worker->asked = {};
}

std::string Leases::Does(const sched::Action& action, Instant now) {
  if (const auto* send = std::get_if<sched::Send>(&action.body)) {
    if (const auto* welcome = std::get_if<Welcome>(&send->message); welcome != nullptr && welcome->session.valid()) {
      Welcomes(send->peer, *welcome, now);
    } else if (std::holds_alternative<Ping>(send->message)) {
      if (Worker* worker = Of(send->peer); worker != nullptr && worker->asked.at == kNever) worker->asked = MarkOf(now);
    }
  } else if (const auto* note = std::get_if<sched::Note>(&action.body)) {
    return Notes(note->text, now);
  }
  return {};
}

// The end of a session is told to people only.
std::string Leases::Notes(std::string_view text, Instant now) {
  if (text.find("fell silent at once") != std::string_view::npos) {
    guard_until_ = now + interval_;
    return {};
  }
  constexpr std::string_view kWorker = "worker ";
  if (!text.starts_with(kWorker)) return {};
  text.remove_prefix(kWorker.size());
  const std::string_view name = text.substr(0, text.find(' '));
  if (text.find("has not come back for") != std::string_view::npos) {
    if (AwakeSince(begun_, now) >= lease_) return {};
    return "I12: the broker gives up the attempts of an earlier life before their lease is over";
  }
  const std::size_t title = text.find(") ");
  if (title == std::string_view::npos) return {};
  const std::string_view what = text.substr(title + 2);
  const bool silent = what.starts_with("was silent");
  const bool over = silent || what.starts_with("has died") || what.starts_with("said goodbye") ||
                    what.starts_with("was replaced") || what.starts_with("did not answer");
  if (!over) return {};
  const auto it = std::find_if(workers_.begin(), workers_.end(), [name](const Worker& w) { return w.name == name; });
  if (it == workers_.end()) return "I12: the end of a session is told that nobody has seen begin";
  const Worker worker = *it;
  workers_.erase(it);
  if (!silent) return {};
  ++ended_;
  const Mark& since = worker.live ? worker.heard : worker.away;
  const bool asked = worker.live && worker.asked.at != kNever && AwakeSince(worker.asked, now) >= lease_;
  if (asked || AwakeSince(since, now) >= lease_) return {};
  return "I12: " + worker.name + " is given up before its lease is over";
}

std::string Leases::Check(Instant now, const Fold& known) {
  if (now < guard_until_) return {};
  for (const Worker& worker : workers_) {
    const bool silent = IsOver(worker.live ? worker.heard : worker.away, lease_, now);
    // Asked for a word when two thirds of a lease are over, it has a whole one to answer.
    const bool mute = worker.live && IsOver(worker.control, lease_ / 3 * 5, now);
    if (silent || mute) return "I12: " + worker.name + " is kept, and its lease is over";
  }
  return orphans_.empty() ? std::string() : CheckOrphans(now, known);
}

std::string Leases::CheckOrphans(Instant now, const Fold& known) {
  if (!IsOver(begun_, lease_, now)) return {};
  const std::vector<Orphan> orphans = std::exchange(orphans_, {});
  for (const Orphan& orphan : orphans) {
    const FoldedTask* task = known.Find(orphan.task);
    const bool current = task != nullptr && task->attempt == orphan.attempt;
    if (current && !claimed_.contains(orphan.attempt)) {
      return "I12: an attempt of an earlier life is kept for longer than a lease, and nobody claims it";
    }
  }
  return {};
}

}  // namespace millrace::sim
