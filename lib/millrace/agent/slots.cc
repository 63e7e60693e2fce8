// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/slots.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::agent {
namespace {

constexpr std::int64_t kMostCpus = 65536;  // no machine has more; a wrong offer must not eat the memory

}  // namespace

Slots::Slots(std::int64_t cpus, std::uint32_t extra)
    : cpus_(std::clamp<std::int64_t>(cpus, 0, kMostCpus)), slots_(static_cast<std::size_t>(cpus_) + extra) {}

std::int64_t Slots::Clamp(std::int64_t cpus) const { return std::clamp<std::int64_t>(cpus, 0, cpus_); }

std::optional<std::uint32_t> Slots::FreeFor(std::int64_t cpus) const {
  if (cpus > cpus_ - cpus_used_) return std::nullopt;
  const auto first = static_cast<std::uint32_t>(cpus > 0 ? 0 : cpus_);
  const auto last = static_cast<std::uint32_t>(cpus > 0 ? cpus_ : static_cast<std::int64_t>(slots_.size()));
  for (std::uint32_t index = first; index < last; ++index) {
    if (!slots_[index].busy()) return index;
  }
  return std::nullopt;
}

Slot& Slots::Occupy(std::uint32_t index, AttemptId attempt, std::int64_t cpus) {
  Slot& slot = slots_[index];
  slot.attempt = attempt;
  slot.cpus = cpus;
  cpus_used_ += cpus;
  ++busy_;
  end_ = std::max(end_, index + 1);
  return slot;
}

void Slots::Free(std::uint32_t index) {
  Slot& slot = slots_[index];
  cpus_used_ -= slot.cpus;
  --busy_;
  const std::uint32_t deaths = slot.deaths;
  slot = Slot{};
  slot.deaths = deaths;
  while (end_ > 0 && !slots_[end_ - 1].busy()) --end_;
}

std::optional<std::uint32_t> Slots::Find(AttemptId attempt) const {
  for (std::uint32_t index = 0; index < end_; ++index) {
    if (slots_[index].attempt == attempt) return index;
  }
  return std::nullopt;
}

absl::Status Slots::CheckInvariants() const {
  std::int64_t used = 0;
  std::uint32_t busy = 0;
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    const Slot& slot = slots_[index];
    if (slot.busy() && index >= end_)
      return Internal("slot %d is busy, and the last such is said to be %d", index, end_);
    if (!slot.busy()) {
      if (slot.cpus != 0 || slot.killed || slot.told || slot.deadline != kNever || slot.kill_at != kNever) {
        return Internal("free slot %d has traces of an attempt", index);
      }
      continue;
    }
    ++busy;
    used += slot.cpus;
    if ((slot.cpus > 0) != (index < cpus_)) {
      return Internal("attempt %d, which takes %d cpus, is in slot %d of %d", slot.attempt.value, slot.cpus, index,
                      cpus_);
    }
    if (slot.told && !slot.in_process) return Internal("the end of attempt %d was told early", slot.attempt.value);
    if (slot.cause != StopCause::kNone && slot.kill_at == kNever && !slot.told) {
      return Internal("attempt %d is being stopped without an end", slot.attempt.value);
    }
  }
  if (busy != busy_ || used != cpus_used_ || used > cpus_) {
    return Internal("%d of %d slots busy with %d of %d cpus; counted %d, %d", busy, slots_.size(), used, cpus_, busy_,
                    cpus_used_);
  }
  return absl::OkStatus();
}

}  // namespace millrace::agent
