// SPDX-License-Identifier: Apache-2.0
// Typed values to msgpack and back: Encode(value), Decode<T>(bytes). Which types: see Supported<T> in shape.h.
//
// Two layouts. kNamed is for users' values: structs are maps by field name, so that YAML, JSON and people can read
// them, unknown keys are ignored and missing ones keep their defaults. kPositional is for control messages and records:
// structs are arrays; trailing fields that have their defaults are left off, missing ones keep theirs, and unknown
// trailing elements are skipped, so that new fields may be added at the end. A default never changes, then, and a field
// that is a struct begins as that struct does. Equal values have equal bytes: map keys are written in sorted order.
//
// Decoding trusts nothing: see reader.h. Errors name the field, the byte, the limit and the value.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/wire/decode.h"
#include "millrace/wire/encode.h"
#include "millrace/wire/limits.h"
#include "millrace/wire/shape.h"

namespace millrace::wire {

template <class T>
concept Decodable = Supported<T> && std::default_initializable<T> && std::movable<T>;

template <Layout L = Layout::kNamed, class T>
void EncodeTo(std::string& out, const T& value) {
  static_assert(Supported<T>,
                "millrace: this type cannot travel; use numbers, strings, bytes, enums, paths, durations, vectors, "
                "arrays, maps, sets, pairs, optionals, variants and plain structs of these");
  if constexpr (Supported<T>) {
    Writer writer(out);
    codec::Write<L>(writer, value);
  }
}

template <Layout L = Layout::kNamed, class T>
std::string Encode(const T& value) {
  std::string out;
  EncodeTo<L>(out, value);
  return out;
}

namespace codec {

template <class T, Layout L, class Input>
absl::StatusOr<T> DecodeFrom(const Input& input, const Limits& limits) {
  static_assert(Decodable<T>,
                "millrace: this type cannot travel; use numbers, strings, bytes, enums, paths, durations, vectors, "
                "arrays, maps, sets, pairs, optionals, variants and plain structs of these");
  if constexpr (Decodable<T>) {
    Reader reader(input, limits);
    T value{};
    static_cast<void>(Read<L>(reader, value));  // Finish tells
    if (absl::Status status = reader.Finish(); !status.ok()) return status;
    return value;
  }
}

}  // namespace codec

template <class T, Layout L = Layout::kNamed>
absl::StatusOr<T> Decode(std::string_view input, const Limits& limits = {}) {
  return codec::DecodeFrom<T, L>(input, limits);
}
// Fields of type Bytes share the input's storage instead of copying, unless they are a small part of a big input.
template <class T, Layout L = Layout::kNamed>
absl::StatusOr<T> Decode(const Bytes& input, const Limits& limits = {}) {
  return codec::DecodeFrom<T, L>(input, limits);
}

}  // namespace millrace::wire
