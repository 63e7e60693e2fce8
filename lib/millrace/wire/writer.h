// SPDX-License-Identifier: Apache-2.0
// Appends msgpack to a string the caller owns. Each value is written in its shortest form, so equal values have equal
// bytes. Whoever writes an array or a map header owes as many elements (for maps: keys and values in turn).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::wire {

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void Nil() { out_.push_back(static_cast<char>(0xc0)); }
  void Bool(bool value) { out_.push_back(static_cast<char>(value ? 0xc3 : 0xc2)); }
  void Unsigned(std::uint64_t value) {
    if (value < 0x80) {
      out_.push_back(static_cast<char>(value));
    } else {
      WideUnsigned(value);
    }
  }
  void Signed(std::int64_t value) {
    if (value >= 0) {
      Unsigned(static_cast<std::uint64_t>(value));
    } else {
      Negative(value);
    }
  }
  void Float(float value);
  void Double(double value);
  // Any bytes; readers do not demand UTF-8. At most 2^32 - 1 of them, as in every msgpack.
  void String(std::string_view text);
  void Binary(std::string_view bytes);
  void ArrayHeader(std::size_t count) {
    if (count < 16) {
      out_.push_back(static_cast<char>(0x90 | count));
    } else {
      WideArrayHeader(count);
    }
  }
  void MapHeader(std::size_t count);

 private:
  void WideUnsigned(std::uint64_t value);
  void Negative(std::int64_t value);
  void WideArrayHeader(std::size_t count);

  std::string& out_;
};

}  // namespace millrace::wire
