// SPDX-License-Identifier: Apache-2.0
// Whether a worker can run a task: requirements against an offer. Exact, ignoring case, and pure; says what is missing
// in words. Amounts: cpus in slots, memory in bytes, resources in units of their own.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/model/job.h"
#include "millrace/model/offer.h"
#include "millrace/model/requirements.h"

namespace millrace::sched {

enum class Comparison : std::uint8_t { kAny, kEqual, kAtLeast, kAtMost, kGreater, kLess };

struct ToolDemand {
  std::string name;
  Comparison comparison = Comparison::kAny;
  std::string version;
};

// "cmake", "cmake>=3.20"; refuses an empty name and an operator without a version.
absl::StatusOr<ToolDemand> ParseToolDemand(std::string_view text);

// Dotted numbers by value ("3.9" < "3.10"); missing parts count as 0; what is no number compares as text, and sorts
// before numbers ("1.0-rc1" < "1.0.1"). Returns <0, 0, >0.
int CompareVersions(std::string_view a, std::string_view b);

// True if the worker could run the task were nothing else running there.
bool CanServe(const Requirements& requirements, const ModuleSpec& module, const Offer& offer);

// What keeps the worker from ever running it, one phrase each ("tool docker", "4 cpus (has 2)"); empty = nothing.
std::vector<std::string> Missing(const Requirements& requirements, const ModuleSpec& module, const Offer& offer);

// What is left of a worker's countable things. Names are lower case.
struct Room {
  std::int64_t cpus = 0;
  std::int64_t memory = 0;
  std::map<std::string, std::int64_t> resources;

  bool Fits(const Room& need) const;
  void Take(const Room& need);
  void Give(const Room& need);
  friend bool operator==(const Room&, const Room&) = default;
};
Room RoomOf(const Offer& offer);
Room NeedOf(const Requirements& requirements);

}  // namespace millrace::sched
