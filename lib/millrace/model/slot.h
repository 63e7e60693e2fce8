// SPDX-License-Identifier: Apache-2.0
// What a worker and the module host in one of its slots say to each other, over a private socket pair. The host is this
// same program, so there is no version to negotiate; frames are positional msgpack like the control channel's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/artifact.h"
#include "millrace/model/outcome.h"

namespace millrace {

struct SlotDependency {
  std::string name;
  std::string module;
  std::int32_t parameter = -1;
  Outcome outcome = Outcome::kNone;
  Payload result;  // always inline here, still packed
  Failure failure;
  Payload inputs;  // of the dependency's task; inline too
  friend bool operator==(const SlotDependency&, const SlotDependency&) = default;
};

// Run this. One at a time per host.
struct SlotExecute {
  static constexpr std::uint8_t kKind = 1;
  AttemptId attempt;
  TaskRef task;
  std::uint32_t try_number = 1;
  std::string name;
  std::string module;
  Payload inputs;  // inline
  std::map<std::string, std::string> env;
  std::vector<SlotDependency> needs;
  std::string work_dir;
  Duration kill_grace{};
  std::uint64_t max_payload = 0;
  bool compression = true;
  std::map<std::string, std::string> secrets;  // environment variable -> value; filled in right before it is sent
  friend bool operator==(const SlotExecute&, const SlotExecute&) = default;
};

// Stop cooperatively: the stop token is set and commands get TERM. The worker kills the tree when the grace is over.
struct SlotStop {
  static constexpr std::uint8_t kKind = 2;
  AttemptId attempt;
  friend bool operator==(const SlotStop&, const SlotStop&) = default;
};

struct SlotOutput {
  static constexpr std::uint8_t kKind = 3;
  AttemptId attempt;
  bool is_stderr = false;
  std::string text;
  friend bool operator==(const SlotOutput&, const SlotOutput&) = default;
};

struct SlotDone {
  static constexpr std::uint8_t kKind = 4;
  AttemptId attempt;
  Outcome outcome = Outcome::kNone;  // kSucceeded, kFailed, kSkipped or kCancelled
  Payload result;
  Failure failure;
  Duration execution{};
  bool started = true;                      // false: it was withdrawn in time; the rest says nothing
  std::optional<ArtifactTree> artifacts{};  // never from the host: the worker has collected them
  friend bool operator==(const SlotDone&, const SlotDone&) = default;
};

using SlotMessage = std::variant<SlotExecute, SlotStop, SlotOutput, SlotDone>;

}  // namespace millrace
