// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "millrace/base/fd.h"
#include "millrace/base/time.h"
#include "millrace/exec/cgroup.h"
#include "millrace/exec/control.h"
#include "millrace/exec/host_channel.h"
#include "millrace/exec/memory.h"
#include "millrace/exec/spawn.h"
#include "millrace/exec/tree.h"

extern char** environ;

namespace millrace::exec {
namespace {

std::atomic<bool> possible{false};

// Told by the kernel when the worker's thread that started us ends; whether the worker itself has died is then looked
// up.
constexpr int kParentSignal = SIGUSR1;
// What cannot be killed for so long after the worker's death (setuid programs, a dead file server) is left to init.
constexpr Duration kGiveUp = std::chrono::seconds(60);

Duration Now() { return std::chrono::steady_clock::now().time_since_epoch(); }

Environment OwnEnvironment() {
  Environment env;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (const char* equals = std::strchr(*entry, '=')) {
      env.emplace(std::string_view(*entry, static_cast<std::size_t>(equals - *entry)), equals + 1);
    }
  }
  return env;
}

class Supervisor {
 public:
  Supervisor(pid_t worker, Cgroup cgroup, std::vector<std::string> host_argv)
      : worker_(worker), cgroup_(std::move(cgroup)), home_(Cgroup::OfThisProcess()), host_argv_(std::move(host_argv)) {}

  int Run();

 private:
  enum class Phase {
    kEmpty,        // no process below us
    kRunning,      // the host runs
    kTerminating,  // all were asked to end, and have until kill_at_
    kKilling,      // all must end
  };

  bool SetUp();
  void Wait();
  void ReadControl();
  void Obey(const ControlMessage& message, UniqueFd channel);
  void StartHost(UniqueFd channel);
  void Terminate(Duration kill_at);
  void BlameKernel();
  void Reap();
  void Advance();
  void Sweep();
  void KillAll();
  void Limit(std::int64_t bytes);
  void LookAtMemory();
  void Orphaned();
  void Report(ControlKind kind, ExitStatus exit = {}, std::int64_t value = 0);

  const pid_t worker_;
  Cgroup cgroup_;      // of the host and all below it
  const Cgroup home_;  // ours
  const std::vector<std::string> host_argv_;
  UniqueFd control_{kControlFd};
  UniqueFd signals_;
  Phase phase_ = Phase::kEmpty;
  pid_t host_ = 0;
  UniqueFd next_channel_;  // of a host to be started once the tree is empty
  bool sweeping_ = false;
  bool orphaned_ = false;
  Duration kill_at_{};
  Duration orphaned_at_{};
  MemoryWatch memory_;                  // on while an attempt has a limit that no cgroup holds
  std::int64_t limit_ = 0;              // of the memory that the attempt may take; 0 = none
  Cgroup::MemoryEvents memory_before_;  // what the kernel had counted before the attempt
  int passes_ = 0;                      // of killing, since the last time the tree was well
};

bool Supervisor::SetUp() {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE}) ::signal(signal, SIG_IGN);
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGCHLD);
  sigaddset(&watched, kParentSignal);
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  signals_.Reset(signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  fcntl(control_.get(), F_SETFD, FD_CLOEXEC);
  if (!signals_.valid() || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
    std::perror("millrace supervisor");
    return false;
  }
  prctl(PR_SET_NAME, "millrace-superv", 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, kParentSignal, 0, 0, 0);
  if (getppid() != worker_) Orphaned();  // it died before we asked to be told
  return true;
}

void Supervisor::Report(ControlKind kind, ExitStatus exit, std::int64_t value) {
  ControlMessage message;
  message.kind = kind;
  message.code = exit.code;
  message.signal = exit.signal;
  message.value = value;
  // Blocks only when the worker has left hundreds of them unread. A worker that is gone is noticed elsewhere.
  while (send(control_.get(), &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void Supervisor::Orphaned() {
  if (orphaned_) return;
  orphaned_ = true;
  orphaned_at_ = Now();
  next_channel_.Reset();
  if (phase_ != Phase::kEmpty) phase_ = Phase::kKilling;
}

void Supervisor::StartHost(UniqueFd channel) {
  SpawnRequest request;
  request.program = "/proc/self/exe";
  request.argv = host_argv_;
  request.env = OwnEnvironment();
  request.descriptors.emplace_back(channel.get(), kHostChannelFd);
  // It must be born there: moved later, it could have started others already. (posix_spawn cannot say where before
  // glibc 2.39.)
  const bool inside = cgroup_.Add(getpid());
  const absl::StatusOr<Child> child = Spawn(request);
  if (!inside || !home_.Add(getpid())) {
    cgroup_ = Cgroup();  // killing it would be no use, or our own end
    Limit(std::exchange(limit_, 0));
  }
  memory_before_ = cgroup_.CountMemoryEvents();
  if (!child.ok()) {
    std::fprintf(stderr, "millrace supervisor: %s\n", std::string(child.status().message()).c_str());
    Report(ControlKind::kHostExited, {127, 0}, EIO);
    Report(ControlKind::kTreeEmpty);
    return;
  }
  host_ = child->pid;
  phase_ = Phase::kRunning;
  passes_ = 0;
  Report(ControlKind::kHostStarted, {}, host_);
}

void Supervisor::Obey(const ControlMessage& message, UniqueFd channel) {
  switch (message.kind) {
    case ControlKind::kStartHost:
      next_channel_ = std::move(channel);
      Limit(0);
      if (phase_ != Phase::kEmpty) phase_ = Phase::kKilling;
      return;
    case ControlKind::kTerminate: Terminate(Now() + std::max(Duration(message.value), Duration::zero())); return;
    case ControlKind::kKill:
      if (phase_ != Phase::kEmpty) phase_ = Phase::kKilling;
      return;
    case ControlKind::kSweep:
      sweeping_ = true;
      Limit(0);
      memory_before_ = cgroup_.CountMemoryEvents();
      return;
    case ControlKind::kLimit: Limit(message.value); return;
    default: return;
  }
}

void Supervisor::Terminate(Duration kill_at) {
  if (phase_ == Phase::kTerminating) kill_at_ = std::min(kill_at_, kill_at);
  if (phase_ != Phase::kRunning) return;
  phase_ = Phase::kTerminating;
  kill_at_ = kill_at;
  KillDescendants(getpid(), SIGTERM);
}

void Supervisor::Limit(std::int64_t bytes) {
  if (bytes == limit_) return;
  limit_ = bytes;
  if (cgroup_.LimitMemory(bytes)) return;
  if (bytes > 0) {
    memory_.Start(bytes);
  } else {
    memory_.Stop();
  }
}

void Supervisor::LookAtMemory() {
  if (!memory_.on() || host_ == 0 || Now() < memory_.next_look()) return;
  const std::optional<std::int64_t> used = memory_.Look(getpid(), host_, &Now);
  if (!used) return;
  memory_.Stop();
  Report(ControlKind::kOutOfMemory, {}, *used);
  phase_ = Phase::kKilling;
}

void Supervisor::ReadControl() {
  for (;;) {
    ControlMessage message;
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
    iovec part{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = room;
    header.msg_controllen = sizeof room;
    const ssize_t n = recvmsg(control_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n != sizeof message) return Orphaned();
    UniqueFd channel;
    if (const cmsghdr* carried = CMSG_FIRSTHDR(&header); carried != nullptr && carried->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(carried), sizeof fd);
      channel.Reset(fd);
    }
    Obey(message, std::move(channel));
  }
}

// Was it the kernel that killed the host, and if so, for our limit or because others have left no memory?
void Supervisor::BlameKernel() {
  const Cgroup::MemoryEvents now = cgroup_.CountMemoryEvents();
  if (now.kills <= memory_before_.kills) return;
  const bool over_limit = limit_ > 0 && now.over_limit > memory_before_.over_limit;
  Report(ControlKind::kOutOfMemory, {}, over_limit ? limit_ : 0);
}

void Supervisor::Reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid == 0) return;
    if (pid < 0) break;  // ECHILD: all orphans come to us, so that no child means no descendant
    if (pid != host_) continue;
    host_ = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) BlameKernel();
    Report(ControlKind::kHostExited, ExitStatusOfWait(status));
    // What it leaves behind belongs to nobody. Only what was just asked to end has its time for that.
    if (phase_ == Phase::kRunning) phase_ = Phase::kKilling;
  }
  if (phase_ == Phase::kEmpty) return;
  phase_ = Phase::kEmpty;
  Report(ControlKind::kTreeEmpty);
}

void Supervisor::Sweep() {
  if (phase_ == Phase::kRunning && KillDescendants(getpid(), SIGKILL, host_) > 0) return;  // and look again
  sweeping_ = false;
  // While all are being ended, the end of the tree is the answer.
  if (phase_ == Phase::kRunning || phase_ == Phase::kEmpty) Report(ControlKind::kTreeSwept);
}

void Supervisor::KillAll() {
  cgroup_.Kill();
  KillDescendants(getpid(), SIGKILL);
}

void Supervisor::Advance() {
  Reap();
  if (phase_ == Phase::kRunning || phase_ == Phase::kTerminating) LookAtMemory();
  if (sweeping_) Sweep();
  if (phase_ == Phase::kTerminating && Now() >= kill_at_) phase_ = Phase::kKilling;
  if (phase_ == Phase::kKilling) {
    ++passes_;
    KillAll();
    Reap();
  }
  if (phase_ == Phase::kEmpty && next_channel_.valid()) StartHost(std::move(next_channel_));
}

void Supervisor::Wait() {
  Duration wake = Duration::max();
  if (phase_ == Phase::kTerminating) wake = kill_at_;
  // The one thing that ever turns by itself here, while it is needed.
  if (memory_.on() && host_ != 0) wake = std::min(wake, memory_.next_look());
  int timeout = -1;
  if (wake != Duration::max()) {
    const Duration left = std::max(wake - Now(), Duration::zero());
    timeout = static_cast<int>(std::min<std::int64_t>(left / std::chrono::milliseconds(1) + 1, 3'600'000));
  }
  // New passes find what was being started during the last one. What resists is not worth a core.
  if (phase_ == Phase::kKilling || sweeping_) timeout = passes_ < 100 ? 1 : 50;
  pollfd polled[] = {{orphaned_ ? -1 : control_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  if (poll(polled, std::size(polled), timeout) <= 0) return;
  if (polled[1].revents != 0) {
    signalfd_siginfo info[16];
    while (read(signals_.get(), info, sizeof info) > 0) {
    }
    if (getppid() != worker_) Orphaned();
  }
  if (polled[0].revents != 0) ReadControl();
}

int Supervisor::Run() {
  if (!SetUp()) return 71;  // EX_OSERR
  for (;;) {
    Advance();
    if (orphaned_ && phase_ == Phase::kEmpty) {
      cgroup_.Remove();
      return 0;
    }
    if (orphaned_ && Now() - orphaned_at_ > kGiveUp) return 1;
    Wait();
  }
}

}  // namespace

std::optional<int> MaybeRunSupervisor(int argc, char** argv) {
  possible = true;
  if (argc < 2 || std::string_view(argv[1]) != kSupervisorWord) return std::nullopt;
  if (argc < 5) return 64;  // EX_USAGE
  std::vector<std::string> host_argv{argv[0]};
  host_argv.insert(host_argv.end(), argv + 4, argv + argc);
  return Supervisor(std::atoi(argv[2]), Cgroup(argv[3]), std::move(host_argv)).Run();
}

bool SupervisorIsPossible() { return possible; }

}  // namespace millrace::exec
