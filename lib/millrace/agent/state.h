// SPDX-License-Identifier: Apache-2.0
// The inside of the agent: its state, and its doings by the file they are in. Private to this layer.
//
// A Step takes its event first and looks at the clock afterwards, so that a success which has arrived is not turned
// into a failure by a timeout that comes later; then starts what can start, and says what there is to say.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "millrace/agent/agent.h"
#include "millrace/agent/ahead.h"
#include "millrace/agent/backlog.h"
#include "millrace/agent/lanes.h"
#include "millrace/agent/outbox.h"
#include "millrace/agent/output.h"
#include "millrace/agent/slots.h"
#include "millrace/agent/timing.h"
#include "millrace/agent/verdict.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"

namespace millrace::agent {

// sysexits.h, and what shells make of SIGINT.
inline constexpr std::int32_t kExitSoftware = 70;
inline constexpr std::int32_t kExitTempFail = 75;
inline constexpr std::int32_t kExitProtocol = 76;
inline constexpr std::int32_t kExitNoPermission = 77;
inline constexpr std::int32_t kExitConfig = 78;
inline constexpr std::int32_t kExitInterrupted = 130;

struct Agent::State {
  // Where we stand with the broker.
  struct Attachment {
    bool up = false;           // the link
    Instant dial_at = kNever;  // when to dial (again), while it is down
    Duration backoff{};        // before the next dial after a loss
    Instant connected_at{};    // the latest link
    SessionId session;         // the latest one, also while the link is down
    Welcome terms;             // of that session
    std::uint64_t orders_through = 0;
    bool awaiting = true;  // a Welcome: reports, output and control beats wait for it
    Instant awaiting_since{};
    Instant hello_at = kNever;    // when to say hello (again), while awaiting on a link that is up
    Instant hello_said = kNever;  // kNever = not on this link
    bool fenced = false;          // start nothing before the next Welcome
    bool unproven = false;        // we were stopped: not even a heartbeat before the next Welcome
  };
  struct Liveness {
    Instant heard{};  // the broker of our session, on whichever channel
    Instant heard_control{};
    Instant heard_beacon{};  // on the heartbeat channel
    bool degraded = false;   // that channel is silent
    Instant said{};          // on the control channel
    Instant pinged{};
    Instant beat_at = kNever;
    std::uint64_t beats = 0;
    std::uint64_t pings = 0;
  };
  struct Draining {
    bool on = false;
    Instant stop_at = kNever;     // what still runs is stopped; kNever = it may finish
    Instant give_up_at = kNever;  // unrecorded reports are left behind
    std::string reason;
  };
  struct Closing {
    bool on = false;
    bool hard = false;
    bool exited = false;
    std::int32_t code = 0;
    std::string reason;
    Instant exit_by = kNever;
  };
  struct Speech {
    bool report_owed = false;    // unrecorded reports to a broker that has just welcomed us
    Instant notice_at = kNever;  // when to say that orders are missing
    Instant noticed{};
    Instant batch_until{};
    Instant resend_at = kNever;
    Duration resend_delay = kResendFirst;
    Instant resent{};
    std::optional<std::uint64_t> recorded{};  // through which report, as the broker said since the last time
  };
  // Every attempt ever taken is in one place: these add up (CheckInvariants).
  struct Counts {
    std::uint64_t taken = 0;
    std::uint64_t reported = 0;
    std::uint64_t given_up = 0;  // dropped by the broker, or left to our goodbye
  };

  State(Config c, std::vector<AttemptReport> restored);

  // agent.cc: one step
  void Step(Instant at, Event event, Actions& actions);
  void On(Connected);
  void On(Disconnected event);
  void On(Heard event);
  void On(SlotSaid&& event);
  void On(SlotDied event);
  void On(StopAsked event);
  void On(Tick) {}
  Instant NextWake() const;
  Instant NextLinkWake() const;
  Instant NextWorkWake() const;

  // attach.cc: link, hello, session
  void SayHello();
  void Doubt(bool fence, std::string why);  // our session may be gone: hello again
  void Redial(std::string_view why);
  void OnWelcome(Welcome welcome);
  void OnRefused(const Refused& refused);
  void TendLink();
  bool attached() const { return link.up && !link.awaiting && link.session.valid(); }
  Duration Patience() const;  // how long the broker may be silent before we dial again
  Duration Jittered(Duration wait);

  // liveness.cc: who is alive
  void NoticeGap(Instant at);  // sets `now`
  void OnBeacon(Epoch epoch, bool on_heartbeat_channel);
  void TendLiveness();
  void SendBeat();
  Duration Fence() const;
  Instant FenceAt() const;
  Instant PingAt() const;
  bool BeatsByControlOnly() const { return link.terms.planes.heartbeat.empty(); }

  // orders.cc: what the broker wants
  bool TakeOrder(SessionId session, std::uint64_t number);
  void OnAssign(Assign assign);
  void Accept(const Assign& assign, Assignment&& task);
  void OnCancel(const Cancel& cancel);
  void OnTakeBack(const TakeBack& take_back);
  void Disown(AttemptId attempt);
  void ReportUnstarted(AttemptId attempt, ReportKind kind, Outcome outcome, std::string message,
                       bool transient = false);

  // ahead.cc: what waits for what is here
  bool Provide(Queued& queued, const Assignment& task, std::optional<std::uint32_t>& missing);
  bool Has(AttemptId attempt) const;
  std::shared_ptr<const Datum> Complete(const Datum& promise, const AttemptReport& report);
  void Settle(AttemptId attempt, const AttemptReport* report);
  void ReturnForsaken();
  void ReturnAhead();

  // execution.cc: what the slots do
  bool MayStart() const;
  void StartQueued();
  void Launch(std::uint32_t index, const Queued& queued);
  bool LineUp(const Queued& head);
  void Seat(std::uint32_t index, const Queued& queued);
  Start StartOf(std::uint32_t index, const Queued& queued) const;
  void Advance(std::uint32_t index);
  void Withdraw_(AttemptId attempt, Wish wish);
  void WithdrawAll(Wish wish);
  void OnUnstarted(std::uint32_t index, AttemptId attempt);
  void Unline(Lined lined);
  void OnDone(std::uint32_t index, SlotDone&& done);
  void Conclude(std::uint32_t index, std::optional<SlotDone>&& done, const std::optional<Death>& death);
  void Stop(std::uint32_t index, StopCause cause);
  void KillSlot(std::uint32_t index);
  void TendSlots();

  // speech.cc: what we say
  void Speak();
  void SendReports();
  void SendOutput();
  bool ReportsDue() const;
  bool HintDue(const Slot& slot, Duration age) const;
  void OnRecorded(const Recorded& recorded);
  void WantNotice();

  // keeping.cc: what is on disk
  void Make(AttemptReport&& report, TaskRef ahead_task = {});
  void TendDisk();
  void KeepAll();
  Instant NextKeep() const { return config.keeps_outbox ? outbox.KeepAt() : kNever; }

  // closing.cc: how we leave
  void BeginDrain(std::string reason, bool by_signal);
  void TendDrain();
  void Close(std::int32_t code, std::string reason, bool hard);
  void TendClosing();
  void SayGoodbye(std::string reason);
  void ExitNow(std::int32_t code, std::string reason);
  std::uint32_t Unwanted() const;
  std::uint32_t StillRunning() const;  // without the deaf ones, which nothing but our end will end

  absl::Status CheckInvariants() const;

  template <class Body>
  void Act(Body&& body) {
    out->emplace_back().body.template emplace<std::decay_t<Body>>(std::forward<Body>(body));
  }
  void Say(Message message) {
    life.said = now;
    Act(Send{std::move(message)});
  }
  void Tell(Severity severity, std::string text) { Act(Note{severity, std::move(text)}); }

  const Config config;
  Random random;
  bool begun = false;
  Instant now{};
  Actions* out = nullptr;  // during a Step

  Attachment link;
  Liveness life;
  Draining drain;
  Closing closing;
  Speech speech;
  Counts counts;

  Backlog backlog;
  Slots slots;
  Lanes lanes;  // behind what runs in the slots
  AheadTable ahead;
  std::vector<AttemptId> forsaken;  // assigned ahead of what did not succeed; returned before the step ends
  Outbox outbox;
  OutputBuffer output;
  absl::flat_hash_map<TaskRef, std::shared_ptr<const Datum>> data;
  absl::flat_hash_set<AttemptId> left;  // stopped because we leave: not taken again, they did start here
};

}  // namespace millrace::agent
