// SPDX-License-Identifier: Apache-2.0
#include "millrace/client/client.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/model/watch.h"
#include "millrace/wire/frame.h"
#include "millrace/wire/lz4.h"

namespace millrace::client {
namespace {

constexpr std::uint32_t kRowsAtOnce = 1000;

}  // namespace

Client::Client(std::unique_ptr<net::Link> link, net::BlobAccess& blobs, ClientOptions options)
    : link_(std::move(link)), blobs_(blobs), options_(std::move(options)) {}

Client::~Client() { link_->Close(std::chrono::milliseconds(500)); }

void Client::Take(net::LinkEvent event) {
  if (auto* down = std::get_if<net::LinkDown>(&event)) {
    up_ = false;
    down_reason_ = std::move(down->reason);
    if (down->refused) refused_ = Error(absl::StatusCode::kPermissionDenied, "%s", down_reason_);
    return;
  }
  if (std::holds_alternative<net::LinkUp>(event)) {
    up_ = true;
    ++connections_;
    Hello hello;
    hello.role = Role::kClient;
    hello.pid = static_cast<std::uint32_t>(getpid());
    hello.version = options_.version;
    link_->Send(std::move(hello));
    return;
  }
  last_heard_ = Clock::now();
  Message& message = std::get<net::LinkHeard>(event).message;
  if (auto* answer = std::get_if<Answer>(&message)) {
    answers_.push_back(std::move(*answer));
  } else if (auto* welcome = std::get_if<Welcome>(&message)) {
    blobs_.OnPlanes(welcome->planes);
  } else if (auto* refused = std::get_if<Refused>(&message)) {
    const bool not_allowed = refused->code == RefusalCode::kNotAllowed;
    const auto code = not_allowed ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kFailedPrecondition;
    if (!refused->retryable) refused_ = Error(code, "the broker refused: %s", refused->reason);
  } else if (std::holds_alternative<Changed>(message)) {
    told_of_change_ = true;
  }
}

absl::Status Client::Pump(Clock::time_point deadline) {
  std::vector<net::LinkEvent> events;
  link_->Receive(events);
  if (events.empty()) {
    std::vector<net::PollItem> items;
    link_->AppendPollItems(items);
    net::PollItem interrupt;
    interrupt.fd = interrupt_.fd();
    items.push_back(interrupt);
    MILLRACE_RETURN_IF_ERROR(poller_.Wait(items, deadline).status());
    if (items.back().readable) {
      interrupt_.Drain();
      return absl::CancelledError("interrupted");
    }
    link_->Receive(events);
  }
  for (net::LinkEvent& event : events) Take(std::move(event));
  return std::exchange(refused_, absl::OkStatus());
}

absl::StatusOr<Answer> Client::Converse(Message message, std::uint64_t request) {
  const Clock::time_point give_up = Clock::now() + options_.patience;
  Clock::time_point ask_at = Clock::time_point::min();
  answers_.clear();
  std::uint64_t asked_on = 0;  // the connection; it may have been lost and made again between two looks
  while (Clock::now() < give_up) {
    // Ask at once, whenever the connection is a new one, and when there was no answer for a while.
    if (up_ && (asked_on != connections_ || Clock::now() >= ask_at)) {
      link_->Send(message);
      asked_on = connections_;
      ask_at = Clock::now() + options_.ask_again;
    }
    MILLRACE_RETURN_IF_ERROR(Pump(std::min(give_up, up_ ? ask_at : give_up)));
    for (Answer& answer : answers_) {
      if (answer.request != request) continue;  // of a question that was given up
      if (answer.code == 0) return std::move(answer);
      return absl::Status(static_cast<absl::StatusCode>(answer.code), Av(answer.message));
    }
    answers_.clear();
  }
  const std::string seconds = FormatDuration(options_.patience);
  if (up_) return Unavailable("the broker did not answer within %s", seconds);
  return Unavailable("no broker answered within %s%s%s; is it running, and is the address right?", seconds,
                     down_reason_.empty() ? "" : ": ", down_reason_);
}

absl::StatusOr<Submitted> Client::Submit(JobSpec job) { return Submit_(std::move(job), false); }

absl::StatusOr<Submitted> Client::Submit_(JobSpec job, bool watch) {
  millrace::Submit submit;
  submit.request = ++last_request_;
  submit.watch = watch;
  submit.token = EntropyFromSystem();
  const auto compression = options_.compression ? wire::Compression::kOn : wire::Compression::kOff;
  for (TaskSpec& task : job.tasks) task.inputs = wire::PackInputs(task.inputs, compression);
  std::string encoded = wire::EncodeJob(job);
  if (encoded.size() > net::kSubmissionInlineLimit && !blobs_.stays_inline()) {
    // The bulk plane's address comes with the broker's first answer.
    Query hello;
    hello.kind = QueryKind::kBroker;
    MILLRACE_RETURN_IF_ERROR(Ask(std::move(hello)).status());
    const Bytes bytes(std::move(encoded));
    submit.job_digest = Sha256(bytes.view());
    MILLRACE_RETURN_IF_ERROR(Annotate(blobs_.Store(*submit.job_digest, bytes), "handing over the pipeline"));
  } else {
    submit.job = std::move(job);
  }
  const std::uint64_t request = submit.request;
  MILLRACE_ASSIGN_OR_RETURN(Answer answer, Converse(std::move(submit), request));
  Submitted submitted{answer.run, std::move(answer.lines)};
  if (watch) watched_ = {.run = answer.run, .request = request, .connection = connections_, .end = {}};
  if (watch && !answer.runs.empty()) watched_.end = std::move(answer);
  return submitted;
}

absl::StatusOr<Executed> Client::Execute(JobSpec job, std::uint64_t max_size,
                                         std::chrono::milliseconds broker_patience) {
  const std::string only = job.tasks.size() == 1 ? job.tasks.front().name : "";
  MILLRACE_ASSIGN_OR_RETURN(const Submitted submitted, Submit_(std::move(job), true));
  Executed executed;
  MILLRACE_ASSIGN_OR_RETURN(executed.run, Watch(submitted.run, nullptr, broker_patience));
  const std::optional<Answer> end = std::exchange(watched_, {}).end;
  if (only.empty() || executed.run.state != RunState::kSucceeded) return executed;
  const bool complete =
      end && end->run == submitted.run && (end->result.size == 0 || end->result.digest || !end->result.bytes.empty());
  if (complete) {
    MILLRACE_ASSIGN_OR_RETURN(executed.result, Unpack(*end, only, max_size));
  } else {
    MILLRACE_ASSIGN_OR_RETURN(executed.result, Result(submitted.run, only, max_size));
  }
  return executed;
}

absl::StatusOr<Answer> Client::Ask(Query query) {
  query.request = ++last_request_;
  const std::uint64_t request = query.request;
  return Converse(std::move(query), request);
}

absl::StatusOr<Answer> Client::Tell(Command command) {
  command.request = ++last_request_;
  const std::uint64_t request = command.request;
  return Converse(std::move(command), request);
}

absl::StatusOr<std::vector<WorkerView>> Client::Workers() {
  std::vector<WorkerView> workers;
  Query query;
  query.kind = QueryKind::kWorkers;
  for (bool more = true; more;) {
    MILLRACE_ASSIGN_OR_RETURN(Answer answer, Ask(query));
    more = answer.more && answer.next > query.since;
    query.since = answer.next;
    std::move(answer.workers.begin(), answer.workers.end(), std::back_inserter(workers));
  }
  return workers;
}

absl::StatusOr<Bytes> Client::Result(RunId run, const std::string& task, std::uint64_t max_size, QueryKind kind) {
  Query query;
  query.kind = kind;
  query.run = run;
  query.task = task;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, Ask(std::move(query)));
  return Unpack(answer, task, max_size);
}

absl::StatusOr<Bytes> Client::Unpack(const Answer& answer, const std::string& whose, std::uint64_t max_size) {
  // Packing adds one byte at most, so that this is over the limit before anything is fetched.
  if (answer.result.size > 0 && answer.result.size - 1 > max_size) {
    return ResourceExhausted("the result of %s has %d bytes or more, over the limit of %d", whose,
                             answer.result.size - 1, max_size);
  }
  Bytes packed = answer.result.bytes;
  if (answer.result.digest && packed.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(packed, blobs_.Fetch(*answer.result.digest, answer.result.size));
  }
  if (packed.empty()) return Bytes();
  return wire::UnpackPayload(packed, max_size);
}

// One round of questions; true when the run has ended and every change was seen.
absl::StatusOr<bool> Client::Refresh(RunId run, const OnChange& on_change, RunView& view) {
  told_of_change_ = false;
  Query query;
  query.kind = QueryKind::kRun;
  query.run = run;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, Ask(query));
  if (answer.runs.empty()) return Internal("the broker's answer about run %s was empty", RunName(run));
  view = answer.runs.front();
  if (!on_change) return HasEnded(view.state);
  std::vector<TaskView> changed;
  query.kind = QueryKind::kTasks;
  query.limit = kRowsAtOnce;
  // The first numbers are those of tasks to which nothing has happened yet.
  task_cursor_ = std::max<std::uint64_t>(task_cursor_, view.tasks);
  for (bool more = task_cursor_ < view.changed; more;) {
    query.since = task_cursor_;
    MILLRACE_ASSIGN_OR_RETURN(Answer rows, Ask(query));
    if (rows.more && rows.next <= task_cursor_) return Internal("the broker's rows of run %s do not end", RunName(run));
    more = rows.more;
    task_cursor_ = std::max(task_cursor_, rows.next);
    std::move(rows.tasks.begin(), rows.tasks.end(), std::back_inserter(changed));
  }
  on_change(view, changed);
  return HasEnded(view.state);
}

// Asks for the end once and waits for the answer, which comes when it is there, or at once from an older broker.
// Nothing when none came: whatever went wrong is for Refresh to find out.
absl::StatusOr<std::optional<RunView>> Client::AwaitEnd(RunId run) {
  if (watched_.run == run && watched_.end) return watched_.end->runs.front();
  if (!up_) return std::nullopt;
  if (watched_.run != run || watched_.connection != connections_) {
    Query query;
    query.kind = QueryKind::kRun;
    query.run = run;
    query.since = kUntilEnded;
    query.request = ++last_request_;
    answers_.clear();
    watched_ = {.run = run, .request = query.request, .connection = connections_, .end = {}};
    link_->Send(query);
  }
  const Watched watched = std::exchange(watched_, {});
  const Clock::time_point look_at = Clock::now() + options_.look_again;
  while (up_ && connections_ == watched.connection && Clock::now() < look_at) {
    for (Answer& answer : answers_) {
      if (answer.request != watched.request || (answer.code == 0 && answer.runs.empty())) continue;
      if (answer.code != 0) return std::nullopt;
      const RunView view = answer.runs.front();
      if (HasEnded(view.state)) watched_ = {.run = run, .request = 0, .connection = 0, .end = std::move(answer)};
      return view;
    }
    answers_.clear();
    MILLRACE_RETURN_IF_ERROR(Pump(look_at));
  }
  return std::nullopt;
}

absl::StatusOr<RunView> Client::Watch(RunId run, const OnChange& on_change, std::chrono::milliseconds broker_patience) {
  task_cursor_ = 0;
  RunView view;
  last_heard_ = Clock::now();
  while (true) {
    std::optional<RunView> told;
    if (!on_change) {
      MILLRACE_ASSIGN_OR_RETURN(told, AwaitEnd(run));
      if (told && HasEnded(told->state)) return *std::move(told);
    }
    const absl::StatusOr<bool> ended = Refresh(run, on_change, view);
    if (ended.ok() && *ended) return view;
    if (!ended.ok() && ended.status().code() != absl::StatusCode::kUnavailable) return ended.status();
    // A broker that was not asked owes no word, so only its silence after a question counts.
    if (!ended.ok() && Clock::now() - last_heard_ > broker_patience) {
      return Unavailable("nothing was heard of the broker for %s; the run goes on there if it is alive",
                         FormatDuration(broker_patience));
    }
    if (!on_change && !told && up_) continue;
    const Clock::time_point look_at = Clock::now() + options_.look_again;
    while (!told_of_change_ && Clock::now() < look_at) MILLRACE_RETURN_IF_ERROR(Pump(look_at));
  }
}

}  // namespace millrace::client
