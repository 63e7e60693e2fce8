// SPDX-License-Identifier: Apache-2.0
// The thread of a slot for modules that run in this process: it runs what it was given, one after the other.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "millrace/api/registry.h"
#include "millrace/model/slot.h"

namespace millrace::serve {

class SlotThread {
 public:
  // Called on the slot's thread, and by Withdraw; must not call back. `more`: another attempt begins right away, so
  // that it need not be looked at at once.
  using Said = std::function<void(SlotMessage, bool more)>;
  // `new_privileges`: whether what modules start may gain some.
  SlotThread(const Registry& registry, bool new_privileges, Said said);
  ~SlotThread();  // what runs is asked to stop, and waited for
  SlotThread(const SlotThread&) = delete;
  SlotThread& operator=(const SlotThread&) = delete;

  // One thread may call these. Begins with the next Flush, Withdraw or Stop: a lock for each of those that take
  // microseconds would cost more than they do.
  void Start(SlotExecute&& execute) { started_.push_back(std::move(execute)); }
  void Flush();
  // If it has not begun it never will, which is said before anything of those behind it.
  void Withdraw(AttemptId attempt);
  // Asks it to stop; nothing can make it.
  void Stop(AttemptId attempt);

 private:
  void Loop();
  bool TakeOut(AttemptId attempt);  // of the line, under the lock; false: it is not there

  const Registry& registry_;
  const bool new_privileges_;
  const Said said_;
  std::vector<SlotExecute> started_;  // of the caller's thread
  std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false;  // the thread, for something to do
  bool over_ = false;
  std::deque<SlotExecute> line_;
  AttemptId running_;
  std::stop_source stop_;  // of what runs
  std::thread thread_;     // the last member: it uses the others
};

}  // namespace millrace::serve
