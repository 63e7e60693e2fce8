// SPDX-License-Identifier: Apache-2.0
// A pull reader of msgpack over bytes that may be wrong, huge or hostile: values are asked for one at a time, no tree
// of objects is built, and every length and count is checked against the limits and against the bytes that remain
// before anything is reserved.
//
// The Read functions give false after the first error and leave their target alone; from then on everything fails, so
// callers need no checks in between. Finish() tells what was wrong and where. The input must outlive the reader and
// every string_view it hands out.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "millrace/base/bytes.h"
#include "millrace/wire/limits.h"

namespace millrace::wire {

enum class Type : std::uint8_t { kNone, kNil, kBool, kInteger, kFloat, kString, kBinary, kArray, kMap, kExtension };

class Reader {
 public:
  struct Integer {
    bool negative = false;
    std::uint64_t bits = 0;  // two's complement when negative
    std::size_t start = 0;   // where it stands in the input
  };

  explicit Reader(std::string_view input, const Limits& limits = {});
  // Binaries read as Bytes share the input's storage where that does not keep much more alive than they need.
  explicit Reader(const Bytes& input, const Limits& limits = {});

  // Of the next value; kNone at the end and after an error.
  Type Peek() const;

  [[nodiscard]] bool ReadNil();
  [[nodiscard]] bool ReadBool(bool& value);
  // Integers only, and only those that T can hold: never a float, never wrapped.
  template <std::integral T>
  [[nodiscard]] bool ReadInteger(T& value) {
    if (position_ < end_ && static_cast<signed char>(input_[position_]) >= 0) {  // the one-byte integers 0..127
      value = static_cast<T>(input_[position_++]);
      return true;
    }
    Integer integer;
    if (!ReadAnyInteger(integer)) return false;
    if (integer.negative) {
      const auto number = static_cast<std::int64_t>(integer.bits);
      if (std::is_unsigned_v<T> || number < static_cast<std::int64_t>(std::numeric_limits<T>::min())) {
        return OutOfRange(integer, sizeof(T) * 8, std::is_signed_v<T>);
      }
    } else if (integer.bits > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
      return OutOfRange(integer, sizeof(T) * 8, std::is_signed_v<T>);
    }
    value = static_cast<T>(integer.bits);
    return true;
  }
  // Whatever msgpack can say: -2^63 to 2^64 - 1.
  [[nodiscard]] bool ReadAnyInteger(Integer& integer);
  // Also takes integers that a double holds exactly, as JSON and YAML write 2 for 2.0.
  [[nodiscard]] bool ReadDouble(double& value);
  [[nodiscard]] bool ReadFloat(float& value);  // and refuses a finite number beyond the range of float
  [[nodiscard]] bool ReadString(std::string_view& text);
  [[nodiscard]] bool ReadBinary(std::string_view& bytes);
  [[nodiscard]] bool ReadBinary(Bytes& bytes);
  // Between Enter and Leave come `count` values (for maps: `count` times a key and a value).
  [[nodiscard]] bool EnterArray(std::size_t& count);
  [[nodiscard]] bool EnterMap(std::size_t& count);
  void Leave() { --depth_; }
  // The next value, whatever it is, with all inside it.
  [[nodiscard]] bool Skip();

  // Takes `bytes` of memory from the budget, before they are allocated.
  [[nodiscard]] bool Charge(std::size_t bytes) {
    if (bytes > budget_) return OverBudget(bytes);
    budget_ -= bytes;
    return true;
  }

  std::size_t position() const { return position_; }
  std::size_t size() const { return input_.size(); }
  // Goes (back) to where a value begins, as position() told it at the same depth.
  void Seek(std::size_t position) { position_ = position; }

  // Fails with `what` at the current position. Always false.
  bool Fail(std::string what);
  // Says in which field the error lies; called from the inside out.
  void Within(std::string_view field);
  bool ok() const { return error_.empty(); }
  // OK when all went well and the input is used up.
  absl::Status Finish();

 private:
  bool OutOfRange(const Integer& integer, std::size_t bits, bool is_signed);
  bool OverBudget(std::size_t bytes);
  bool OverLimit(std::string_view what, std::size_t value, std::string_view limit_name, std::size_t limit);
  bool Expected(std::string_view what);
  bool Enter(std::size_t header, std::size_t count, std::size_t values_each);
  // Skips a header of 1 + `width` bytes and gives the big-endian number after its first byte.
  bool ReadHeader(std::size_t width, std::uint64_t& number);
  bool ReadBody(std::size_t header, std::size_t size, std::string_view& body);
  unsigned char Head() const { return static_cast<unsigned char>(input_[position_]); }

  std::string_view input_;
  const Bytes* shared_ = nullptr;
  Limits limits_;
  std::size_t position_ = 0;
  std::size_t end_ = 0;  // input_.size(), or 0 after an error, which ends all reading
  std::size_t budget_ = 0;
  std::uint32_t depth_ = 0;
  absl::StatusCode code_ = absl::StatusCode::kOk;
  std::string error_;
  std::string field_;
};

}  // namespace millrace::wire
