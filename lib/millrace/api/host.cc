// SPDX-License-Identifier: Apache-2.0
// Three threads. The main thread runs modules, one at a time. The reader takes frames off the channel, so that a stop
// arrives while a module runs. The pump moves what was printed, and turns SIGTERM into a stop.
//
// The end of the channel means that the worker is gone: whatever runs is asked to stop, and when it does not within its
// grace the process ends under it.
#include "millrace/api/host.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "millrace/api/failure_status.h"
#include "millrace/api/output_stream.h"
#include "millrace/api/runner.h"
#include "millrace/api/standard_streams.h"
#include "millrace/base/status.h"
#include "millrace/exec/confinement.h"
#include "millrace/exec/host_channel.h"
#include "millrace/wire/slot_frame.h"

namespace millrace {
namespace {

constexpr int kExitSoftware = 70;  // EX_SOFTWARE of sysexits.h
constexpr int kExitGone = 75;      // EX_TEMPFAIL: the worker went away under a running module

// What the signal handler may touch.
std::atomic<bool> terminate_asked = false;
int wake_fd = -1;

void Wake() {
  const std::uint64_t one = 1;
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(wake_fd, &one, sizeof one);
  errno = saved;
}

void OnTerminate(int) {
  terminate_asked = true;
  Wake();
}

absl::Status PrepareSignals() {
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return ErrnoStatus(errno, "eventfd");
  struct sigaction action {};
  action.sa_handler = &OnTerminate;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the worker's to handle
  return absl::OkStatus();
}

class ModuleHost {
 public:
  ModuleHost(const Registry& registry, exec::HostChannel& channel, StandardStreams& streams)
      : registry_(registry),
        channel_(channel),
        streams_(streams),
        output_([this](SlotOutput chunk) { Send(std::move(chunk)); }, &Wake) {}

  // Until the channel ends.
  void Run() {
    std::thread reader([this] { Read(); });
    std::thread pump([this] { Pump(); });
    while (auto execute = NextAttempt()) RunAttempt(*execute);
    pump_ends_ = true;
    Wake();
    pump.join();
    reader.join();
  }

 private:
  // ---- main thread ----
  std::optional<SlotExecute> NextAttempt() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (closed_) return std::nullopt;
    SlotExecute execute = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = execute.attempt;
    grace_ = execute.kill_grace;
    stop_ = std::stop_source();
    if (std::exchange(stopped_early_, {}) == execute.attempt) stop_.request_stop();
    return execute;
  }

  void RunAttempt(SlotExecute& execute) {
    TaskOutput output([&](std::string_view text, bool is_stderr) { output_.Write(execute.attempt, text, is_stderr); },
                      [this] { DrainStreams(true); });
    SetListener(&output);
    SlotDone done = RunIn(execute, output);
    SetListener(nullptr);
    output.End();  // of what came behind the module's
    output_.Flush();
    {
      const std::lock_guard lock(mutex_);
      running_ = {};
    }
    changed_.notify_all();
    Finish(std::move(done));
  }

  // Each attempt starts in its work directory, wherever the one before went.
  SlotDone RunIn(SlotExecute& execute, TaskOutput& output) {
    exec::RenewCpuLimit();
    const std::filesystem::path directory =
        execute.work_dir.empty() ? start_directory_ : start_directory_ / execute.work_dir;
    std::error_code error;
    std::filesystem::current_path(directory, error);
    if (!error) {
      execute.work_dir = directory.string();
      return RunSlot(registry_, execute, stop_.get_token(), output);
    }
    SlotDone done;
    done.attempt = execute.attempt;
    done.outcome = Outcome::kFailed;
    done.failure.message =
        absl::StrFormat("cannot enter the work directory '%s': %s", directory.string(), error.message());
    return done;
  }

  // A result that the channel refuses becomes a failure that it takes: every attempt ends in an outcome.
  void Finish(SlotDone done) {
    const AttemptId attempt = done.attempt;
    const absl::Status sent = channel_.Send(wire::EncodeSlotMessage(std::move(done)));
    if (sent.ok()) return;
    SlotDone failed;
    failed.attempt = attempt;
    failed.outcome = Outcome::kFailed;
    failed.failure.message = "the result could not be handed to the worker: " + TextOf(sent);
    Send(std::move(failed));
  }

  // ---- reader ----
  void Read() {
    while (true) {
      auto frame = channel_.Receive();
      if (!frame.ok() || !frame->has_value()) break;
      auto message = wire::DecodeSlotMessage(Bytes(*std::move(*frame)));
      if (!message.ok()) break;  // our own worker sends no rubbish: this channel is beyond repair
      Take(*std::move(message));
    }
    Close();
  }

  void Take(SlotMessage message) {
    const std::lock_guard lock(mutex_);
    if (auto* execute = std::get_if<SlotExecute>(&message)) {
      waiting_.push_back(std::move(*execute));
      changed_.notify_all();
    } else if (const auto* stop = std::get_if<SlotStop>(&message)) {
      if (stop->attempt == running_) {
        stop_.request_stop();
      } else {
        stopped_early_ = stop->attempt;  // it waits in the queue, or has ended: then the mark means nothing
      }
    }
  }

  void Close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
    if (!running_.valid()) return;
    stop_.request_stop();
    if (!changed_.wait_for(lock, grace_, [this] { return !running_.valid(); })) _exit(kExitGone);
  }

  // ---- pump ----
  void Pump() {
    while (!pump_ends_) {
      const auto due = output_.FlushIfDue(OutputStream::Clock::now());
      pollfd fds[] = {{streams_.out_fd(), POLLIN, 0}, {streams_.err_fd(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
      poll(fds, 3, due ? MillisecondsUntil(*due) : -1);
      if (fds[2].revents != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = read(wake_fd, &count, sizeof count);
      }
      if (terminate_asked.exchange(false)) StopRunning();
      if ((fds[0].revents | fds[1].revents) != 0) DrainStreams(false);
    }
  }

  static int MillisecondsUntil(OutputStream::Clock::time_point when) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - OutputStream::Clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, OutputStream::kLongestWait.count()));
  }

  // A SIGTERM that finds nothing running belonged to an attempt that has just ended.
  void StopRunning() {
    const std::lock_guard lock(mutex_);
    if (running_.valid()) stop_.request_stop();
  }

  // ---- any thread ----
  void DrainStreams(bool flush) {
    const std::lock_guard lock(streams_mutex_);
    const auto sink = [this](std::string_view text, bool is_stderr) {
      if (listener_ != nullptr) listener_->Write(text, is_stderr);  // between attempts nobody asked for it
    };
    if (flush) {
      streams_.FlushAndDrain(sink);
    } else {
      streams_.Drain(sink);
    }
  }

  void SetListener(TaskOutput* listener) {
    DrainStreams(true);  // what was printed until now belongs to who listened until now
    const std::lock_guard lock(streams_mutex_);
    listener_ = listener;
  }

  void Send(SlotMessage message) {
    // When it fails the worker is gone, and the reader ends us.
    channel_.Send(wire::EncodeSlotMessage(std::move(message))).IgnoreError();
  }

  const Registry& registry_;
  exec::HostChannel& channel_;
  StandardStreams& streams_;
  OutputStream output_;
  const std::filesystem::path start_directory_ = std::filesystem::current_path();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SlotExecute> waiting_;
  AttemptId running_;
  AttemptId stopped_early_;
  Duration grace_{};
  std::stop_source stop_;
  bool closed_ = false;

  std::mutex streams_mutex_;
  TaskOutput* listener_ = nullptr;
  std::atomic<bool> pump_ends_ = false;
};

absl::Status RunModuleHost(const Registry& registry, std::string_view confinement_text) {
  MILLRACE_ASSIGN_OR_RETURN(const exec::Confinement confinement, exec::ParseConfinement(confinement_text));
  MILLRACE_RETURN_IF_ERROR(exec::Confine(confinement));
  MILLRACE_RETURN_IF_ERROR(registry.Check());
  MILLRACE_RETURN_IF_ERROR(PrepareSignals());
  // The worker vouches for what it sends; its own limits are the tighter ones.
  MILLRACE_ASSIGN_OR_RETURN(auto channel, exec::HostChannel::FromFd(exec::kHostChannelFd, UINT32_MAX));
  MILLRACE_ASSIGN_OR_RETURN(StandardStreams streams, StandardStreams::Redirect());
  ModuleHost(registry, *channel, streams).Run();
  return absl::OkStatus();
}

}  // namespace

std::optional<int> MaybeRunModuleHost(int argc, char** argv, const Registry& registry) {
  if (argc < 2 || argv[1] != std::string_view(kModuleHostWord)) return std::nullopt;
  const absl::Status status = RunModuleHost(registry, argc > 2 ? argv[2] : "");
  if (status.ok()) return 0;
  std::fprintf(stderr, "module host: %s\n", TextOf(status).c_str());
  return kExitSoftware;
}

}  // namespace millrace
