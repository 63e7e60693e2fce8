// SPDX-License-Identifier: Apache-2.0
// Virtual time: what is to happen, in the order of its time and, at the same time, of its planning.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "millrace/base/time.h"

namespace millrace::sim {

class Timeline {
 public:
  using Deed = absl::AnyInvocable<void()>;

  Instant now() const { return now_; }
  // Plans `deed`. `node`: whose doing it is, see Hold.
  void At(Instant at, std::uint32_t node, Deed deed) {
    std::uint32_t place = 0;
    if (free_.empty()) {
      place = static_cast<std::uint32_t>(deeds_.size());
      deeds_.push_back(std::move(deed));
    } else {
      place = free_.back();
      free_.pop_back();
      deeds_[place] = std::move(deed);
    }
    Push({.at = std::max(at, now_), .number = ++planned_, .place = place, .node = node});
  }
  void After(Duration wait, std::uint32_t node, Deed deed) { At(now_ + wait, node, std::move(deed)); }

  // The node stands still until then: what is planned for it happens afterwards, in its order.
  void Hold(std::uint32_t node, Instant until) {
    if (held_.size() <= node) held_.resize(node + 1, Instant::min());
    held_[node] = std::max(held_[node], until);
  }
  bool Holds(std::uint32_t node) const { return node < held_.size() && held_[node] > now_; }
  Instant HeldUntil(std::uint32_t node) const { return Holds(node) ? held_[node] : now_; }

  // Does the next deed. False when nothing is planned, or not before `end`.
  bool Turn(Instant end) {
    while (!heap_.empty() && heap_.front().at <= end) {
      Entry entry = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), Later);
      heap_.pop_back();
      now_ = entry.at;
      if (Holds(entry.node)) {
        entry.at = held_[entry.node];
        entry.number = ++planned_;
        Push(entry);
        continue;
      }
      Deed deed = std::move(deeds_[entry.place]);
      free_.push_back(entry.place);
      ++done_;
      deed();
      return true;
    }
    return false;
  }
  std::uint64_t done() const { return done_; }

 private:
  struct Entry {
    Instant at;
    std::uint64_t number = 0;
    std::uint32_t place = 0;
    std::uint32_t node = 0;
  };
  static bool Later(const Entry& a, const Entry& b) { return a.at != b.at ? a.at > b.at : a.number > b.number; }
  void Push(const Entry& entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }

  Instant now_{};
  std::uint64_t planned_ = 0;
  std::uint64_t done_ = 0;
  std::vector<Entry> heap_;
  std::vector<Deed> deeds_;
  std::vector<std::uint32_t> free_;
  std::vector<Instant> held_;
};

}  // namespace millrace::sim
