// SPDX-License-Identifier: Apache-2.0
// One poll loop over: a wish to stop, the end of the child, its two streams. The child is only waited for (and its pid
// given back) when everything else is done, so that its number keeps naming its process group until then.
#include "millrace/exec/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/exec/capture.h"
#include "millrace/exec/find_program.h"
#include "millrace/exec/spawn.h"
#include "millrace/exec/tree.h"

namespace millrace::exec {
namespace {

using std::chrono::milliseconds;

// How often a tree that is being stopped is looked at.
constexpr Duration kLookInterval = milliseconds(20);
constexpr Duration kKillInterval = milliseconds(2);
// After the child: how long to wait for more output from what it left running, and for how long in all.
constexpr Duration kQuietDrain = milliseconds(100);
constexpr Duration kLongestDrain = milliseconds(1000);
// A killed process is gone in an instant, unless the kernel is stuck in its behalf; then we go on without it.
constexpr Duration kLongestDying = std::chrono::seconds(5);

Duration Now() { return std::chrono::steady_clock::now().time_since_epoch(); }

int PollTimeout(Duration left) {
  using Limits = std::chrono::duration<int, std::milli>;
  if (left <= Duration::zero()) return 0;
  return std::chrono::ceil<Limits>(std::min<Duration>(left, std::chrono::hours(1))).count();
}

Duration ToDuration(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

// A file in memory instead of a pipe: nothing to feed while the child runs, and no SIGPIPE when it does not read.
absl::StatusOr<UniqueFd> InputFile(std::string_view input) {
  UniqueFd file(memfd_create("stdin", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  for (std::string_view rest = input; !rest.empty();) {
    const ssize_t n = write(file.get(), rest.data(), rest.size());
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "write the command's input");
    if (n > 0) rest.remove_prefix(static_cast<std::size_t>(n));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

struct Stream {
  explicit Stream(const RunOptions& options) : capture(options.capture_limit) {
    if (options.masks != nullptr) mask.emplace(*options.masks);
  }
  UniqueFd fd;  // our end; closed at its end
  Capture capture;
  std::optional<MaskStream> mask;
};

class Execution {
 public:
  Execution(const CommandLine& line, const RunOptions& options)
      : line_(line), options_(options), out_(options), err_(options) {}
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;
  // Only an exception of the caller's `output` leaves the child behind.
  ~Execution() {
    if (child_.pid == 0) return;
    tree_->Signal(SIGKILL);
    siginfo_t info;
    while (waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED) < 0 && errno == EINTR) {
    }
  }

  absl::Status Start();
  absl::StatusOr<CommandOutcome> Finish();

 private:
  bool Done();
  void Wait();
  void Read(Stream* stream, bool is_stderr);
  void Take(Stream* stream, std::string_view text, bool is_stderr);
  absl::Status Reap();

  const CommandLine& line_;
  const RunOptions& options_;
  Stream out_;
  Stream err_;
  UniqueFd stop_event_;
  Child child_;
  std::optional<ProcessTree> tree_;
  CommandOutcome outcome_;
  bool exited_ = false;
  Duration exited_at_{};
  Duration last_output_{};
  Duration stop_at_{};
  Duration killed_at_{};
  Duration next_look_{};
};

absl::Status OpenPipe(Stream* stream, UniqueFd* child_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe for a command's output");
  stream->fd.Reset(ends[0]);
  child_end->Reset(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return absl::OkStatus();
}

absl::Status Execution::Start() {
  const auto path = line_.env.find("PATH");
  SpawnRequest request;
  MILLRACE_ASSIGN_OR_RETURN(request.program,
                            FindProgram(line_.program, path == line_.env.end() ? "" : path->second, line_.directory));
  request.argv.push_back(line_.program);
  request.argv.insert(request.argv.end(), line_.args.begin(), line_.args.end());
  request.env = line_.env;
  request.directory = line_.directory;
  UniqueFd input, out, err;
  if (!line_.input.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(input, InputFile(line_.input));
    request.descriptors.emplace_back(input.get(), STDIN_FILENO);
  }
  MILLRACE_RETURN_IF_ERROR(OpenPipe(&out_, &out));
  MILLRACE_RETURN_IF_ERROR(OpenPipe(&err_, &err));
  request.descriptors.emplace_back(out.get(), STDOUT_FILENO);
  request.descriptors.emplace_back(err.get(), STDERR_FILENO);
  if (options_.stop.stop_possible()) {
    stop_event_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_event_.valid()) return ErrnoStatus(errno, "eventfd");
  }
  outcome_.started = Now();
  MILLRACE_ASSIGN_OR_RETURN(child_, Spawn(request));
  tree_.emplace(child_.pid);
  return absl::OkStatus();
}

void Execution::Read(Stream* stream, bool is_stderr) {
  char buffer[65536];
  // Bounded, so that an endless stream cannot keep us from seeing a wish to stop.
  for (int rounds = 0; stream->fd.valid() && rounds < 32; ++rounds) {
    const ssize_t n = read(stream->fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return stream->fd.Reset();
    last_output_ = Now();
    const std::string_view chunk(buffer, static_cast<std::size_t>(n));
    if (stream->mask) {
      Take(stream, stream->mask->Feed(chunk), is_stderr);
    } else {
      Take(stream, chunk, is_stderr);
    }
    if (chunk.size() < sizeof buffer) return;  // empty now: poll says when there is more
  }
}

void Execution::Take(Stream* stream, std::string_view text, bool is_stderr) {
  if (text.empty()) return;
  stream->capture.Add(text);
  if (options_.output) options_.output(text, is_stderr);
}

// Advances stopping, and tells whether there is nothing left to wait for.
bool Execution::Done() {
  const Duration now = Now();
  if (exited_ && !outcome_.stopped) {
    if (!out_.fd.valid() && !err_.fd.valid()) return true;
    if (options_.stop.stop_requested()) return true;
    return now - std::max(exited_at_, last_output_) >= kQuietDrain || now - exited_at_ >= kLongestDrain;
  }
  if (!options_.stop.stop_requested()) return false;
  if (!outcome_.stopped) {
    outcome_.stopped = true;
    stop_at_ = now;
    tree_->Signal(SIGTERM);
  }
  if (now < next_look_) return false;
  const bool over = now - stop_at_ >= options_.grace;
  next_look_ = now + (over ? kKillInterval : kLookInterval);
  if (tree_->Empty() && exited_) return true;
  if (!over) {
    next_look_ = std::min(next_look_, stop_at_ + options_.grace);
    return false;
  }
  if (!outcome_.killed) killed_at_ = now;
  outcome_.killed = true;
  tree_->Signal(SIGKILL);  // again at every look: what was just being started comes to light only now
  return exited_ && now - killed_at_ >= kLongestDying;
}

void Execution::Wait() {
  pollfd polled[] = {{exited_ ? -1 : child_.pidfd.get(), POLLIN, 0},
                     {out_.fd.get(), POLLIN, 0},
                     {err_.fd.get(), POLLIN, 0},
                     {exited_ || outcome_.stopped ? -1 : stop_event_.get(), POLLIN, 0}};
  int timeout = exited_ ? PollTimeout(kQuietDrain) : -1;
  if (outcome_.stopped) timeout = PollTimeout(next_look_ - Now());
  if (poll(polled, std::size(polled), timeout) < 0) return;  // EINTR
  // The end is looked at before the streams are read: what it wrote before its end is then read in this same round.
  if (polled[0].revents != 0) {
    exited_ = true;
    exited_at_ = Now();
  }
  if (exited_ || polled[1].revents != 0) Read(&out_, false);
  if (exited_ || polled[2].revents != 0) Read(&err_, true);
}

absl::Status Execution::Reap() {
  int status = 0;
  rusage usage{};
  pid_t reaped;
  while ((reaped = wait4(child_.pid, &status, 0, &usage)) < 0 && errno == EINTR) {
  }
  child_.pid = 0;
  if (reaped < 0) {
    return Internal("%s ended, but its exit status is lost: this process ignores SIGCHLD or waits for any child",
                    line_.program);
  }
  const ExitStatus exit = ExitStatusOfWait(status);
  outcome_.exit_code = exit.code;
  outcome_.signal = exit.signal;
  outcome_.cpu_time = ToDuration(usage.ru_utime) + ToDuration(usage.ru_stime);
  outcome_.peak_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return absl::OkStatus();
}

absl::StatusOr<CommandOutcome> Execution::Finish() {
  const std::stop_callback wake(options_.stop, [this] {
    const std::uint64_t one = 1;
    if (stop_event_.valid() && write(stop_event_.get(), &one, sizeof one) < 0) {
      // Full means that it is readable already.
    }
  });
  while (!Done()) Wait();
  if (options_.stop.stop_requested()) {
    kill(-child_.pid, SIGKILL);  // what came between the last look and now, or outlived a command that was just ending
    Read(&out_, false);
    Read(&err_, true);
  }
  if (out_.mask) Take(&out_, out_.mask->End(), false);
  if (err_.mask) Take(&err_, err_.mask->End(), true);
  outcome_.ended = Now();
  MILLRACE_RETURN_IF_ERROR(Reap());
  outcome_.out = out_.capture.Take();
  outcome_.err = err_.capture.Take();
  outcome_.out_dropped = out_.capture.dropped();
  outcome_.err_dropped = err_.capture.dropped();
  return std::move(outcome_);
}

}  // namespace

CommandLine Shell(std::string script) {
  CommandLine line;
  line.program = "/bin/sh";
  line.args = {"-c", std::move(script)};
  return line;
}

absl::StatusOr<CommandOutcome> RunCommand(const CommandLine& line, const RunOptions& options) {
  Execution execution(line, options);
  MILLRACE_RETURN_IF_ERROR(execution.Start());
  return execution.Finish();
}

}  // namespace millrace::exec
