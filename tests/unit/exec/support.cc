// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/exec/support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/exec/confinement.h"
#include "millrace/exec/host_channel.h"
#include "millrace/exec/tree.h"

namespace millrace::exec {
namespace {

constexpr std::chrono::seconds kBound(30);

}  // namespace

bool Eventually(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + kBound;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "exec_test_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool Witness::Alive() const {
  const std::optional<ProcessInfo> info = ReadProcess(pid);
  return info && info->alive() && info->start_time == start_time;
}

Witness AwaitWitness(const std::filesystem::path& pid_file) {
  Witness witness;
  Eventually([&] { return (witness.pid = std::atoi(ReadFile(pid_file).c_str())) > 0; });
  const std::optional<ProcessInfo> info = ReadProcess(witness.pid);
  EXPECT_TRUE(info && info->alive()) << "no process wrote a living pid to " << pid_file;
  if (info) witness.start_time = info->start_time;
  return witness;
}

std::string TestExecutable() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

std::string DaemonCommand(const std::filesystem::path& pid_file) {
  return TestExecutable() + " --test-daemon " + pid_file.string();
}

std::string HogCommand(int mebibytes, const std::filesystem::path& pid_file) {
  return TestExecutable() + " --test-hog " + std::to_string(mebibytes) + " " + pid_file.string();
}

CommandLine TestShell(std::string script, Environment extra) {
  CommandLine line = Shell(std::move(script));
  line.env = ChildEnvironment(std::move(extra));
  return line;
}

std::string SignalMasksCommand(std::string_view pid) {
  return "grep -E '^Sig(Blk|Ign)' /proc/" + std::string(pid) + "/status | cut -f2 | cut -c10-16";
}

TestSlot::TestSlot(std::size_t max_frame, int output_fd, bool cgroup) {
  SlotOptions options;
  options.host_args = {"--test-host"};
  options.env = ChildEnvironment({});
  options.max_frame = max_frame;
  options.output_fd = output_fd;
  options.cgroup = cgroup;
  absl::StatusOr<std::unique_ptr<SlotProcess>> slot = SlotProcess::Start(std::move(options));
  EXPECT_TRUE(slot.ok()) << slot.status();
  slot_ = *std::move(slot);
}

bool TestSlot::Until(const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + kBound;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) return false;
    const short write = slot_->wants_write() ? POLLOUT : 0;
    pollfd polled[] = {{slot_->channel_fd(), static_cast<short>(POLLIN | write), 0}, {slot_->control_fd(), POLLIN, 0}};
    if (poll(polled, std::size(polled), 50) < 0) continue;
    if ((polled[0].revents & POLLOUT) != 0) slot_->Flush().IgnoreError();
    if ((polled[0].revents & ~POLLOUT) != 0) {
      if (absl::Status status = slot_->ReceiveAll(&frames); !status.ok()) received = status;
    }
    if (polled[1].revents != 0) {
      for (SlotEvent& event : slot_->TakeEvents()) events.push_back(event);
    }
  }
  return true;
}

std::string TestSlot::Ask(std::string_view command) {
  const std::size_t before = frames.size();
  if (const absl::Status sent = slot_->Send(command); !sent.ok()) return std::string(sent.message());
  return Until([&] { return frames.size() > before; }) ? frames.back() : "no answer";
}

namespace {

std::string OpenDescriptors() {
  std::string list;
  for (int fd = 0; fd < 256; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) list += std::to_string(fd) + " ";
  }
  return list;
}

// Started and left alone: a shell that is not waited for.
void StartScript(const std::string& script) {
  SpawnRequest request;
  request.program = "/bin/sh";
  request.argv = {"sh", "-c", script};
  request.env = ChildEnvironment({});
  EXPECT_TRUE(Spawn(request).ok());
}

std::string RunScript(const std::string& script) {
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(TestShell(script), {});
  return outcome.ok() ? outcome->out : std::string(outcome.status().message());
}

// Kept by the process until it ends.
void Eat(int mebibytes) {
  constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  static std::vector<std::unique_ptr<char[]>> eaten;
  for (int i = 0; i < mebibytes && eaten.size() < kMostMebibytes; ++i) {
    eaten.emplace_back(new char[kMebibyte]);
    std::memset(eaten.back().get(), i % 100 + 1, kMebibyte);
  }
}

void WritePid(const std::string& pid_file) {
  std::ofstream(pid_file + ".new") << getpid();
  std::filesystem::rename(pid_file + ".new", pid_file);
}

}  // namespace

int HostMain() {
  absl::StatusOr<std::unique_ptr<HostChannel>> channel = HostChannel::FromFd(kHostChannelFd);
  if (!channel.ok()) return 64;
  for (;;) {
    const absl::StatusOr<std::optional<std::string>> received = (*channel)->Receive();
    if (!received.ok() || !received->has_value()) return 0;
    const std::string& command = **received;
    const std::size_t space = std::min(command.find(' '), command.size());
    const std::string verb = command.substr(0, space);
    const std::string rest = space < command.size() ? command.substr(space + 1) : "";
    std::string answer = "unknown";
    if (verb == "echo") answer = rest;
    if (verb == "fds") answer = OpenDescriptors();
    if (verb == "pid") answer = std::to_string(getpid());
    if (verb == "run") answer = RunScript(rest);
    if (verb == "exit") _exit(std::atoi(rest.c_str()));
    if (verb == "abort") std::abort();
    if (verb == "print") {
      if (write(STDOUT_FILENO, rest.data(), rest.size()) < 0) answer = "lost";
    }
    if (verb == "flood") answer.assign(static_cast<std::size_t>(std::atoi(rest.c_str())), 'x');
    if (verb == "eat") {
      Eat(std::atoi(rest.c_str()));
      answer = "ate";
    }
    if (verb == "start") {
      StartScript(rest);
      answer = "started";
    }
    volatile bool spinning = verb == "spin";
    while (spinning) {
    }
    if (!(*channel)->Send(answer).ok()) return 1;
  }
}

int OwnerMain(const std::string& script, bool cgroup) {
  TestSlot slot(kDefaultMaxFrame, -1, cgroup);
  if (slot.Ask("start " + script) != "started") return 1;
  for (;;) pause();
}

int DaemonMain(const std::string& pid_file) {
  if (fork() != 0) _exit(0);
  setsid();
  if (fork() != 0) _exit(0);
  signal(SIGTERM, SIG_IGN);
  WritePid(pid_file);
  for (;;) pause();
}

int ConfinedMain(const std::string& confinement, const std::string& script) {
  const absl::StatusOr<Confinement> parsed = ParseConfinement(confinement);
  const absl::Status confined = parsed.ok() ? Confine(*parsed) : parsed.status();
  if (!confined.ok()) {
    std::printf("%s\n", TextOf(confined).c_str());
    return 1;
  }
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(TestShell(script), {});
  std::printf("%sexit %d\n", outcome.ok() ? outcome->out.c_str() : "", outcome.ok() ? outcome->exit_code : -1);
  return 0;
}

int HogMain(int mebibytes, const std::string& pid_file) {
  Eat(mebibytes);
  WritePid(pid_file);
  for (;;) pause();
}

}  // namespace millrace::exec
