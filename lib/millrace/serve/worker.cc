// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/worker.h"

#include <thread>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/exec/leftovers.h"
#include "millrace/log/log.h"
#include "millrace/net/wakeup.h"
#include "millrace/serve/worker_loop.h"

namespace millrace::serve {

struct Worker::State {
  std::unique_ptr<WorkerLoop> loop;
  net::Wakeup ended;
  Worker::End end;
  std::thread thread;
};

namespace {

// Without it the worker works as well; only its own end costs more.
std::unique_ptr<OutboxThread> OpenOutbox(WorkerOptions& options) {
  if (options.state_dir.empty()) return nullptr;
  store::Outbox::Content content;
  auto outbox = OutboxThread::Start(options.state_dir, content);
  if (!outbox.ok()) {
    log::Warning("outcomes of this worker do not survive its process: %s", TextOf(outbox.status()));
    return nullptr;
  }
  if (!content.damage.empty()) log::Error("%s; what could be read of it is used", content.damage);
  if (!content.reports.empty()) {
    log::Info("%d outcomes that an earlier process of this worker could not report are on its disk",
              content.reports.size());
  }
  options.brain.keeps_outbox = true;
  options.brain.restored = std::move(content.reports);
  options.brain.restored_from = content.broker;
  return *std::move(outbox);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(WorkerOptions options, std::unique_ptr<net::Link> link,
                                                      net::BlobAccess& blobs) {
  auto state = std::make_unique<State>();
  std::unique_ptr<OutboxThread> outbox = OpenOutbox(options);
  options.brain.threads_only = options.in_process;  // a thread cannot be killed, which the brain has to know
  state->loop = std::make_unique<WorkerLoop>(std::move(options), std::move(link), blobs, std::move(outbox));
  state->thread = std::thread([raw = state.get()] {
    // Before the hello: what an earlier worker has left would get in the way of what now runs again.
    const int leftovers = exec::KillLeftovers();
    if (leftovers > 0) log::Warning("killed %d processes that a worker which died had left here", leftovers);
    raw->end = raw->loop->Run();
    raw->ended.Signal();
  });
  return std::unique_ptr<Worker>(new Worker(std::move(state)));
}

Worker::Worker(std::unique_ptr<State> state) : state_(std::move(state)) {}

Worker::~Worker() {
  if (!state_->thread.joinable()) return;
  state_->loop->AskStop(agent::StopKind::kNow);
  state_->thread.join();
}

void Worker::AskStop(agent::StopKind kind) { state_->loop->AskStop(kind); }
int Worker::ended_fd() const { return state_->ended.fd(); }

Worker::End Worker::Wait() {
  if (state_->thread.joinable()) state_->thread.join();
  return state_->end;
}

}  // namespace millrace::serve
