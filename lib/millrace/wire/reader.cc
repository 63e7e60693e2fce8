// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kBudgetFloor = 1U << 20;
constexpr double kExactInteger = 9007199254740992.0;  // 2^53: up to here a double holds every integer

// A slice keeps its whole input alive. It is copied instead when it is a small part of something big.
constexpr std::size_t kAlwaysShare = 64U << 10;
constexpr std::size_t kShareFraction = 64;

std::string_view NameOf(Type type) {
  switch (type) {
    case Type::kNone: return "the end";
    case Type::kNil: return "nil";
    case Type::kBool: return "a boolean";
    case Type::kInteger: return "an integer";
    case Type::kFloat: return "a float";
    case Type::kString: return "a string";
    case Type::kBinary: return "binary";
    case Type::kArray: return "an array";
    case Type::kMap: return "a map";
    case Type::kExtension: return "an extension";
  }
  return "nothing known";
}

// By the first byte of a value: https://github.com/msgpack/msgpack/blob/master/spec.md
constexpr Type TypeOf(unsigned char head) {
  if (head <= 0x7f || head >= 0xe0) return Type::kInteger;
  if (head <= 0x8f) return Type::kMap;
  if (head <= 0x9f) return Type::kArray;
  if (head <= 0xbf) return Type::kString;
  if (head == 0xc0) return Type::kNil;
  if (head == 0xc1) return Type::kExtension;  // never used by msgpack: as unknown to us as extensions are
  if (head <= 0xc3) return Type::kBool;
  if (head <= 0xc6) return Type::kBinary;
  if (head <= 0xc9) return Type::kExtension;
  if (head <= 0xcb) return Type::kFloat;
  if (head <= 0xd3) return Type::kInteger;
  if (head <= 0xd8) return Type::kExtension;
  if (head <= 0xdb) return Type::kString;
  return head <= 0xdd ? Type::kArray : Type::kMap;
}

constexpr std::array<Type, 256> kTypes = [] {
  std::array<Type, 256> types{};
  for (std::size_t head = 0; head < types.size(); ++head) types[head] = TypeOf(static_cast<unsigned char>(head));
  return types;
}();

// A big-endian number.
template <class T>
std::uint64_t Number(const char* bytes) {
  T number;
  std::memcpy(&number, bytes, sizeof number);
  if constexpr (std::endian::native == std::endian::big) return number;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(number);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(number);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(number);
  return number;
}

}  // namespace

Reader::Reader(std::string_view input, const Limits& limits) : input_(input), limits_(limits), end_(input.size()) {
  if (input.size() > limits.max_bytes) {
    OverLimit("an input", input.size(), "max_bytes", limits.max_bytes);
    return;
  }
  const std::size_t most = (std::numeric_limits<std::size_t>::max() - kBudgetFloor) / (input.size() + 1);
  budget_ = kBudgetFloor + input.size() * std::min(limits.max_growth, most);
}

Reader::Reader(const Bytes& input, const Limits& limits) : Reader(input.view(), limits) { shared_ = &input; }

Type Reader::Peek() const { return position_ < end_ ? kTypes[Head()] : Type::kNone; }

bool Reader::ReadNil() {
  if (Peek() != Type::kNil) return Expected("nil");
  ++position_;
  return true;
}

bool Reader::ReadBool(bool& value) {
  if (Peek() != Type::kBool) return Expected("a boolean");
  value = Head() == 0xc3;
  ++position_;
  return true;
}

bool Reader::ReadHeader(std::size_t width, std::uint64_t& number) {
  if (width >= end_ - position_) return Fail("the input ends inside a value");
  const char* const bytes = input_.data() + position_ + 1;
  switch (width) {
    case 1: number = Number<std::uint8_t>(bytes); return true;
    case 2: number = Number<std::uint16_t>(bytes); return true;
    case 4: number = Number<std::uint32_t>(bytes); return true;
    default: number = Number<std::uint64_t>(bytes); return true;
  }
}

bool Reader::ReadAnyInteger(Integer& integer) {
  if (Peek() != Type::kInteger) return Expected("an integer");
  const unsigned char head = Head();
  if (head <= 0x7f || head >= 0xe0) {
    integer = {head >= 0xe0, static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(head))),
               position_};
    ++position_;
    return true;
  }
  const bool is_signed = head >= 0xd0;
  const std::size_t width = std::size_t{1} << (head - (is_signed ? 0xd0 : 0xcc));
  if (!ReadHeader(width, integer.bits)) return false;
  integer.negative = false;
  integer.start = position_;
  if (is_signed) {
    const int shift = static_cast<int>(64 - 8 * width);
    const std::int64_t number = static_cast<std::int64_t>(integer.bits << shift) >> shift;
    integer.negative = number < 0;
    integer.bits = static_cast<std::uint64_t>(number);
  }
  position_ += 1 + width;
  return true;
}

bool Reader::OutOfRange(const Integer& integer, std::size_t bits, bool is_signed) {
  const std::string number =
      integer.negative ? std::to_string(static_cast<std::int64_t>(integer.bits)) : std::to_string(integer.bits);
  return Fail(
      absl::StrFormat("%s does not fit %s integer of %d bits", number, is_signed ? "a signed" : "an unsigned", bits));
}

bool Reader::ReadDouble(double& value) {
  if (Peek() == Type::kInteger) {
    Integer integer;
    if (!ReadAnyInteger(integer)) return false;
    const double number = integer.negative ? static_cast<double>(static_cast<std::int64_t>(integer.bits))
                                           : static_cast<double>(integer.bits);
    if (std::abs(number) > kExactInteger) return Fail("an integer beyond 2^53 is no exact floating-point number");
    value = number;
    return true;
  }
  if (Peek() != Type::kFloat) return Expected("a number");
  const bool is_double = Head() == 0xcb;
  const std::size_t width = is_double ? 8 : 4;
  std::uint64_t bits = 0;
  if (!ReadHeader(width, bits)) return false;
  value = is_double ? std::bit_cast<double>(bits)
                    : static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  position_ += 1 + width;
  return true;
}

bool Reader::ReadFloat(float& value) {
  double number = 0;
  if (!ReadDouble(number)) return false;
  if (std::isfinite(number) && std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
    return Fail(absl::StrFormat("%g does not fit a float of 32 bits", number));
  }
  value = static_cast<float>(number);
  return true;
}

bool Reader::ReadBody(std::size_t header, std::size_t size, std::string_view& body) {
  if (size > limits_.max_string) return OverLimit("a string or binary", size, "max_string", limits_.max_string);
  const std::size_t left = end_ - position_ - header;
  if (size > left) return Fail(absl::StrFormat("%d bytes are announced and %d are left", size, left));
  body = input_.substr(position_ + header, size);
  position_ += header + size;
  return true;
}

bool Reader::ReadString(std::string_view& text) {
  if (position_ < end_ && (Head() & 0xe0) == 0xa0) return ReadBody(1, Head() & 0x1f, text);  // most are short
  if (Peek() != Type::kString) return Expected("a string");
  const std::size_t width = std::size_t{1} << (Head() - 0xd9);
  std::uint64_t size = 0;
  return ReadHeader(width, size) && ReadBody(1 + width, size, text);
}

bool Reader::ReadBinary(std::string_view& bytes) {
  if (Peek() != Type::kBinary) return Expected("binary");
  const std::size_t width = std::size_t{1} << (Head() - 0xc4);
  std::uint64_t size = 0;
  return ReadHeader(width, size) && ReadBody(1 + width, size, bytes);
}

bool Reader::ReadBinary(Bytes& bytes) {
  std::string_view view;
  if (!ReadBinary(view)) return false;
  const bool share = shared_ != nullptr && shared_->owner() != nullptr &&
                     (input_.size() <= kAlwaysShare || view.size() >= input_.size() / kShareFraction);
  if (view.empty()) {
    bytes = Bytes();
  } else if (share) {
    bytes = Bytes(shared_->owner(), view);
  } else {
    if (!Charge(view.size())) return false;
    bytes = Bytes::Copy(view);
  }
  return true;
}

bool Reader::Enter(std::size_t header, std::size_t count, std::size_t values_each) {
  if (depth_ >= limits_.max_depth) return OverLimit("nesting", depth_ + 1, "max_depth", limits_.max_depth);
  if (count > limits_.max_elements) return OverLimit("a count", count, "max_elements", limits_.max_elements);
  const std::size_t left = end_ - position_ - header;
  if (count * values_each > left) {  // a value takes one byte at least
    return Fail(absl::StrFormat("%d elements are announced and %d bytes are left", count, left));
  }
  position_ += header;
  ++depth_;
  return true;
}

bool Reader::EnterArray(std::size_t& count) {
  if (position_ < end_ && (Head() & 0xf0) == 0x90) {  // most are short
    const std::size_t few = Head() & 0x0f;
    if (!Enter(1, few, 1)) return false;
    count = few;
    return true;
  }
  if (Peek() != Type::kArray) return Expected("an array");
  const unsigned char head = Head();
  std::uint64_t number = head & 0x0f;
  const std::size_t width = head <= 0x9f ? 0 : head == 0xdc ? 2 : 4;
  if ((width > 0 && !ReadHeader(width, number)) || !Enter(1 + width, number, 1)) return false;
  count = number;
  return true;
}

bool Reader::EnterMap(std::size_t& count) {
  if (Peek() != Type::kMap) return Expected("a map");
  const unsigned char head = Head();
  std::uint64_t number = head & 0x0f;
  const std::size_t width = head <= 0x8f ? 0 : head == 0xde ? 2 : 4;
  if ((width > 0 && !ReadHeader(width, number)) || !Enter(1 + width, number, 2)) return false;
  count = number;
  return true;
}

bool Reader::Skip() {
  std::string_view body;
  std::size_t count = 0;
  switch (Peek()) {
    case Type::kNil:
    case Type::kBool: ++position_; return true;
    case Type::kInteger: {
      Integer integer;
      return ReadAnyInteger(integer);
    }
    case Type::kFloat: {
      double number = 0;
      return ReadDouble(number);
    }
    case Type::kString: return ReadString(body);
    case Type::kBinary: return ReadBinary(body);
    case Type::kArray:
    case Type::kMap: {
      const bool is_map = Peek() == Type::kMap;
      if (is_map ? !EnterMap(count) : !EnterArray(count)) return false;
      for (std::size_t i = 0; i < (is_map ? 2 * count : count); ++i) {
        if (!Skip()) return false;  // no deeper than max_depth
      }
      Leave();
      return true;
    }
    case Type::kExtension:
    case Type::kNone: break;
  }
  return Expected("a value");
}

bool Reader::OverBudget(std::size_t bytes) {
  code_ = absl::StatusCode::kResourceExhausted;
  return Fail(
      absl::StrFormat("the value needs %d more bytes of memory and %d are left of the limit (1 MiB and "
                      "max_growth %d times the input's %d bytes)",
                      bytes, budget_, limits_.max_growth, input_.size()));
}

bool Reader::OverLimit(std::string_view what, std::size_t value, std::string_view limit_name, std::size_t limit) {
  code_ = absl::StatusCode::kResourceExhausted;
  return Fail(absl::StrFormat("%s of %d is over %s %d", what, value, limit_name, limit));
}

bool Reader::Expected(std::string_view what) {
  if (!ok()) return false;
  return Fail(absl::StrFormat("expected %s, found %s", what, NameOf(Peek())));
}

bool Reader::Fail(std::string what) {
  if (!ok()) return false;
  error_ = absl::StrFormat("byte %d: %s", position_, what);
  if (code_ == absl::StatusCode::kOk) code_ = absl::StatusCode::kInvalidArgument;
  end_ = 0;
  return false;
}

void Reader::Within(std::string_view field) {
  if (ok()) return;
  field_ = field_.empty() || field_.front() == '[' ? std::string(field) + field_ : std::string(field) + "." + field_;
}

absl::Status Reader::Finish() {
  if (ok() && position_ < end_) {
    Fail(absl::StrFormat("%d bytes follow the value", end_ - position_));
  }
  if (ok()) return absl::OkStatus();
  return field_.empty() ? Error(code_, "%s", error_) : Error(code_, "%s at %s", field_, error_);
}

}  // namespace millrace::wire
