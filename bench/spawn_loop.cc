// SPDX-License-Identifier: Apache-2.0
#include "bench/spawn_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/fleet.h"
#include "millrace/base/status.h"
#include "millrace/exec/slot_process.h"

extern char** environ;

namespace millrace::bench {
namespace {

constexpr char kLoopWord[] = "--bench-spawn-loop";
constexpr char kProgram[] = "/bin/true";
constexpr std::size_t kWatched = 3;  // stdout, stderr, the end

[[noreturn]] void Fail(const char* what) {
  Check(ErrnoStatus(errno, what));
  std::abort();
}

// One command under way: what is still open of its pipes and its pidfd.
class Spawned {
 public:
  void Start() {
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0) Fail("pipe2");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    std::string program = kProgram;
    std::array<char*, 2> argv = {program.data(), nullptr};
    errno = posix_spawn(&pid_, kProgram, &actions, nullptr, argv.data(), environ);
    if (errno != 0) Fail(kProgram);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (pidfd < 0) Fail("pidfd_open");
    fds_ = {out[0], err[0], pidfd};
  }
  const std::array<int, kWatched>& fds() const { return fds_; }  // -1: has ended
  // Something is to be read on the descriptor `which`; true when that was the last of the command.
  bool Read(std::size_t which) {
    if (which < 2) {
      std::array<char, 4096> buffer{};
      if (read(fds_[which], buffer.data(), buffer.size()) > 0) return false;
    } else {
      int status = 0;
      waitpid(pid_, &status, 0);
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) Check(Internal("%s has failed", kProgram));
    }
    close(fds_[which]);
    fds_[which] = -1;
    return fds_[0] < 0 && fds_[1] < 0 && fds_[2] < 0;
  }

 private:
  pid_t pid_ = 0;
  std::array<int, kWatched> fds_{-1, -1, -1};
};

// A loop below its supervisor, and the pipe on which it says how long it took.
struct Slot {
  std::unique_ptr<exec::SlotProcess> process;
  UniqueFd said;
};

Slot StartSlot(std::int64_t commands) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) Fail("pipe2");
  Slot slot;
  slot.said = UniqueFd(ends[0]);
  const UniqueFd output(ends[1]);
  exec::SlotOptions options;
  options.host_args = {kLoopWord, std::to_string(commands)};
  options.output_fd = output.get();
  slot.process = Checked(exec::SlotProcess::Start(std::move(options)));
  return slot;
}

// The seconds that the loop says, once it has ended.
double AwaitSlot(Slot& slot) {
  for (bool exited = false; !exited;) {
    pollfd item{slot.process->control_fd(), POLLIN, 0};
    if (poll(&item, 1, -1) < 0 && errno != EINTR) Fail("poll");
    for (const exec::SlotEvent& event : slot.process->TakeEvents()) {
      if (std::holds_alternative<exec::SupervisorLost>(event)) Check(Internal("a supervisor was lost"));
      exited = exited || std::holds_alternative<exec::HostExited>(event);
    }
  }
  std::array<char, 64> text{};
  const ssize_t got = read(slot.said.get(), text.data(), text.size() - 1);
  const double seconds = got > 0 ? std::strtod(text.data(), nullptr) : 0;
  if (seconds <= 0) Check(Internal("a loop below a supervisor did not say how long it took: %s", text.data()));
  return seconds;
}

}  // namespace

double SpawnsPerSecond(std::int64_t commands, int at_once) {
  std::vector<Spawned> spawned(static_cast<std::size_t>(at_once));
  std::vector<pollfd> items(spawned.size() * kWatched);
  std::int64_t started = 0;
  std::int64_t ended = 0;
  const auto start = Clock::now();
  for (Spawned& one : spawned) {
    if (started < commands) {
      one.Start();
      ++started;
    }
  }
  while (ended < commands) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      items[i] = {spawned[i / kWatched].fds()[i % kWatched], POLLIN, 0};
    }
    if (poll(items.data(), items.size(), -1) < 0 && errno != EINTR) Fail("poll");
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (items[i].revents == 0 || !spawned[i / kWatched].Read(i % kWatched)) continue;
      ++ended;
      if (started < commands) {
        spawned[i / kWatched].Start();
        ++started;
        // What poll said of the one before is over.
        for (std::size_t j = 0; j < kWatched; ++j) items[i / kWatched * kWatched + j].revents = 0;
      }
    }
  }
  return static_cast<double>(commands) / SecondsSince(start);
}

double SupervisedSpawnsPerSecond(std::int64_t commands, int slots) {
  const std::int64_t each = std::max<std::int64_t>(1, commands / slots);
  std::vector<Slot> running;
  for (int i = 0; i < slots; ++i) running.push_back(StartSlot(each));
  double rate = 0;
  for (Slot& slot : running) rate += static_cast<double>(each) / AwaitSlot(slot);
  return rate;
}

std::optional<int> MaybeRunSpawnLoop(int argc, char** argv) {
  if (argc < 3 || std::string_view(argv[1]) != kLoopWord) return std::nullopt;
  const std::int64_t commands = std::atoll(argv[2]);
  std::printf("%.9f\n", static_cast<double>(commands) / SpawnsPerSecond(commands, 1));
  return 0;
}

}  // namespace millrace::bench
