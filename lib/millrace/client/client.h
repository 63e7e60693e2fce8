// SPDX-License-Identifier: Apache-2.0
// A client of a broker: submits, watches, asks. Blocking, one thread; over ZeroMQ or inside one process alike.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/model/job.h"
#include "millrace/model/message.h"
#include "millrace/net/link.h"
#include "millrace/net/wakeup.h"

namespace millrace::client {

struct ClientOptions {
  std::string version;
  std::chrono::milliseconds patience = std::chrono::seconds(10);  // without any word of the broker
  bool compression = true;                                        // of large inputs, where it helps
  std::chrono::milliseconds ask_again = std::chrono::seconds(2);  // an unanswered question is asked again
  // While it watches; a lost word of a change costs this much, at most.
  std::chrono::milliseconds look_again = std::chrono::seconds(5);
};

struct Submitted {
  RunId run;
  std::vector<std::string> warnings;  // "no known worker can run ..."
};

struct Executed {
  RunView run;
  Bytes result;  // unpacked, msgpack, of a run of one task that succeeded; else empty
};

class Client {
 public:
  // `blobs` must outlive the client.
  Client(std::unique_ptr<net::Link> link, net::BlobAccess& blobs, ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Accepted exactly once, however often the network makes it be said. Unavailable: no broker answered within the
  // patience.
  absl::StatusOr<Submitted> Submit(JobSpec job);
  // Submits the job, waits for its end as Watch without rows does, and fetches the result if it has a single task. A
  // quick task with a small result is one message there and one back. The errors are those of Submit, Watch and Result.
  absl::StatusOr<Executed> Execute(JobSpec job, std::uint64_t max_size, std::chrono::milliseconds broker_patience);
  // The Answer of the broker; its error is this status.
  absl::StatusOr<Answer> Ask(Query query);
  absl::StatusOr<Answer> Tell(Command command);
  // All that the broker knows, by name, however many messages that takes.
  absl::StatusOr<std::vector<WorkerView>> Workers();
  // The unpacked result of a task, fetched from wherever it is: msgpack.
  // Of the history with kPastResult, else of what the scheduler remembers.
  absl::StatusOr<Bytes> Result(RunId run, const std::string& task, std::uint64_t max_size,
                               QueryKind kind = QueryKind::kResult);

  // The unpacked `result` of an answer, fetched if need be. `whose`: for messages.
  absl::StatusOr<Bytes> Unpack(const Answer& answer, const std::string& whose, std::uint64_t max_size);

  // What has this digest, from the bulk plane.
  absl::StatusOr<Bytes> Blob(const Digest& digest, std::uint64_t size) { return blobs_.Fetch(digest, size); }

  // Called with the run and those of its tasks that have changed since the last call. An empty one asks for no rows of
  // tasks, which cost a large run more than its execution.
  using OnChange = std::function<void(const RunView&, std::span<const TaskView>)>;
  // Follows the run until it has ended, and returns its last view. Cancelled when Interrupt was called; Unavailable
  // when the broker was not heard for `broker_patience` (the run goes on without us).
  absl::StatusOr<RunView> Watch(RunId run, const OnChange& on_change, std::chrono::milliseconds broker_patience);
  // Any thread and signal handlers' helpers: makes a blocked call return Cancelled, once.
  void Interrupt() { interrupt_.Signal(); }

 private:
  using Clock = std::chrono::steady_clock;

  // A question for the end of a run.
  struct Watched {
    RunId run;
    std::uint64_t request = 0;
    std::uint64_t connection = 0;  // on which it was asked
    std::optional<Answer> end;
  };

  absl::StatusOr<Submitted> Submit_(JobSpec job, bool watch);
  absl::StatusOr<Answer> Converse(Message message, std::uint64_t request);
  // Waits until something happened or the deadline passed, and takes it in.
  absl::Status Pump(Clock::time_point deadline);
  void Take(net::LinkEvent event);
  absl::StatusOr<std::optional<RunView>> AwaitEnd(RunId run);
  absl::StatusOr<bool> Refresh(RunId run, const OnChange& on_change, RunView& view);

  std::unique_ptr<net::Link> link_;
  net::BlobAccess& blobs_;
  ClientOptions options_;
  net::Poller poller_;
  net::Wakeup interrupt_;
  std::uint64_t last_request_ = 0;
  bool up_ = false;
  std::uint64_t connections_ = 0;  // that were made
  std::string down_reason_;
  absl::Status refused_;
  std::vector<Answer> answers_;
  Clock::time_point last_heard_ = Clock::now();
  std::uint64_t task_cursor_ = 0;  // of the run being watched
  bool told_of_change_ = false;
  Watched watched_;  // the latest one
};

}  // namespace millrace::client
