// SPDX-License-Identifier: Apache-2.0
// Every message of the control and heartbeat channels: one plain struct from the sender's Step to the receiver's.
// docs/protocol.md holds the grammar. kKind is on the wire and never changes its meaning; new fields go to the end.
//
// Reliability is level-triggered. The broker numbers its *orders* to a session from 1; the worker takes them in order,
// ignores what it has, and everything it says carries `orders_through`; the broker sends again what is missing. The
// worker numbers its *reports* over its whole life from 1 and keeps each until `Recorded` covers it; those that an
// earlier process of it has left on its disk come first. So any single message may be lost, doubled or late.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/artifact.h"
#include "millrace/model/history.h"
#include "millrace/model/job.h"
#include "millrace/model/offer.h"
#include "millrace/model/outcome.h"
#include "millrace/model/view.h"

namespace millrace {

inline constexpr std::uint16_t kProtocolOldest = 1;
inline constexpr std::uint16_t kProtocolNewest = 1;

// Where the other planes of a broker are, as the connecting side should dial them; "" = there is none.
struct Planes {
  std::string heartbeat;  // workers' PUB connects here
  std::string events;     // SUBs of workers and clients connect here
  std::string bulk;
  std::string http;
  friend bool operator==(const Planes&, const Planes&) = default;
};

// ---- attach ---------------------------------------------------------------------------------------------------------

enum class Role : std::uint8_t { kWorker, kClient };

enum class HeldState : std::uint8_t { kQueued, kRunning, kFinished };
struct Held {
  AttemptId attempt;
  HeldState state = HeldState::kQueued;
  TaskRef task{};  // of one that was assigned ahead: a broker that was started again knows nothing of it
  friend bool operator==(const Held&, const Held&) = default;
};

// First message of every connection, and again whenever the sender is unsure of its session.
struct Hello {
  static constexpr std::uint8_t kKind = 1;
  std::uint16_t oldest = kProtocolOldest;  // protocol versions the sender speaks
  std::uint16_t newest = kProtocolNewest;
  Role role = Role::kWorker;
  std::string name;  // the worker's id
  Incarnation incarnation;
  std::string host;
  std::uint32_t pid = 0;
  std::string version;
  bool local = false;  // lives in the broker's own process
  Offer offer;
  std::vector<Held> held;          // every attempt it has, also from an earlier session or process
  std::uint64_t first_report = 1;  // number of the oldest report not yet recorded
  bool draining = false;
  SessionId session;                 // the latest one, none at first; `held` covers its orders up to
  std::uint64_t orders_through = 0;  // this one: what came later may be on its way still
  std::uint64_t broker = 0;          // whose attempts `held` are: as it named itself in Welcome, 0 = it did not
  bool takes_ahead = false;          // the worker understands Need::ahead
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  static constexpr std::uint8_t kKind = 2;
  std::uint16_t protocol = kProtocolNewest;
  SessionId session;
  Epoch epoch = 0;
  std::string version;
  Duration heartbeat_interval{};
  Duration lease{};
  std::uint64_t max_payload = 0;  // bytes, before compression
  bool compression = true;
  Planes planes;
  std::vector<AttemptId> keep;  // held attempts that are still the sender's
  std::vector<AttemptId> drop;  // held attempts that are not: stop them, forget their reports
  std::uint64_t broker = 0;     // tells its data from any other broker's, over all its lives; their ids are the same
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

enum class RefusalCode : std::uint8_t {
  kVersion,
  kDuplicateWorker,
  kUnknownSession,
  kShuttingDown,
  kMalformed,
  kNotAllowed
};

struct Refused {
  static constexpr std::uint8_t kKind = 3;
  RefusalCode code = RefusalCode::kMalformed;
  std::string reason;      // carries both versions, both hosts, limit and value: whatever it takes to act
  bool retryable = false;  // kUnknownSession: say hello again
  friend bool operator==(const Refused&, const Refused&) = default;
};

// ---- orders: broker to worker, numbered per session --------------------------------------------------------------

// What became of a dependency, sent to a worker once while it holds it.
struct Datum {
  TaskRef task;
  std::string name;
  std::string module;
  Outcome outcome = Outcome::kNone;
  Payload result;
  Failure failure;  // of an ignored or optional dependency
  Payload inputs;   // of that task: FromAll<M> hands the module's own fields to its dependants
  std::optional<ArtifactTree> artifacts{};
  friend bool operator==(const Datum&, const Datum&) = default;
};

struct Need {
  std::uint32_t task = 0;  // index in the same run; the datum is in this Assign or was in an earlier one
  std::int32_t parameter = -1;
  // The dependency has not ended: this attempt of it is at the same worker, which waits for its success. The datum has
  // no outcome, and its result is the one that the worker reports.
  AttemptId ahead{};
  friend bool operator==(const Need&, const Need&) = default;
};

struct Assignment {
  AttemptId attempt;
  TaskRef task;
  std::uint32_t try_number = 1;
  std::string name;
  std::uint32_t module = 0;  // index into Assign::modules
  std::uint32_t policy = 0;  // index into Assign::policies; timeout is never 0 there
  std::int64_t cpus = 1;
  Payload inputs;
  std::map<std::string, std::string> env;
  std::vector<Need> needs;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

struct Assign {
  static constexpr std::uint8_t kKind = 10;
  SessionId session;
  std::uint64_t number = 0;
  std::vector<ModuleSpec> modules;
  std::vector<Policy> policies;
  std::vector<Datum> data;
  std::vector<Assignment> tasks;
  friend bool operator==(const Assign&, const Assign&) = default;
};

// Stop these, running or not; each still ends in a report.
struct Cancel {
  static constexpr std::uint8_t kKind = 11;
  SessionId session;
  std::uint64_t number = 0;
  std::vector<AttemptId> attempts;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};

// Give back those that have not started (reported as kReturned); ignore the others.
struct TakeBack {
  static constexpr std::uint8_t kKind = 12;
  SessionId session;
  std::uint64_t number = 0;
  std::vector<AttemptId> attempts;
  friend bool operator==(const TakeBack&, const TakeBack&) = default;
};

struct Forget {
  static constexpr std::uint8_t kKind = 13;
  SessionId session;
  std::uint64_t number = 0;
  std::vector<TaskRef> data;
  friend bool operator==(const Forget&, const Forget&) = default;
};

// Take nothing new, give back what has not started, finish the rest, say goodbye, exit 0.
struct Drain {
  static constexpr std::uint8_t kKind = 14;
  SessionId session;
  std::uint64_t number = 0;
  std::string reason;
  friend bool operator==(const Drain&, const Drain&) = default;
};

// ---- reports: worker to broker, numbered per incarnation ------------------------------------------------------------

enum class ReportKind : std::uint8_t {
  kFinished,
  kReturned,  // never started here; not the task's fault
};

struct AttemptReport {
  AttemptId attempt;
  ReportKind kind = ReportKind::kFinished;
  Outcome outcome = Outcome::kNone;
  Payload result;
  Failure failure;
  Duration execution{};
  std::optional<ArtifactTree> artifacts{};  // of a success: all of it is where the broker can give it to others
  friend bool operator==(const AttemptReport&, const AttemptReport&) = default;
};

struct Report {
  static constexpr std::uint8_t kKind = 20;
  SessionId session;
  std::uint64_t orders_through = 0;
  std::uint64_t first_number = 0;  // of reports[0]; the rest follow on
  std::vector<AttemptReport> reports;
  std::vector<AttemptId> started;  // a hint for people; may be lost
  friend bool operator==(const Report&, const Report&) = default;
};

struct Recorded {
  static constexpr std::uint8_t kKind = 21;
  SessionId session;
  std::uint64_t through = 0;       // every report up to here may be forgotten
  std::vector<AttemptId> dropped;  // those among them that were not accepted: not (or no longer) the sender's
  friend bool operator==(const Recorded&, const Recorded&) = default;
};

// What running attempts print. Best effort: a loss costs lines, never outcomes.
struct OutputChunk {
  AttemptId attempt;
  TaskRef task;
  bool is_stderr = false;
  std::string text;
  std::string name;  // the task's, so that whoever keeps the lines need not ask the scheduler
  std::uint32_t try_number = 0;
  friend bool operator==(const OutputChunk&, const OutputChunk&) = default;
};
struct Output {
  static constexpr std::uint8_t kKind = 22;
  SessionId session;
  std::vector<OutputChunk> chunks;
  friend bool operator==(const Output&, const Output&) = default;
};

// The worker leaves. Attempts without a report go back to the queue uncharged.
struct Goodbye {
  static constexpr std::uint8_t kKind = 23;
  SessionId session;
  std::string reason;
  friend bool operator==(const Goodbye&, const Goodbye&) = default;
};

// ---- liveness -------------------------------------------------------------------------------------------------------

// A worker's heartbeat, on its own channel; on the control channel too while the other is down.
struct Beat {
  static constexpr std::uint8_t kKind = 30;
  SessionId session;
  Incarnation incarnation;
  std::uint64_t number = 0;  // strictly rising per incarnation; older ones are ignored
  std::uint64_t orders_through = 0;
  std::uint64_t reports_through = 0;  // number of the newest report made
  std::uint32_t running = 0;
  std::uint32_t queued = 0;
  friend bool operator==(const Beat&, const Beat&) = default;
};

// The broker's heartbeat, to everyone who listens.
struct Beacon {
  static constexpr std::uint8_t kKind = 31;
  Epoch epoch = 0;
  std::uint64_t number = 0;
  friend bool operator==(const Beacon&, const Beacon&) = default;
};

struct Ping {
  static constexpr std::uint8_t kKind = 32;
  std::uint64_t nonce = 0;
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
  static constexpr std::uint8_t kKind = 33;
  std::uint64_t nonce = 0;
  friend bool operator==(const Pong&, const Pong&) = default;
};

// On the event channel: this run has changed; whoever watches asks for rows newer than it has.
struct Changed {
  static constexpr std::uint8_t kKind = 34;
  Epoch epoch = 0;
  RunId run;
  std::uint64_t changed = 0;
  bool ended = false;
  friend bool operator==(const Changed&, const Changed&) = default;
};

// ---- clients --------------------------------------------------------------------------------------------------------

struct Submit {
  static constexpr std::uint8_t kKind = 40;
  std::uint64_t request = 0;
  std::uint64_t token = 0;  // drawn by the client; the same token again gives the same run
  JobSpec job;
  std::optional<Digest> job_digest;  // instead of `job`: its encoding, put on the bulk plane before
  // Once the run has ended a second Answer to this request follows, as to a kRun with `since` kUntilEnded. An older
  // broker sends none.
  bool watch = false;
  friend bool operator==(const Submit&, const Submit&) = default;
};

enum class QueryKind : std::uint8_t {
  kBroker,
  kRuns,
  kRun,
  kTasks,
  kWorkers,
  kLogs,
  kResult,
  kWhy,
  // Of the history, which goes back further than what the scheduler remembers.
  kPastRuns,
  kPastTasks,
  kPastResult,
};

struct Query {
  static constexpr std::uint8_t kKind = 41;
  std::uint64_t request = 0;
  QueryKind kind = QueryKind::kBroker;
  RunId run;         // none = the newest, where a run is needed
  std::string task;  // by name
  // kTasks: rows changed after this, 0 = all; kRun: see watch.h; kLogs: from this position; kWorkers, kPastTasks: rows
  // to skip; kPastRuns: only those with a lower id, 0 = from the newest.
  std::uint64_t since = 0;
  std::uint32_t limit = 0;  // rows at most; 0 = as many as fit one message
  // kPastRuns: only those of this pipeline, in this state, and that ended after this.
  std::string name{};
  std::optional<RunState> state{};
  std::int64_t after_unix_ms = 0;
  friend bool operator==(const Query&, const Query&) = default;
};

enum class CommandKind : std::uint8_t {
  kCancelRun,
  kDrainWorker,
  kReleaseWorkers,
  // Of whoever has a join token: admit the public key `target` under the name `reason`. The answer's `lines` are the
  // name that it got and its role.
  kJoin,
};

struct Command {
  static constexpr std::uint8_t kKind = 42;
  std::uint64_t request = 0;
  CommandKind kind = CommandKind::kCancelRun;
  RunId run;
  std::string target;  // a worker's name
  std::string reason;
  friend bool operator==(const Command&, const Command&) = default;
};

struct LogLine {
  std::string task;
  std::uint32_t try_number = 0;
  std::string worker;
  bool is_stderr = false;
  std::string text;
  friend bool operator==(const LogLine&, const LogLine&) = default;
};

// The answer to a Submit, a Query or a Command: the sections it has nothing to say in are empty.
struct Answer {
  static constexpr std::uint8_t kKind = 43;
  std::uint64_t request = 0;
  std::int32_t code = 0;  // absl::StatusCode
  std::string message;
  RunId run;
  std::vector<BrokerView> broker;  // 0 or 1
  std::vector<RunView> runs;
  std::vector<TaskView> tasks;
  std::vector<WorkerView> workers;
  std::vector<LogLine> logs;
  std::vector<std::string> lines;  // kWhy; warnings of a submission
  Payload result;                  // kResult; with the end of a run of one task, if it is small, too
  std::uint64_t next = 0;          // where to go on: the `since` of the next query
  bool more = false;               // rows were left off; ask again from `next`
  std::vector<PastRun> past_runs{};
  std::vector<PastTask> past_tasks{};
  friend bool operator==(const Answer&, const Answer&) = default;
};

using Message = std::variant<Hello, Welcome, Refused, Assign, Cancel, TakeBack, Forget, Drain, Report, Recorded, Output,
                             Goodbye, Beat, Beacon, Ping, Pong, Changed, Submit, Query, Command, Answer>;

}  // namespace millrace
