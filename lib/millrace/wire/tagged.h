// SPDX-License-Identifier: Apache-2.0
// A std::variant of structs, each with a `static constexpr std::uint8_t kKind`, as one msgpack array: [kind, field,
// ...]. Instantiated once per variant, in frame.cc, record_entries.cc, record_frame.cc and slot_frame.cc; only these
// include this.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/base/status.h"
#include "millrace/wire/codec.h"

namespace millrace::wire {
namespace tagged {

template <class... T>
consteval bool KindsDiffer(const std::variant<T...>*) {
  constexpr std::array<std::uint8_t, sizeof...(T)> kKinds{T::kKind...};
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kKinds[i] == kKinds[j]) return false;
    }
  }
  return true;
}

template <class T>
bool ReadStruct(Reader& reader, T& value, std::size_t count) {
  if (codec::ReadFields(reader, value, count)) return true;
  reader.Within(ShortTypeName<T>());
  return false;
}

// Makes the alternative of that kind and reads its fields; false in `known` when there is none.
template <class... T>
bool ReadKind(Reader& reader, std::variant<T...>& value, std::uint32_t kind, std::size_t count, bool& known) {
  bool read = false;
  known = ((kind == T::kKind && (read = ReadStruct(reader, value.template emplace<T>(), count), true)) || ...);
  return read;
}

}  // namespace tagged

template <class T>
void EncodeAs(std::string& out, const T& alternative) {
  Writer writer(out);
  const std::size_t count = codec::FieldsToWrite(alternative);
  writer.ArrayHeader(1 + count);
  writer.Unsigned(T::kKind);
  codec::WriteFields(writer, alternative, count);
}

template <class Variant>
void EncodeTagged(std::string& out, const Variant& value) {
  static_assert(tagged::KindsDiffer(static_cast<const Variant*>(nullptr)), "two structs of one variant share a kKind");
  std::visit([&out](const auto& alternative) { EncodeAs(out, alternative); }, value);
}

// `noun`: what the error calls it. An unknown kind is Unimplemented: it comes from a newer peer, not from a broken one.
template <class Variant>
absl::StatusOr<Variant> DecodeTagged(const Bytes& bytes, const Limits& limits, std::string_view noun) {
  Reader reader(bytes, limits);
  Variant value;
  std::size_t count = 0;
  std::uint32_t kind = 0;
  if (reader.EnterArray(count) && count == 0) reader.Fail("an empty array has no kind");
  if (reader.ok() && reader.ReadInteger(kind)) {
    bool known = false;
    const bool read = tagged::ReadKind(reader, value, kind, count - 1, known);
    if (!known) {
      return Error(absl::StatusCode::kUnimplemented, "%s kind %d is not known to this version", noun, kind);
    }
    static_cast<void>(read);  // Finish tells
  }
  if (absl::Status status = reader.Finish(); !status.ok()) return Annotate(status, noun);
  return value;
}

}  // namespace millrace::wire
