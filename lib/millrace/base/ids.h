// SPDX-License-Identifier: Apache-2.0
// Ids are types: a run, an attempt and a session are all 64-bit numbers, and none can stand for another.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace millrace {

// 0 is "none" for every kind. Codecs write an Id as its bare number.
template <class Tag>
struct Id {
  using IdTag = Tag;
  std::uint64_t value = 0;

  constexpr bool valid() const { return value != 0; }
  friend constexpr auto operator<=>(Id, Id) = default;
  template <typename H>
  friend H AbslHashValue(H state, Id id) {
    return H::combine(std::move(state), id.value);
  }
};

// Raised and synced at every broker start, before a socket is bound.
using Epoch = std::uint32_t;

// epoch<<32 | n: never reused, also across broker restarts.
using RunId = Id<struct RunTag>;
using SessionId = Id<struct SessionTag>;
using AttemptId = Id<struct AttemptTag>;

// One process's life, drawn at random at its start.
using Incarnation = Id<struct IncarnationTag>;

// A connection as a shell names it; means nothing to anyone else. Never reused within one broker's life.
using PeerId = Id<struct PeerTag>;

// The position of a record in the journal; 0 = before everything.
using JournalPosition = std::uint64_t;

constexpr std::uint64_t EpochQualified(Epoch epoch, std::uint32_t n) {
  return (static_cast<std::uint64_t>(epoch) << 32) | n;
}
constexpr Epoch EpochOf(std::uint64_t qualified) { return static_cast<Epoch>(qualified >> 32); }

// A task is known by its run and its index in that run's JobSpec.
struct TaskRef {
  RunId run;
  std::uint32_t index = 0;
  friend constexpr auto operator<=>(const TaskRef&, const TaskRef&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const TaskRef& ref) {
    return H::combine(std::move(state), ref.run, ref.index);
  }
};

// Runs are shown to people as "EPOCH.N", e.g. "3.17".
std::string RunName(RunId run);
absl::StatusOr<RunId> ParseRunName(std::string_view text);

}  // namespace millrace
