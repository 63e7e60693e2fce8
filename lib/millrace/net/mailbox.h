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
    Signal();
  }

  // Wakes nobody: for those that come often, by a writer who sees to it that the reader looks soon. Signalled with the
  // next Push, or once `limit` items wait.
  void PushQuietly(T item, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    if (items_.size() >= limit) Signal();
  }

  // For those that were pushed quietly, if there are any.
  void Wake() {
    const std::lock_guard lock(mutex_);
    if (!items_.empty()) Signal();
  }

  // False, and nothing taken, when `limit` items wait already.
  bool TryPush(T&& item, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= limit) return false;
    items_.push_back(std::move(item));
    Signal();
    return true;
  }

  // Appends everything that waits, in the order it was pushed (per thread), and returns how much that was.
  std::size_t DrainInto(std::vector<T>& out) {
    std::vector<T> taken;
    {
      const std::lock_guard lock(mutex_);
      if (items_.empty()) return 0;
      if (std::exchange(signalled_, false)) wakeup_.Drain();
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
  // One signal per filling: the reader takes all there is. Under the lock, so that a reader who finds nothing needs no
  // system call.
  void Signal() {
    if (!std::exchange(signalled_, true)) wakeup_.Signal();
  }

  Wakeup wakeup_;
  bool signalled_ = false;
  std::mutex mutex_;
  std::vector<T> items_;
};

}  // namespace millrace::net
