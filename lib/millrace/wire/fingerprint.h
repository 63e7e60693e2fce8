// SPDX-License-Identifier: Apache-2.0
// A number for the shape of a type: the same wherever and by whatever compiler it is computed, another one as soon as
// values could be misread (a field's name, kind or place, or an enumerator, has changed). Field names and kinds go in;
// the names of types do not, except where they travel (the alternatives of a variant).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/base/digest.h"
#include "millrace/wire/shape.h"

namespace millrace::wire {
namespace shape {

template <class T>
inline constexpr char kTypeMark = 0;  // its address stands for T

template <class T>
void Describe(std::string& out, std::vector<const char*>& around);

template <class T>
void DescribeEnum(std::string& out) {
  out += "enum(";
  for (std::size_t i = 0; i < names_detail::kMostEnumerators; ++i) {
    const std::string_view name = names_detail::kEnumTable<T>[i];
    if (name.empty()) continue;
    out += name;
    out += "=" + std::to_string(i) + ",";
  }
  out += ")";
}

// A struct inside itself is written as the number of structs between the two.
template <class T>
void DescribeAggregate(std::string& out, std::vector<const char*>& around) {
  const auto seen = std::find(around.rbegin(), around.rend(), &kTypeMark<T>);
  if (seen != around.rend()) {
    out += "^" + std::to_string(seen - around.rbegin());
    return;
  }
  around.push_back(&kTypeMark<T>);
  out += "{";
  using Tied = decltype(TieFields(std::declval<T&>()));
  [&]<class... Fields>(std::type_identity<std::tuple<Fields&...>>) {
    [[maybe_unused]] auto name = FieldNames<T>().begin();
    ((out += *name++, out += ":", Describe<Fields>(out, around), out += ","), ...);
  }(std::type_identity<Tied>());
  out += "}";
  around.pop_back();
}

template <class T>
void DescribeVariant(std::string& out, std::vector<const char*>& around) {
  out += "variant(";
  [&]<class... Alternatives>(std::type_identity<std::variant<Alternatives...>>) {
    auto name = AlternativeNames(static_cast<const T*>(nullptr)).begin();
    ((out += *name++, out += ":", Describe<Alternatives>(out, around), out += ","), ...);
  }(std::type_identity<T>());
  out += ")";
}

template <class T>
void Describe(std::string& out, std::vector<const char*>& around) {
  constexpr Kind kOf = kKind<T>;
  if constexpr (kOf == Kind::kEnum) {
    DescribeEnum<T>(out);
  } else if constexpr (kOf == Kind::kDigest) {
    out += "digest";
  } else if constexpr (kOf == Kind::kVector) {
    out += "list(";
    Describe<typename T::value_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kArray) {
    out += "array(" + std::to_string(std::tuple_size_v<T>) + ",";
    Describe<typename T::value_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kSet) {
    out += "set(";
    Describe<typename T::key_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kMap) {
    out += "map(";
    Describe<typename T::key_type>(out, around);
    out += ",";
    Describe<typename T::mapped_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kPair) {
    out += "pair(";
    Describe<typename T::first_type>(out, around);
    out += ",";
    Describe<typename T::second_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kOptional) {
    out += "optional(";
    Describe<typename T::value_type>(out, around);
    out += ")";
  } else if constexpr (kOf == Kind::kShared) {
    Describe<typename T::value_type>(out, around);
  } else if constexpr (kOf == Kind::kVariant) {
    DescribeVariant<T>(out, around);
  } else if constexpr (kOf == Kind::kAggregate) {
    DescribeAggregate<T>(out, around);
  } else {
    out += AlternativeName<T>();
  }
}

}  // namespace shape

// "{version:string,bytes:int64,}": what the fingerprint is made of, for people who ask why two differ.
template <Supported T>
std::string TypeDescription() {
  std::string out;
  std::vector<const char*> around;
  shape::Describe<T>(out, around);
  return out;
}

// Never 0, which stands for "any".
template <Supported T>
std::uint64_t TypeFingerprint() {
  static const std::uint64_t kFingerprint = [] {
    const Digest digest = Sha256(TypeDescription<T>());
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number = number << 8 | digest.value[i];
    return number == 0 ? std::uint64_t{1} : number;
  }();
  return kFingerprint;
}

}  // namespace millrace::wire
