// SPDX-License-Identifier: Apache-2.0
// How an attempt or a task ended, and with what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/base/time.h"

namespace millrace {

enum class Outcome : std::uint8_t {
  kNone,  // not ended
  kSucceeded,
  kFailed,
  kTimedOut,
  kCancelled,
  kSkipped,
  kLost,              // its worker went away (an attempt's outcome; a task's only when it must not run again)
  kCached,            // good without an execution
  kDependencyFailed,  // never ran: something it needs did not succeed
};

constexpr bool IsGood(Outcome outcome) { return outcome == Outcome::kSucceeded || outcome == Outcome::kCached; }

// A value as it travels: packed bytes (raw or LZ4, see wire/lz4.h), inline or by the digest of the packed bytes when it
// rides on the bulk plane. Nothing between the author's code and the worker's registry opens it.
struct Payload {
  Bytes bytes;                   // empty when `digest` is set, or when there is no value
  std::optional<Digest> digest;  // of the packed bytes
  std::uint64_t size = 0;        // of the packed bytes
  friend bool operator==(const Payload&, const Payload&) = default;
};

// A failure is told in a control message: longer texts are cut by whoever makes it, and again by whoever takes it.
inline constexpr std::size_t kMaxFailureText = 16u << 10;  // bytes of `message`, and of `output`

struct Failure {
  std::string message;    // what happened, for people
  std::string exception;  // type of an escaped C++ exception, or ""
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::string output;      // the last lines the attempt printed
  bool transient = false;  // worth another try by default
  bool crashed = false;    // the module's process died under it
  std::string worker;      // who ran it, on which host, at which try (1-based); filled in by the broker
  std::string host;
  std::uint32_t try_number = 0;
  bool out_of_memory = false;  // it went over its memory_limit, or an allocation of its own was refused
  friend bool operator==(const Failure&, const Failure&) = default;
};

}  // namespace millrace
