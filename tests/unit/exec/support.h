// SPDX-License-Identifier: Apache-2.0
// What the tests of exec share: waiting on conditions, processes that cannot be mistaken for others, a slot driven by a
// poll loop, and the other roles of the test executable (started through argv by main.cc).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/exec/command.h"
#include "millrace/exec/slot_process.h"

namespace millrace::exec {

// Waits, generously, until `holds` is true. False when it never was.
bool Eventually(const std::function<bool()>& holds);

// A directory of its own for one test, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string ReadFile(const std::filesystem::path& path);

// A process by pid and start time.
struct Witness {
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  bool Alive() const;
};
// Waits for a file that holds a pid, and looks at that process.
Witness AwaitWitness(const std::filesystem::path& pid_file);

// The path of this executable, for scripts. `DaemonCommand` detaches by fork, setsid and fork, ignores TERM, writes its
// pid and stays for ever.
std::string TestExecutable();
std::string DaemonCommand(const std::filesystem::path& pid_file);
// A command that takes so many mebibytes (at most kMostMebibytes), touches them, writes its pid and stays for ever.
std::string HogCommand(int mebibytes, const std::filesystem::path& pid_file);
// Whatever a test does wrong: no process of it takes more.
inline constexpr int kMostMebibytes = 512;

// `sh -c script` with a child's environment.
CommandLine TestShell(std::string script, Environment extra = {});

// A shell command that prints the masks of blocked and ignored signals of process `pid`, and what it prints when there
// are none. Signals 32 and 33 are glibc's own; it ignores them in what it spawns.
std::string SignalMasksCommand(std::string_view pid);
inline constexpr char kNoSignalMasks[] = "0000000\n0000000\n";

// A slot whose host is this executable (see HostMain), and a loop around it. Without a cgroup, so that what must do
// without one is tested on every machine.
class TestSlot {
 public:
  explicit TestSlot(std::size_t max_frame = kDefaultMaxFrame, int output_fd = -1, bool cgroup = false);

  SlotProcess& slot() { return *slot_; }
  void Drop() { slot_.reset(); }
  // Polls until `done` or for a long time; what has arrived is in frames and events.
  bool Until(const std::function<bool()>& done);
  // Sends a command to the host and returns its answer.
  std::string Ask(std::string_view command);
  template <class Event>
  const Event* Find() const {
    for (const SlotEvent& event : events) {
      if (const Event* found = std::get_if<Event>(&event)) return found;
    }
    return nullptr;
  }
  template <class Event>
  bool Await() {
    return Until([this] { return Find<Event>() != nullptr; });
  }

  std::vector<std::string> frames;
  std::vector<SlotEvent> events;
  absl::Status received;  // the last error of ReceiveAll

 private:
  std::unique_ptr<SlotProcess> slot_;
};

// The other roles. A host obeys, frame by frame:
//   echo TEXT | fds | pid | run SCRIPT (answers its output) | start SCRIPT (does not wait) | exit N | abort | spin |
//   flood N | eat N (mebibytes, kept)
int HostMain();
// Owns a slot whose host starts what `script` says, then sleeps until it is killed.
int OwnerMain(const std::string& script, bool cgroup);
int DaemonMain(const std::string& pid_file);
int HogMain(int mebibytes, const std::string& pid_file);
// Puts a ConfinementText on itself, runs `script` as a command of its own, and prints what that printed and its exit
// code.
int ConfinedMain(const std::string& confinement, const std::string& script);

}  // namespace millrace::exec
