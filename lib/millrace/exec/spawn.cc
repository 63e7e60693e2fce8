// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "millrace/base/status.h"
#include "millrace/exec/confinement.h"

namespace millrace::exec {
namespace {

// Owns the two attribute objects of posix_spawn. Their setters fail only for want of memory.
struct SpawnPlan {
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

void PlanSignals(bool own_session, SpawnPlan* plan) {
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&plan->attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&plan->attributes, &signals);
  posix_spawnattr_setpgroup(&plan->attributes, 0);
  const short group = own_session ? short{POSIX_SPAWN_SETSID} : short{POSIX_SPAWN_SETPGROUP};
  posix_spawnattr_setflags(&plan->attributes,
                           static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | group));
}

// A source below the highest target could be overwritten before it is copied: such sources are moved out of the way.
absl::Status PlanDescriptors(const SpawnRequest& request, SpawnPlan* plan, std::vector<UniqueFd>* moved) {
  int highest = STDERR_FILENO;
  bool has_input = false;
  for (const auto& [from, to] : request.descriptors) {
    highest = std::max(highest, to);
    has_input = has_input || to == STDIN_FILENO;
  }
  for (const auto& [from, to] : request.descriptors) {
    int source = from;
    if (from <= highest && from != to) {
      UniqueFd copy(fcntl(from, F_DUPFD_CLOEXEC, highest + 1));
      if (!copy.valid()) return ErrnoStatus(errno, "duplicate a descriptor");
      source = copy.get();
      moved->push_back(std::move(copy));
    }
    posix_spawn_file_actions_adddup2(&plan->actions, source, to);  // also clears CLOEXEC where source == to
  }
  if (!has_input) posix_spawn_file_actions_addopen(&plan->actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&plan->actions, highest + 1);
  return absl::OkStatus();
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status WhyNotSpawned(int error, const SpawnRequest& request) {
  std::error_code ignored;
  if (!request.directory.empty() && !std::filesystem::is_directory(request.directory, ignored)) {
    return FailedPrecondition("cannot run %s in %s: no such directory", request.program, request.directory.string());
  }
  switch (error) {
    case ENOEXEC:
      return InvalidArgument("cannot run %s: neither a program of this machine nor a script that starts with #!",
                             request.program);
    case E2BIG: {
      std::size_t bytes = 0;
      for (const std::string& argument : request.argv) bytes += argument.size() + 1;
      for (const auto& [name, value] : request.env) bytes += name.size() + value.size() + 2;
      return InvalidArgument("cannot run %s: its arguments and environment are %d bytes, over the system's limit of %d",
                             request.program, bytes, sysconf(_SC_ARG_MAX));
    }
    case EAGAIN:
      return ResourceExhausted("cannot run %s: this user or machine has no room for another process", request.program);
    default: return ErrnoStatus(error, "run " + request.program);
  }
}

}  // namespace

ExitStatus ExitStatusOfWait(int wait_status) {
  if (WIFSIGNALED(wait_status)) return {128 + WTERMSIG(wait_status), WTERMSIG(wait_status)};
  return {WEXITSTATUS(wait_status), 0};
}

absl::StatusOr<UniqueFd> OpenPidFd(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));  // always CLOEXEC
  if (!fd.valid()) return ErrnoStatus(errno, absl::StrFormat("pidfd_open %d", pid));
  return fd;
}

absl::StatusOr<Child> Spawn(const SpawnRequest& request) {
  SpawnPlan plan;
  std::vector<UniqueFd> moved;
  PlanSignals(request.own_session, &plan);
  MILLRACE_RETURN_IF_ERROR(PlanDescriptors(request, &plan, &moved));
  if (!request.directory.empty()) posix_spawn_file_actions_addchdir_np(&plan.actions, request.directory.c_str());
  std::vector<std::string> assignments;
  assignments.reserve(request.env.size());
  for (const auto& [name, value] : request.env) assignments.push_back(name + "=" + value);
  const std::vector<char*> argv = Pointers(request.argv);
  const std::vector<char*> envp = Pointers(assignments);

  Child child;
  int error = 0;
  // A program that was written a moment ago is busy as long as a child that another thread is just starting still holds
  // the writer's descriptor: that passes by itself.
  for (int tries = 0; tries < 8; ++tries) {
    error = posix_spawn(&child.pid, request.program.c_str(), &plan.actions, &plan.attributes, argv.data(), envp.data());
    if (error != ETXTBSY) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 << tries));
  }
  if (error != 0) return WhyNotSpawned(error, request);
  HoldToCpuLimit(child.pid);
  absl::StatusOr<UniqueFd> pidfd = OpenPidFd(child.pid);
  if (!pidfd.ok()) {
    kill(child.pid, SIGKILL);
    while (waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return Annotate(pidfd.status(), "run " + request.program + " (needs Linux 5.3)");
  }
  child.pidfd = *std::move(pidfd);
  return child;
}

}  // namespace millrace::exec
