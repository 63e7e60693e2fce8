// SPDX-License-Identifier: Apache-2.0
// What goes into the broker's brain and what comes out of it. The shell (serve/broker_loop.h) makes the events and
// performs the actions, in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/caller.h"
#include "millrace/model/message.h"
#include "millrace/model/record.h"
#include "millrace/sched/job_graph.h"

namespace millrace::sched {

struct Config {
  Epoch epoch = 1;
  std::string version;
  Planes planes;            // told to everyone in Welcome
  std::uint64_t seed = 0;   // of the jitter
  Duration unix_at_zero{};  // wall-clock time at Instant zero; for display only
  Duration heartbeat_interval = std::chrono::seconds(5);
  Duration lease = std::chrono::seconds(30);          // a worker silent for longer is lost
  Duration duplicate_ping = std::chrono::seconds(2);  // a live holder of a worker id answers within this
  Duration capability_timeout = std::chrono::minutes(5);
  Duration execution_timeout = std::chrono::hours(1);  // for tasks without one of their own
  std::int32_t max_retry_attempts = 3;
  std::uint32_t crash_limit = 3;
  std::uint32_t expect_workers = 0;
  std::uint64_t max_payload = 100u << 20;
  bool compression = true;
  bool prefer_local = false;
  std::uint32_t prefetch_limit = 1024;              // attempts held by one worker beyond those it can run, at most
  Duration run_retention = std::chrono::hours(24);  // ended runs are kept for queries this long, and
  std::uint32_t runs_kept = 1000;                   // this many of them
  std::uint32_t roots_at_once = 10'000;  // tasks without dependencies that a step looks at, so that none takes long
  std::uint64_t identity = 0;  // of the data that the attempts' ids are counted in (store/epoch.h); 0 = not known
};

// How much the brain remembers of what comes and goes, so that a test can say that it does go.
struct Footprint {
  std::size_t peers = 0;   // connections
  std::size_t orders = 0;  // not acknowledged
  std::size_t data = 0;    // dependencies' results, by worker that holds them or has yet to be told to forget them
};

// ---- events ---------------------------------------------------------------------------------------------------------

// A message, from whichever channel it came. `on_heartbeat_channel` ones prove that channel and carry no authority.
struct Heard {
  PeerId peer;  // none on the heartbeat channel
  Message message;
  bool on_heartbeat_channel = false;
  // Who says it, as its key proves. Null: keys are not in use, or it is of this process; then everything is allowed.
  std::shared_ptr<const Caller> caller = {};
  // Of a Submit by digest: the job that the shell has fetched, by PrepareJob.
  std::shared_ptr<const PreparedJob> prepared = {};
};
// The transport says that this connection is gone. Told at most once per peer; no message of it follows.
// `process_dead`: the shell has proof that the process behind it has ended (same host, its pid is gone); without proof
// the worker may come back within its lease and keeps its attempts until then.
struct PeerGone {
  PeerId peer;
  bool process_dead = false;
  bool revoked = false;  // its key was taken away: it does not come back, and nobody is to blame
};
// The cache has answered a Recall: the remembered result, or nothing.
struct Recalled {
  TaskRef task;
  std::optional<Payload> result;
  Digest key;                               // comes back in Remember
  std::optional<ArtifactTree> artifacts{};  // all of which can be had
};
// Time has passed: NextWake() was reached, or the shell felt like it.
struct Tick {};

using Event = std::variant<Heard, PeerGone, Recalled, Tick>;

// ---- actions --------------------------------------------------------------------------------------------------------

struct Send {
  PeerId peer;
  Message message;
};
// To everyone on the event channel (Beacon, Changed).
struct Broadcast {
  Message message;
};
// For the journal: the positions that follow on those of the Append before, from 1.
struct Append {
  Record record;
};
// Ask the cache for the result of this task; answered by Recalled, sooner or later.
struct Recall {
  TaskRef task;
  ModuleSpec module;
  Bytes inputs;
  std::map<std::string, std::string> env;  // CacheEnvironment
  std::vector<Datum> data;                 // dependencies' results, in the order of the task's needs
  std::vector<Produce> produces{};
  std::vector<Consume> consumes{};
};
struct Remember {
  Digest key;
  std::string task;
  Payload result;
  std::optional<ArtifactTree> artifacts{};
};
// Nobody needs this connection any more: forget the peer.
struct Disconnect {
  PeerId peer;
};
enum class Severity : std::uint8_t { kInfo, kWarning, kError };
// For the log; the brain itself is silent.
struct Note {
  Severity severity = Severity::kInfo;
  std::string text;
};

struct Action {
  JournalPosition after = 0;  // not before the record at this position is durable
  std::variant<Send, Broadcast, Append, Recall, Remember, Disconnect, Note> body;
};

using Actions = std::vector<Action>;

}  // namespace millrace::sched
