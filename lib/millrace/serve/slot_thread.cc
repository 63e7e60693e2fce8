// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/slot_thread.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "millrace/api/runner.h"
#include "millrace/api/task_output.h"
#include "millrace/base/status.h"
#include "millrace/exec/confinement.h"
#include "millrace/log/log.h"

namespace millrace::serve {
namespace {

constexpr Duration kUnseen = std::chrono::milliseconds(1);  // of attempts that have ended and nobody was woken for

}  // namespace

SlotThread::SlotThread(const Registry& registry, bool new_privileges, Said said)
    : registry_(registry), new_privileges_(new_privileges), said_(std::move(said)), thread_([this] { Loop(); }) {}

SlotThread::~SlotThread() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    line_.clear();
    stop_.request_stop();
  }
  changed_.notify_one();
  thread_.join();
}

void SlotThread::Flush() {
  if (started_.empty()) return;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    for (SlotExecute& execute : started_) line_.push_back(std::move(execute));
    wake = std::exchange(waiting_, false);
  }
  started_.clear();
  if (wake) changed_.notify_one();
}

bool SlotThread::TakeOut(AttemptId attempt) {
  const auto at = std::find_if(line_.begin(), line_.end(),
                               [attempt](const SlotExecute& execute) { return execute.attempt == attempt; });
  if (at == line_.end()) return false;
  line_.erase(at);
  return true;
}

void SlotThread::Withdraw(AttemptId attempt) {
  Flush();
  const std::lock_guard lock(mutex_);
  if (!TakeOut(attempt)) return;
  SlotDone done;
  done.attempt = attempt;
  done.started = false;
  said_(std::move(done), false);  // under the lock: the next one cannot have ended before
}

void SlotThread::Stop(AttemptId attempt) {
  Flush();
  std::stop_source stop(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    if (TakeOut(attempt)) {  // the thread has not come to it yet
      SlotDone done;
      done.attempt = attempt;
      done.outcome = Outcome::kCancelled;
      done.failure.message = "stopped before it started";
      return said_(std::move(done), false);
    }
    if (running_ != attempt) return;
    stop = stop_;
  }
  stop.request_stop();  // runs the module's callbacks, which may take their time
}

void SlotThread::Loop() {
  // The kernel keeps this by thread, and a child has it from the thread that starts it.
  if (const absl::Status status = new_privileges_ ? absl::OkStatus() : exec::DropNewPrivileges(); !status.ok()) {
    log::Error("%s", TextOf(status));
  }
  Duration unseen{};
  while (true) {
    SlotExecute execute;
    std::stop_token stop;
    {
      std::unique_lock lock(mutex_);
      running_ = {};
      while (line_.empty() && !over_) {
        waiting_ = true;
        changed_.wait(lock);
      }
      if (over_) return;
      execute = std::move(line_.front());
      line_.pop_front();
      running_ = execute.attempt;
      stop_ = std::stop_source();
      stop = stop_.get_token();
    }
    TaskOutput output([&](std::string_view text, bool is_stderr) {
      said_(SlotOutput{execute.attempt, is_stderr, std::string(text)}, false);
    });
    SlotDone done = RunSlot(registry_, execute, std::move(stop), output);
    unseen += done.execution;
    const std::lock_guard lock(mutex_);  // what is withdrawn meanwhile is told behind it, and not quietly
    const bool more = unseen < kUnseen && !line_.empty();
    if (!more) unseen = Duration::zero();
    said_(std::move(done), more);
  }
}

}  // namespace millrace::serve
