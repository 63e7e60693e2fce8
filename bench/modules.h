// SPDX-License-Identifier: Apache-2.0
// The tasks of the benchmarks: they do nothing, or a known amount of something.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "millrace/api/api.h"
#include "millrace/base/random.h"

namespace millrace::bench {

// Nothing, with 16 bytes of input.
struct Token {
  static constexpr std::string_view kName = "token";
  std::string text{};
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::Status Run(Context&) const { return absl::OkStatus(); }
};

// The same in a process of its slot's own.
struct IsolatedToken {
  static constexpr std::string_view kName = "isolated-token";
  std::string text{};
  absl::Status Run(Context&) const { return absl::OkStatus(); }
};

inline Bytes SixteenBytes(std::uint64_t number) {
  const std::array<std::uint64_t, 2> both = {number, ~number};
  return Bytes::Copy({reinterpret_cast<const char*>(both.data()), sizeof(both)});
}
inline std::uint64_t NumberOf(const Bytes& sixteen) {
  std::uint64_t number = 0;
  if (sixteen.size() == 16) std::memcpy(&number, sixteen.data(), sizeof(number));
  return number;
}
// What a node makes of its own number and what came before.
inline std::uint64_t Mix(std::uint64_t own, std::uint64_t sum) { return Random(own + sum).Next(); }

// Its result is made of the results that it was handed.
struct Node {
  static constexpr std::string_view kName = "node";
  std::uint64_t number = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::StatusOr<Bytes> Run(Context& context) const {
    std::uint64_t sum = 0;
    for (const DependencyView& dependency : context.dependencies()) {
      const auto result = DecodeValue<Bytes>(dependency.result);
      if (!result.ok()) return result.status();
      sum += NumberOf(*result);
    }
    return SixteenBytes(Mix(number, sum));
  }
};

// So many steps of arithmetic that no compiler can leave out or do at once.
inline std::uint64_t Compute(std::uint64_t iterations) {
  std::uint64_t value = iterations;
  for (std::uint64_t i = 0; i < iterations; ++i) value = value * 6364136223846793005U + 1442695040888963407U;
  return value;
}

// Task Bench's compute kernel with its 16 bytes of output.
struct Spin {
  static constexpr std::string_view kName = "spin";
  std::uint64_t iterations = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::StatusOr<Bytes> Run(Context&) const { return SixteenBytes(Compute(iterations)); }
};

// A result that no compression makes smaller.
struct Blob {
  static constexpr std::string_view kName = "blob";
  std::uint64_t bytes = 0;
  std::uint64_t seed = 0;
  Policy policy() const { return {.isolation = Isolation::kInProcess}; }
  absl::StatusOr<Bytes> Run(Context&) const {
    std::string content(bytes, '\0');
    Random random(seed);
    for (std::size_t at = 0; at < content.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random.Next();
      std::memcpy(content.data() + at, &word, std::min(sizeof(word), content.size() - at));
    }
    return Bytes(std::move(content));
  }
};

}  // namespace millrace::bench
