// SPDX-License-Identifier: Apache-2.0
// The slots of a worker: per slot a supervised module host, started when first needed and reused, and a thread for
// modules that want to run in this process. One thread drives them all through poll.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "millrace/agent/event.h"
#include "millrace/api/registry.h"
#include "millrace/exec/confinement.h"
#include "millrace/exec/secret_source.h"
#include "millrace/exec/spawn.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/poller.h"

namespace millrace::serve {

class SlotThread;

class SlotSet {
 public:
  struct Options {
    std::uint32_t slots = 1;
    const Registry* registry = nullptr;
    std::vector<std::string> host_args;
    exec::Confinement confinement;  // of modules on threads only what a thread can have: no new privileges
    std::string work_dir;
    exec::SecretSource secrets;
    std::uint64_t max_frame = 0;  // bytes between a host and this process
  };
  explicit SlotSet(Options options);
  ~SlotSet();  // kills what runs; waits for modules on threads, which are asked to stop
  SlotSet(const SlotSet&) = delete;
  SlotSet& operator=(const SlotSet&) = delete;

  void Start(agent::Start&& start);
  // Threads begin with what they were given since the last time: call it when there is no more for now.
  void Flush();
  // Answered at once when the attempt has not begun, else by its end.
  void Withdraw(std::uint32_t slot, AttemptId attempt);
  void Terminate(std::uint32_t slot, AttemptId attempt);
  void Kill(std::uint32_t slot);

  // What was said since the last call, as events for the agent: by threads, and then by hosts, which also die.
  void Collect(std::vector<agent::SlotSaid>& by_threads, std::vector<agent::Event>& by_hosts);
  void AppendPollItems(std::vector<net::PollItem>& items);

 private:
  struct HostSlot;

  void StartInHost(std::uint32_t slot, SlotExecute&& execute, std::int64_t memory_limit);
  void StartOnThread(std::uint32_t slot, SlotExecute&& execute);
  // `transient`: another try may do better.
  void Fail(std::uint32_t slot, AttemptId attempt, const absl::Status& status, bool transient = true);
  // The host of this slot is gone, and so is all below it.
  agent::SlotDied DeathOf(std::uint32_t slot, exec::ExitStatus status);
  void CollectHost(std::uint32_t slot, std::vector<agent::Event>& events);

  Options options_;
  std::vector<std::unique_ptr<HostSlot>> hosts_;
  net::Mailbox<agent::SlotSaid> said_;
  std::vector<std::unique_ptr<SlotThread>> threads_;  // end before what they write to
};

}  // namespace millrace::serve
