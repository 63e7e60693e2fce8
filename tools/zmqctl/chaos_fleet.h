// SPDX-License-Identifier: Apache-2.0
// The processes of a chaos run: a real broker and real workers of this machine, to be killed, paused and started again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/exec/spawn.h"

namespace millrace::zmqctl {

struct Programs {
  std::string broker;
  std::string worker;
};
// Those that lie beside this program, or where the build that it is from has put them.
absl::StatusOr<Programs> FindPrograms();

struct FleetOptions {
  Programs programs;
  std::filesystem::path folder;    // the broker's data below `data`, a log for each process
  std::filesystem::path work_dir;  // where tasks run
  std::uint16_t port = 0;          // the broker's control port; the other planes follow it
  std::vector<std::string> hosts;  // where each worker dials it
  std::int64_t slots = 2;          // of each worker
  Duration heartbeat = std::chrono::milliseconds(300);
  Duration lease = std::chrono::seconds(3);
  std::int64_t crash_limit = 100;
  bool detect_tools = false;
};

class Fleet {
 public:
  // Member 0 is the broker, the others are the workers.
  static constexpr std::size_t kBroker = 0;

  explicit Fleet(FleetOptions options);
  ~Fleet();  // kills what still runs
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::size_t size() const { return members_.size(); }
  std::string NameOf(std::size_t member) const;
  std::filesystem::path LogOf(std::size_t member) const;
  std::filesystem::path data_dir() const { return options_.folder / "data"; }
  // What each of its programs is started with, for people.
  std::string CommandLine(std::size_t member) const;

  absl::Status Start(std::size_t member);
  bool runs(std::size_t member) const { return members_[member].pid != 0; }
  pid_t pid(std::size_t member) const { return members_[member].pid; }          // 0: it does not run
  int pidfd(std::size_t member) const { return members_[member].pidfd.get(); }  // readable once it has ended
  void Signal(std::size_t member, int signal);
  // kill -9, and waits for the end: nothing of the process itself is left.
  void Kill(std::size_t member);
  // Whether the broker can be dialled yet. Unavailable when one of them has ended instead, with where to read why.
  absl::StatusOr<bool> IsUp() const;
  // For one whose pidfd is readable. What it ended with.
  exec::ExitStatus Reap(std::size_t member);

  // Everybody is asked to end; whoever is still there after `patience` is killed.
  void Stop(Duration patience);

 private:
  std::filesystem::path ready_file() const { return options_.folder / "endpoint"; }
  std::vector<std::string> Arguments(std::size_t member) const;

  FleetOptions options_;
  std::vector<exec::Child> members_;  // pid 0: does not run
};

}  // namespace millrace::zmqctl
