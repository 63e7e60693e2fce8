// SPDX-License-Identifier: Apache-2.0
// A queue from any thread to one that polls. It has no limit of its own: whoever pushes is bounded by something else (a
// window, a batch that is answered), or uses TryPush. Needs no ZeroMQ.
#pragma once

#include <cstddef>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "millrace/net/wakeup.h"

namespace millrace::net {

template <class T>
class Mailbox {
 public:
  void Push(T item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    // One signal per filling: the reader takes all there is. Under the lock, so that "signalled" is "not empty", and a
    // reader who finds nothing needs no system call.
    if (items_.size() == 1) wakeup_.Signal();
  }

  // False, and nothing taken, when `limit` items wait already.
  bool TryPush(T&& item, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= limit) return false;
    items_.push_back(std::move(item));
    if (items_.size() == 1) wakeup_.Signal();
    return true;
  }

  // Appends everything that waits, in the order it was pushed (per thread), and returns how much that was.
  std::size_t DrainInto(std::vector<T>& out) {
    std::vector<T> taken;
    {
      const std::lock_guard lock(mutex_);
      if (items_.empty()) return 0;
      wakeup_.Drain();
      taken.swap(items_);
    }
    if (out.empty()) {
      out = std::move(taken);
      return out.size();
    }
    out.insert(out.end(), std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end()));
    return taken.size();
  }

  int fd() const { return wakeup_.fd(); }  // readable while something waits

 private:
  Wakeup wakeup_;
  std::mutex mutex_;
  std::vector<T> items_;
};

}  // namespace millrace::net
