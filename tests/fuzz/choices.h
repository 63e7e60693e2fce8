// SPDX-License-Identifier: Apache-2.0
// The bytes of a fuzzer as choices: what happens next, to whom, how often. When they are used up, all choices are 0.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::fuzz {

class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  std::uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  // From 0 to `bound` - 1; one byte, so `bound` is at most 256.
  std::size_t Below(std::size_t bound) { return Byte() % bound; }
  bool OneIn(std::size_t n) { return Below(n) == n - 1; }
  std::uint16_t Word() {
    const std::uint16_t high = Byte();
    return static_cast<std::uint16_t>(high << 8 | Byte());
  }
  std::uint64_t Number() {
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | Byte();
    return number;
  }
  std::string_view Take(std::size_t size) {
    size = std::min(size, left_);
    const std::string_view taken(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    left_ -= size;
    return taken;
  }
  std::string_view Rest() { return Take(left_); }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

}  // namespace millrace::fuzz
