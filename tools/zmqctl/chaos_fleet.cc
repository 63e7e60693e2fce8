// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_fleet.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/find_program.h"
#include "tools/zmqctl/chaos_plan.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

absl::StatusOr<std::string> FindBeside(const fs::path& folder, const std::string& build_folder,
                                       const std::string& name) {
  for (const fs::path& place : {folder / name, folder.parent_path() / build_folder / name}) {
    std::error_code error;
    if (fs::exists(place, error)) return place.string();
  }
  const char* path = std::getenv("PATH");
  return exec::FindProgram(name, path == nullptr ? "" : path, folder);
}

}  // namespace

absl::StatusOr<Programs> FindPrograms() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoStatus(error.value(), "/proc/self/exe");
  Programs programs;
  MILLRACE_ASSIGN_OR_RETURN(programs.broker, FindBeside(self.parent_path(), "broker", "millrace-broker"));
  MILLRACE_ASSIGN_OR_RETURN(programs.worker, FindBeside(self.parent_path(), "worker", "millrace-worker"));
  return programs;
}

Fleet::Fleet(FleetOptions options) : options_(std::move(options)), members_(options_.hosts.size() + 1) {}

Fleet::~Fleet() {
  for (std::size_t member = 0; member < size(); ++member) Kill(member);
}

std::string Fleet::NameOf(std::size_t member) const {
  return member == kBroker ? "the broker" : WorkerName(member - 1);
}

fs::path Fleet::LogOf(std::size_t member) const {
  return options_.folder / ((member == kBroker ? "broker" : NameOf(member)) + ".log");
}

std::vector<std::string> Fleet::Arguments(std::size_t member) const {
  const auto span = [](Duration duration) {
    return absl::StrFormat("%dms", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  if (member == kBroker) {
    return {options_.programs.broker,
            "--port",
            std::to_string(options_.port),
            "--data-dir",
            data_dir().string(),
            "--worker-heartbeat-interval",
            span(options_.heartbeat),
            "--worker-heartbeat-timeout",
            span(options_.lease),
            "--expect-workers",
            std::to_string(size() - 1),
            "--crash-limit",
            std::to_string(options_.crash_limit),
            "--no-http",
            "--ready-file",
            ready_file().string()};
  }
  return {options_.programs.worker,
          "--worker-id",
          NameOf(member),
          "--slots",
          std::to_string(options_.slots),
          "--orchestrator",
          absl::StrFormat("tcp://%s:%d", options_.hosts[member - 1], options_.port),
          "--work-dir",
          options_.work_dir.string(),
          options_.detect_tools ? "--detect-tools" : "--no-detect-tools"};
}

std::string Fleet::CommandLine(std::size_t member) const { return absl::StrJoin(Arguments(member), " "); }

absl::Status Fleet::Start(std::size_t member) {
  const UniqueFd log(open(LogOf(member).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return ErrnoStatus(errno, LogOf(member).string());
  exec::SpawnRequest request;
  request.argv = Arguments(member);
  request.program = request.argv.front();
  // Nobody's own settings: what the fleet is told stands on its command lines. What killed tasks leave behind goes with
  // the folder.
  const fs::path scratch = options_.folder / "tmp";
  std::error_code error;
  fs::create_directories(scratch, error);
  if (error) return ErrnoStatus(error.value(), scratch.string());
  request.env = exec::ChildEnvironment({{"TMPDIR", scratch.string()},
                                        {"XDG_CONFIG_HOME", (options_.folder / "config").string()},
                                        {"XDG_STATE_HOME", (options_.folder / "state").string()}});
  request.descriptors = {{log.get(), 1}, {log.get(), 2}};
  request.own_session = true;  // Ctrl-C is for us, who have to clean up
  MILLRACE_ASSIGN_OR_RETURN(members_[member], exec::Spawn(request));
  return absl::OkStatus();
}

void Fleet::Signal(std::size_t member, int signal) {
  if (runs(member)) kill(members_[member].pid, signal);
}

void Fleet::Kill(std::size_t member) {
  Signal(member, SIGKILL);
  Reap(member);
}

absl::StatusOr<bool> Fleet::IsUp() const {
  for (std::size_t member = 0; member < size(); ++member) {
    pollfd item{pidfd(member), POLLIN, 0};
    if (poll(&item, 1, 0) == 1) {
      return Unavailable("%s ended at its start; %s says why", NameOf(member), LogOf(member).string());
    }
  }
  std::error_code error;
  return fs::exists(ready_file(), error);
}

exec::ExitStatus Fleet::Reap(std::size_t member) {
  if (!runs(member)) return {};
  int status = 0;
  while (waitpid(members_[member].pid, &status, 0) < 0 && errno == EINTR) {
  }
  members_[member] = {};
  return exec::ExitStatusOfWait(status);
}

void Fleet::Stop(Duration patience) {
  for (std::size_t member = 0; member < size(); ++member) Signal(member, SIGTERM);
  const Clock::time_point until = Clock::now() + std::chrono::duration_cast<Clock::duration>(patience);
  for (std::size_t member = 0; member < size(); ++member) {
    pollfd item{pidfd(member), POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (runs(member) && poll(&item, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) == 1) Reap(member);
    Kill(member);
  }
}

}  // namespace millrace::zmqctl
