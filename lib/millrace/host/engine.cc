// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/engine.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/client/client.h"
#include "millrace/host/assemble.h"
#include "millrace/host/credentials.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/outlook.h"
#include "millrace/host/progress.h"
#include "millrace/log/log.h"
#include "millrace/net/wakeup.h"
#include "millrace/report/crash_card.h"
#include "millrace/serve/broker.h"
#include "millrace/serve/worker.h"

namespace millrace::host {
namespace {

constexpr Duration kReleasePatience = std::chrono::seconds(10);  // for workers to say goodbye at the end of a run

// Takes the handler away before what it refers to goes.
class HandlerScope {
 public:
  HandlerScope(Interrupts* interrupts, std::function<void(int)> handler) : interrupts_(interrupts) {
    if (interrupts_ != nullptr) interrupts_->SetHandler(std::move(handler));
  }
  ~HandlerScope() {
    if (interrupts_ != nullptr) interrupts_->SetHandler({});
  }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;

 private:
  Interrupts* interrupts_;
};

// Follows a run to its end, whatever it is told of on the way.
class Follower {
 public:
  Follower(client::Client& client, RunRequest& request)
      : client_(client), request_(request), progress_(request.console) {}

  // Of a run of the pipeline; `tasks`: all of it. Cancelled when it was interrupted.
  absl::Status LookAhead(const std::string& pipeline, std::vector<Foreseeable> tasks) {
    if (!request_.look_ahead) return absl::OkStatus();
    MILLRACE_ASSIGN_OR_RETURN(outlook_, host::LookAhead(client_, pipeline));
    if (!outlook_) return absl::OkStatus();
    outlook_->Expect(std::move(tasks));
    progress_.Expect(&*outlook_);
    return absl::OkStatus();
  }

  absl::Status Watch(RunId run) {
    const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(request_.options.broker_lost_timeout);
    const auto on_change = [this](const RunView& view, std::span<const TaskView> changed) {
      if (!request_.quiet) progress_.Update(view, changed);
      run_ = view;
      for (const TaskView& task : changed) tasks_[task.index] = task;
    };
    return client_.Watch(run, on_change, patience).status();
  }

  void Finish() { progress_.Finish(); }
  Summary TakeSummary() {
    Summary summary;
    summary.run = std::move(run_);
    for (auto& [index, task] : tasks_) {
      const auto median = outlook_ ? outlook_->estimates().MedianOf(task.name) : std::nullopt;
      if (median) summary.medians[task.name] = *median;
      summary.tasks.push_back(std::move(task));
    }
    return summary;
  }

 private:
  client::Client& client_;
  RunRequest& request_;
  Progress progress_;
  std::optional<Outlook> outlook_;
  RunView run_;
  std::map<std::uint32_t, TaskView> tasks_;
};

// Submits and follows. The first interrupt cancels the run and goes on following, so that teardown modules run and the
// summary is whole; the second gives up.
absl::StatusOr<Summary> Drive(client::Client& client, RunRequest& request) {
  std::atomic<int> interrupts = 0;
  const HandlerScope scope(request.interrupts, [&](int count) {
    interrupts = count;
    client.Interrupt();
  });
  const std::string pipeline = request.job.name;
  std::vector<Foreseeable> tasks;
  if (request.look_ahead) tasks = ForeseeableOf(request.job);
  MILLRACE_ASSIGN_OR_RETURN(const client::Submitted submitted, client.Submit(std::move(request.job)));
  Follower follower(client, request);
  absl::Status ended = follower.LookAhead(pipeline, std::move(tasks));
  if (ended.ok()) ended = follower.Watch(submitted.run);
  while (!ended.ok()) {
    if (ended.code() != absl::StatusCode::kCancelled || interrupts > 1) {
      follower.Finish();
      return ended;
    }
    request.console.Write("cancelling (once more to give up at once)\n");
    Command cancel;
    cancel.kind = CommandKind::kCancelRun;
    cancel.run = submitted.run;
    cancel.reason = "interrupted";
    MILLRACE_RETURN_IF_ERROR(client.Tell(std::move(cancel)).status());
    ended = follower.Watch(submitted.run);
  }
  follower.Finish();
  return follower.TakeSummary();
}

absl::StatusOr<Summary> WithAgain(absl::StatusOr<Summary> summary, const RunRequest& request, std::string source) {
  if (summary.ok() && !request.program.empty()) summary->again = {request.program, std::move(source)};
  return summary;
}

// Without a context: without a network. Its threads are started in there, and the system may have none left.
absl::StatusOr<std::unique_ptr<serve::Broker>> StartBroker(net::SocketContext* context, const Options& options) {
  try {
    return serve::Broker::Start(context, BrokerOptionsOf(options, context != nullptr));
  } catch (const std::system_error& error) {
    return NoThread(error);
  }
}

absl::StatusOr<std::unique_ptr<serve::Worker>> StartLocalWorker(serve::Broker& broker, const RunRequest& request) {
  MILLRACE_ASSIGN_OR_RETURN(auto worker, WorkerOptionsOf(request.options, *request.registry, true));
  return serve::Worker::Start(std::move(worker), broker.ConnectLocal(), broker.local_blobs());
}

// Waits until the worker of this process has said hello, a matter of microseconds: else the submission would be told
// that no worker is known.
absl::Status AwaitLocalWorker(client::Client& client) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  Query query;
  query.kind = QueryKind::kWorkers;
  while (std::chrono::steady_clock::now() < give_up) {
    MILLRACE_ASSIGN_OR_RETURN(const Answer answer, client.Ask(query));
    if (!answer.workers.empty()) return absl::OkStatus();
    std::this_thread::yield();
  }
  return Unavailable("the worker of this process did not come up within 10 s");
}

absl::StatusOr<Summary> DriveLocally(serve::Broker& broker, RunRequest& request, bool has_worker) {
  client::Client client(broker.ConnectLocal(), broker.local_blobs(), ClientOptionsOf(request.options));
  if (has_worker) MILLRACE_RETURN_IF_ERROR(AwaitLocalWorker(client));
  return Drive(client, request);
}

}  // namespace

std::string BrokerWords(const Options& options) {
  std::string text = "--orchestrator " + report::ShellWord(options.orchestrator_url);
  if (!options.key_file.empty()) text += " --key " + report::ShellWord(options.key_file);
  return text;
}

absl::StatusOr<Summary> RunStandalone(RunRequest request) {
  MILLRACE_ASSIGN_OR_RETURN(auto broker, StartBroker(nullptr, request.options));
  MILLRACE_ASSIGN_OR_RETURN(auto worker, StartLocalWorker(*broker, request));
  return DriveLocally(*broker, request, /*has_worker=*/true);
}

absl::StatusOr<Summary> RunOrchestrator(RunRequest request) {
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(auto broker, StartBroker(&context, request.options));
  MILLRACE_RETURN_IF_ERROR(WriteReadyFile(request.ready_file, broker->control_endpoint()));
  log::Info("orchestrator %s listens on %s; workers: --orchestrator %s", Version(), broker->control_endpoint(),
            broker->control_endpoint());
  std::unique_ptr<serve::Worker> local;
  if (request.options.prefer_local_execution) {
    MILLRACE_ASSIGN_OR_RETURN(local, StartLocalWorker(*broker, request));
  }
  auto summary = DriveLocally(*broker, request, local != nullptr);
  broker->Stop(kReleasePatience);
  if (!request.options.history) return summary;
  return WithAgain(std::move(summary), request, "--data-dir " + report::ShellWord(request.options.data_dir));
}

absl::StatusOr<Summary> RunOnBroker(RunRequest request) {
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(RemoteBroker remote, Dial(context, request.options));
  client::Client client(std::move(remote.link), *remote.blobs, ClientOptionsOf(request.options));
  return WithAgain(Drive(client, request), request, BrokerWords(request.options));
}

absl::StatusOr<Summary> WatchOnBroker(client::Client& client, RunId run, RunRequest request) {
  Query query;
  query.kind = QueryKind::kRun;
  query.run = run;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, client.Ask(query));
  if (answer.runs.empty()) return Internal("the broker's answer about run %s was empty", RunName(run));
  const RunView& view = answer.runs.front();
  const HandlerScope scope(request.interrupts, [&client](int) { client.Interrupt(); });
  Follower follower(client, request);
  absl::Status ended;
  if (!HasEnded(view.state) && view.tasks <= kTasksLookedAt) {
    MILLRACE_ASSIGN_OR_RETURN(const std::vector<TaskView> rows, RowsOf(client, view.run));
    ended = follower.LookAhead(view.name, ForeseeableOf(rows));
  }
  if (ended.ok()) ended = follower.Watch(view.run);
  follower.Finish();
  if (!ended.ok()) return ended;
  return WithAgain(follower.TakeSummary(), request, BrokerWords(request.options));
}

absl::StatusOr<RunId> SubmitToBroker(RunRequest request) {
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(RemoteBroker remote, Dial(context, request.options));
  client::Client client(std::move(remote.link), *remote.blobs, ClientOptionsOf(request.options));
  const HandlerScope scope(request.interrupts, [&](int) { client.Interrupt(); });
  MILLRACE_ASSIGN_OR_RETURN(const client::Submitted submitted, client.Submit(std::move(request.job)));
  for (const std::string& warning : submitted.warnings) {
    request.console.Write(request.console.Paint(Colour::kYellow, "warning: ") + Printable(warning) + "\n");
  }
  return submitted.run;
}

absl::Status ServeBroker(const Options& options, const std::string& ready_file, Interrupts& interrupts) {
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(auto broker, StartBroker(&context, options));
  MILLRACE_RETURN_IF_ERROR(WriteReadyFile(ready_file, broker->control_endpoint()));
  log::Info("broker %s listens on %s%s%s", Version(), broker->control_endpoint(),
            broker->planes().http.empty() ? "" : ", health on ",
            broker->planes().http.empty() ? "" : broker->planes().http + "/api/health");
  net::Wakeup stop;
  {
    const HandlerScope scope(&interrupts, [&](int) { stop.Signal(); });
    pollfd item{stop.fd(), POLLIN, 0};
    while (poll(&item, 1, -1) != 1) {
    }
  }
  log::Info("stopping: the workers are released");
  const HandlerScope scope(&interrupts, [](int count) {
    if (count > 1) _exit(kInterrupted);
  });
  broker->Stop(kReleasePatience);
  return absl::OkStatus();
}

int ServeWorker(const Options& given, const Registry& registry, Interrupts& interrupts) {
  net::SocketContext context;
  Options options = given;
  const auto key_name = EquipWorker(context, options, interrupts);
  if (!key_name.ok()) {
    log::Error("%s", TextOf(key_name.status()));
    return key_name.status().code() == absl::StatusCode::kUnavailable ? kTryAgain : ExitCodeOf(key_name.status());
  }
  auto remote = Dial(context, options, /*changes=*/false);
  auto worker_options = WorkerOptionsOf(options, registry, /*local=*/false, *key_name);
  for (const absl::Status& status : {remote.status(), worker_options.status()}) {
    if (status.ok()) continue;
    log::Error("%s", TextOf(status));
    return ExitCodeOf(status);
  }
  const std::string name = worker_options->brain.name;
  const auto cpus = worker_options->brain.offer.cpus;
  auto worker = serve::Worker::Start(*std::move(worker_options), std::move(remote->link), *remote->blobs);
  if (!worker.ok()) {
    log::Error("%s", TextOf(worker.status()));
    return ExitCodeOf(worker.status());
  }
  log::Info("worker %s %s offers %d slots to %s", name, Version(), cpus, options.orchestrator_url);
  const HandlerScope scope(&interrupts, [&](int count) {
    (*worker)->AskStop(count == 1 ? agent::StopKind::kDrain : agent::StopKind::kNow);
  });
  const serve::Worker::End end = (*worker)->Wait();
  if (end.code != 0) {
    log::Error("worker %s ends with %d: %s", name, end.code, end.reason);
  } else {
    log::Info("worker %s ends%s%s", name, end.reason.empty() ? "" : ": ", end.reason);
  }
  return end.code;
}

}  // namespace millrace::host
