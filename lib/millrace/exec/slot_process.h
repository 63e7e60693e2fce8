// SPDX-License-Identifier: Apache-2.0
// The worker's side of one slot: a supervisor process, below it a module host, and a channel of frames to that host.
//
// Made for one thread that drives many slots from a poll loop, and never blocks:
//   poll  channel_fd()  for POLLIN, and for POLLOUT while wants_write();   control_fd()  for POLLIN
//   channel readable -> ReceiveAll;   channel writable -> Flush;   control readable -> TakeEvents
// A descriptor of -1 is not there now. When the owner of a slot dies, by whatever cause, all of its processes die too.
// The process must not ignore SIGCHLD nor wait for children it did not start.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"
#include "millrace/base/time.h"
#include "millrace/exec/cgroup.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/frame.h"
#include "millrace/exec/spawn.h"

namespace millrace::exec {

struct SlotOptions {
  std::vector<std::string> host_args;  // of the host, which is this same program; at least one
  Environment env;                  // the whole of it: see ChildEnvironment. LD_LIBRARY_PATH is added if we have one.
  std::filesystem::path directory;  // where the host starts; empty: ours
  std::size_t max_frame = kDefaultMaxFrame;  // bytes, either way
  int output_fd = -1;  // what becomes the stdout and stderr of the host; -1: it shares ours. Not taken over.
  bool cgroup = true;  // have one of its own where we may make some; else the supervisor does without
};

struct HostStarted {
  pid_t pid = 0;
};
struct HostExited {
  ExitStatus status;
  bool started = true;  // false: it could not be started at all; the reason is on stderr
};
// Before HostExited: what the tree used, over the limit of LimitMemory, so that it is being killed; 0: the kernel
// killed some of it because memory was out, but not by that limit.
struct OutOfMemory {
  std::int64_t used = 0;  // bytes
};
struct TreeEmpty {};     // after HostExited: nothing the host had started is left
struct TreeSwept {};     // nothing but the host is left
struct SupervisorLost {  // somebody killed it. All below it has been killed by now; this slot is of no more use.
  ExitStatus status;
};
using SlotEvent = std::variant<HostStarted, HostExited, TreeEmpty, TreeSwept, SupervisorLost, OutOfMemory>;

class SlotProcess {
 public:
  // Starts the supervisor, and it a host. FailedPrecondition when main() does not begin with MaybeRunSupervisor.
  static absl::StatusOr<std::unique_ptr<SlotProcess>> Start(SlotOptions options);
  // Kills the tree and waits for its end (milliseconds).
  ~SlotProcess();
  SlotProcess(const SlotProcess&) = delete;
  SlotProcess& operator=(const SlotProcess&) = delete;

  int channel_fd() const { return channel_.get(); }  // -1 after its end was read, until RestartHost
  int control_fd() const { return control_.get(); }  // -1 once the supervisor is lost
  bool wants_write() const { return channel_.valid() && sent_ < unsent_.size(); }
  std::size_t unsent_bytes() const { return unsent_.size() - sent_; }
  pid_t supervisor_pid() const { return supervisor_.pid; }
  pid_t host_pid() const { return host_pid_; }  // 0 while none runs

  // Sends, or keeps for Flush, one frame. ResourceExhausted over max_frame, Unavailable without a channel.
  absl::Status Send(std::string_view frame);
  absl::Status Flush();
  // Appends what has arrived (at most some megabytes at once; poll tells of more). After the end of the channel and
  // after an error there is no channel any more. The last frames of a host that exits may be here still: read them
  // before RestartHost.
  absl::Status ReceiveAll(std::vector<std::string>* frames);
  // What has happened, in order.
  std::vector<SlotEvent> TakeEvents();

  // What the host and all below it may take together beyond what the host holds now. Until SweepTree, or a new host.
  void LimitMemory(std::int64_t bytes);
  // TERM to the host and all below it, KILL to what is left after `grace`. Ends with TreeEmpty.
  void TerminateTree(Duration grace);
  // KILL at once. Ends with TreeEmpty.
  void KillTree();
  // KILL to all but the host: for what an attempt that has ended left behind. Ends with TreeSwept, or TreeEmpty when
  // the host has ended meanwhile.
  void SweepTree();
  // A new host and a new channel; frames of the old one that were not sent or not received are forgotten. A tree that
  // is still there is killed first, and its end reported.
  absl::Status RestartHost();

 private:
  explicit SlotProcess(SlotOptions options);
  absl::Status StartSupervisor();
  SupervisorLost LoseSupervisor();

  SlotOptions options_;
  const std::string mark_;
  pid_t dead_host_ = 0;  // the latest that has ended
  Cgroup cgroup_;
  Child supervisor_;
  pid_t host_pid_ = 0;
  UniqueFd control_;
  UniqueFd channel_;
  FrameReader reader_;
  std::string unsent_;  // from sent_ on
  std::size_t sent_ = 0;
};

}  // namespace millrace::exec
