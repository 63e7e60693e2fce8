// SPDX-License-Identifier: Apache-2.0
// What goes into the worker's brain and what comes out of it. The shell (serve/worker_loop.h) makes the events and
// performs the actions, in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/message.h"
#include "millrace/model/slot.h"

namespace millrace::agent {

struct Config {
  std::string name;  // the worker's id
  Incarnation incarnation;
  std::string host;
  std::uint32_t pid = 0;
  std::string version;
  bool local = false;
  Offer offer;
  std::string work_dir;
  std::uint64_t seed = 0;
  Duration hello_retry = std::chrono::seconds(2);           // an unanswered hello is said again
  Duration self_fence = std::chrono::seconds(20);           // nothing heard for this long: start nothing new
  Duration broker_lost_timeout = std::chrono::minutes(10);  // then stop children and exit 75
  Duration reconnect_first = std::chrono::milliseconds(200);
  Duration reconnect_limit = std::chrono::seconds(10);
  Duration kill_grace = std::chrono::seconds(5);
  Duration drain_timeout = std::chrono::seconds(60);  // of a drain asked for by a signal
  std::uint32_t crash_restart_limit = 10;  // so many deaths of a slot's host in a row are said to be an error
  std::uint32_t extra_slots = 16;          // for attempts that take no cpu, beside offer.cpus slots
  bool threads_only = false;               // all attempts run in this process, whatever their policy
  bool hosts_only = false;                 // no attempt runs in this process, whatever its policy: limits bind hosts
  bool keeps_outbox = false;               // on disk: Keep and Erase are performed
  std::vector<AttemptReport> restored;     // what an earlier process of this worker has left there, and
  std::uint64_t restored_from = 0;         // whose attempts these are (Welcome.broker)
};

// How much the brain remembers of what comes and goes, so that a test can say that it does go.
struct Footprint {
  std::size_t reports = 0;  // not recorded
  std::size_t queued = 0;   // attempts
  std::size_t data = 0;     // dependencies' results
};

// ---- events ---------------------------------------------------------------------------------------------------------

// The link has (re)connected: a fresh connection that knows nothing of us.
struct Connected {};
struct Disconnected {
  std::string reason;
};
struct Heard {
  Message message;
  bool on_heartbeat_channel = false;
};
// What a slot's host says. Slots below offer.cpus are for attempts that take cpus (one slot each, however many they
// take), the `extra_slots` from there on for attempts that take none. A slot is made when the first Start names it.
struct SlotSaid {
  std::uint32_t slot = 0;
  SlotMessage message;
};
// The slot's host process has ended (with exit code or signal); the whole tree below the slot is gone.
struct SlotDied {
  std::uint32_t slot = 0;
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  // What its attempt had still said. Not a SlotSaid of its own: between the two, the slot would seem to be free.
  std::optional<SlotDone> done{};
  std::int64_t memory_used = 0;  // bytes, when the tree was killed for being over its memory_limit
  bool oom_killed = false;       // the kernel killed it because the machine or a cgroup of others had no memory left
  bool supervisor_lost = false;  // somebody killed what watched over the tree, which was killed with it
};
enum class StopKind : std::uint8_t {
  kDrain,  // SIGTERM, or the program is done: finish what runs
  kNow,    // a second signal: kill what runs
};
struct StopAsked {
  StopKind kind = StopKind::kDrain;
};
struct Tick {};

using Event = std::variant<Connected, Disconnected, Heard, SlotSaid, SlotDied, StopAsked, Tick>;

// ---- actions --------------------------------------------------------------------------------------------------------

struct Send {  // on the control channel
  Message message;
};
struct Publish {  // on the heartbeat channel
  Message message;
};
// Artifacts of a dependency that are to be in the work directory.
struct Consumed {
  std::string task{};
  ArtifactTree tree{};
  std::string artifact{};  // "" = all
  std::string into{};      // "" = where they were made
};
// Run this in the slot (isolation kProcess: in its host, started if need be; kInProcess: on its thread). An in-process
// one may come while another runs there, and is to run behind it; each is answered by one SlotDone, in their order.
struct Start {
  std::uint32_t slot = 0;
  bool in_process = false;
  SlotExecute execute;
  std::int64_t memory_limit = 0;     // bytes for its whole process tree; 0 = none
  SecretNames secrets;               // to be looked up; the brain never knows a value
  std::vector<Produce> produces{};   // what is collected in the work directory once it has succeeded
  std::vector<Consumed> consumed{};  // what is to be there before it starts
};
// Do not begin this one, which was started behind another in the slot. If it has not begun, a SlotDone says so,
// before anything is heard of those behind it.
struct Withdraw {
  std::uint32_t slot = 0;
  AttemptId attempt;
};
// Ask the attempt in the slot to stop: SlotStop, and TERM to the tree below the host.
struct Terminate {
  std::uint32_t slot = 0;
  AttemptId attempt;
};
// KILL the whole tree of the slot, host included; SlotDied follows. Without effect on an in-process attempt.
struct Kill {
  std::uint32_t slot = 0;
};
// Drop the connection and dial again; Connected follows.
struct Reconnect {};
// These reports are to be on disk, in case this process ends before they are recorded. No hurry: nothing waits for it.
struct Keep {
  std::uint64_t broker = 0;  // whose attempts they are; what is kept for another one is worth nothing any more
  std::vector<AttemptReport> reports;
};
// The reports of these attempts need not be on disk any more.
struct Erase {
  std::vector<AttemptId> attempts;
};
// The last action. What was to be kept is on disk before the process ends, if at all possible.
struct Exit {
  std::int32_t code = 0;
  std::string reason;
};
enum class Severity : std::uint8_t { kInfo, kWarning, kError };
struct Note {
  Severity severity = Severity::kInfo;
  std::string text;
};

// As in sched. `after` is 0 throughout: a report may be sent before it is on disk, for what the broker has recorded
// needs no disk, and what was lost with this process on its way to either had no witness.
struct Action {
  JournalPosition after = 0;
  std::variant<Send, Publish, Start, Withdraw, Terminate, Kill, Reconnect, Exit, Note, Keep, Erase> body;
};

using Actions = std::vector<Action>;

}  // namespace millrace::agent
