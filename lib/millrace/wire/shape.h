// SPDX-License-Identifier: Apache-2.0
// Which C++ types can travel, and as what. Supported<T> is the one word for it: numbers, strings, bytes, enums, paths,
// durations, ids, digests, and vectors, arrays, maps, sets, pairs, optionals, variants and plain structs of these.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/base/fields.h"
#include "millrace/base/ids.h"
#include "millrace/base/shared.h"

namespace millrace::wire {
namespace shape {

enum class Kind {
  kNone,
  kBool,
  kInteger,
  kFloating,
  kString,
  kBytes,   // millrace::Bytes
  kOctets,  // vector of uint8_t or std::byte
  kEnum,
  kPath,
  kDuration,
  kId,
  kDigest,
  kVector,
  kArray,
  kMap,
  kSet,
  kPair,
  kOptional,
  kShared,   // millrace::Shared: as what it holds
  kOwnForm,  // says how by itself: see OwnForm
  kVariant,
  kAggregate,
};

template <class T>
inline constexpr bool kIsDuration = false;
template <class Rep, class Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsArray = false;
template <class T, std::size_t N>
inline constexpr bool kIsArray<std::array<T, N>> = true;
template <class T>
inline constexpr bool kIsPair = false;
template <class A, class B>
inline constexpr bool kIsPair<std::pair<A, B>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsShared = false;
template <class T>
inline constexpr bool kIsShared<Shared<T>> = true;
template <class T>
inline constexpr bool kIsVariant = false;
template <class... T>
inline constexpr bool kIsVariant<std::variant<T...>> = true;

// std::map and unordered_map, absl's flat_hash_map, btree_map and node_hash_map, without naming (or including) them.
template <class T>
concept MapLike = requires(T map, typename T::key_type key) {
  typename T::mapped_type;
  map.try_emplace(key);
  map.size();
};
template <class T>
concept SetLike = !MapLike<T> && requires(T set, typename T::key_type key) {
  requires std::same_as<typename T::key_type, typename T::value_type>;
  { set.insert(key).second } -> std::convertible_to<bool>;
  set.size();
};

// Has a form of its own: WriteOwnForm(writer, value) and ReadOwnForm(reader, value), beside the type or in this
// namespace.
template <class T>
concept OwnForm = requires {
  requires T::kOwnWireForm;
};

template <class T>
inline constexpr bool kIsInteger =
    std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, wchar_t> && !std::is_same_v<T, char8_t> &&
    !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t> && sizeof(T) <= 8;

template <class T>
consteval Kind KindOf() {
  if constexpr (std::is_same_v<T, bool>)
    return Kind::kBool;
  else if constexpr (kIsInteger<T>)
    return Kind::kInteger;
  else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>)
    return Kind::kFloating;
  else if constexpr (std::is_same_v<T, std::string>)
    return Kind::kString;
  else if constexpr (std::is_same_v<T, Bytes>)
    return Kind::kBytes;
  else if constexpr (std::is_same_v<T, std::vector<std::uint8_t>> || std::is_same_v<T, std::vector<std::byte>>)
    return Kind::kOctets;
  else if constexpr (std::is_enum_v<T>)
    return Kind::kEnum;
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return Kind::kPath;
  else if constexpr (kIsDuration<T>)
    return Kind::kDuration;
  else if constexpr (fields_detail::kIsId<T>)
    return Kind::kId;
  else if constexpr (std::is_same_v<T, Digest>)
    return Kind::kDigest;
  else if constexpr (kIsVector<T>)
    return Kind::kVector;
  else if constexpr (kIsArray<T>)
    return Kind::kArray;
  else if constexpr (MapLike<T>)
    return Kind::kMap;
  else if constexpr (SetLike<T>)
    return Kind::kSet;
  else if constexpr (kIsPair<T>)
    return Kind::kPair;
  else if constexpr (kIsOptional<T>)
    return Kind::kOptional;
  else if constexpr (kIsShared<T>)
    return Kind::kShared;
  else if constexpr (OwnForm<T>)
    return Kind::kOwnForm;
  else if constexpr (kIsVariant<T>)
    return Kind::kVariant;
  else if constexpr (Aggregate<T>)
    return Kind::kAggregate;
  else
    return Kind::kNone;
}

template <class T>
inline constexpr Kind kKind = KindOf<T>();

// Keys are what JSON and people can write as keys.
template <class T>
concept Key = kKind<T>
== Kind::kString || kKind<T> == Kind::kInteger || kKind<T> == Kind::kPath || kKind<T> == Kind::kId ||
    (kKind<T> == Kind::kEnum && HasEnumNames<T>());

// `Seen`: the structs around T, since a struct may hold a vector of itself.
template <class T, class... Seen>
consteval bool IsSupported();

template <class T, class... Seen>
consteval bool ElementSupported() {
  return std::default_initializable<T> && std::movable<T> && IsSupported<T, Seen...>();
}

template <class T, class... Seen>
consteval bool AggregateSupported() {
  if constexpr ((std::is_same_v<T, Seen> || ...)) {
    return true;
  } else {
    using Tied = decltype(TieFields(std::declval<T&>()));
    return []<class... Fields>(std::type_identity<std::tuple<Fields&...>>) {
      return (IsSupported<Fields, T, Seen...>() && ...);
    }(std::type_identity<Tied>());
  }
}

template <class T, class... Seen>
consteval bool VariantSupported() {
  return []<class... Alternatives>(std::type_identity<std::variant<Alternatives...>>) {
    return (ElementSupported<Alternatives, Seen...>() && ...);
  }(std::type_identity<T>());
}

template <class T, class... Seen>
consteval bool IsSupported() {
  constexpr Kind kOf = kKind<T>;
  if constexpr (kOf == Kind::kNone) {
    return false;
  } else if constexpr (kOf == Kind::kEnum) {
    return HasEnumNames<T>();
  } else if constexpr (kOf == Kind::kVector || kOf == Kind::kArray || kOf == Kind::kShared) {
    return ElementSupported<typename T::value_type, Seen...>();
  } else if constexpr (kOf == Kind::kSet) {
    return Key<typename T::key_type>;
  } else if constexpr (kOf == Kind::kMap) {
    return Key<typename T::key_type> && ElementSupported<typename T::mapped_type, Seen...>();
  } else if constexpr (kOf == Kind::kPair) {
    return ElementSupported<typename T::first_type, Seen...>() && ElementSupported<typename T::second_type, Seen...>();
  } else if constexpr (kOf == Kind::kOptional) {  // nil could not tell the two levels of a nested one apart
    return kKind<typename T::value_type> != Kind::kOptional && ElementSupported<typename T::value_type, Seen...>();
  } else if constexpr (kOf == Kind::kVariant) {
    return VariantSupported<T, Seen...>();
  } else if constexpr (kOf == Kind::kAggregate) {
    return AggregateSupported<T, Seen...>();
  } else {
    return true;
  }
}

// The keys of a map or the elements of a set in their order, so that equal values have equal bytes.
template <class Container>
inline constexpr bool kIterationIsSorted = requires {
  typename Container::key_compare;
  requires std::is_same_v<typename Container::key_compare, std::less<typename Container::key_type>> ||
      std::is_same_v<typename Container::key_compare, std::less<>>;
};

}  // namespace shape

template <class T>
concept Supported = shape::IsSupported<T>();

// A type's name inside a named variant: the struct's or enum's own name, or "string", "int64", "list<...>" and so on.
template <class T>
std::string AlternativeName();

// The same for each alternative of a variant; where names repeat, the later ones carry "#INDEX".
template <class... T>
const std::array<std::string, sizeof...(T)>& AlternativeNames(const std::variant<T...>*) {
  static const auto kNames = [] {
    std::array<std::string, sizeof...(T)> names{AlternativeName<T>()...};
    for (std::size_t i = 1; i < names.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (names[i] == names[j]) names[i] += "#" + std::to_string(i);
      }
    }
    return names;
  }();
  return kNames;
}

template <class T>
std::string AlternativeName() {
  using shape::Kind;
  constexpr Kind kOf = shape::kKind<T>;
  if constexpr (kOf == Kind::kBool) {
    return "bool";
  } else if constexpr (kOf == Kind::kInteger) {
    return (std::is_signed_v<T> ? "int" : "uint") + std::to_string(sizeof(T) * 8);
  } else if constexpr (kOf == Kind::kFloating) {
    return sizeof(T) == 4 ? "float" : "double";
  } else if constexpr (kOf == Kind::kString) {
    return "string";
  } else if constexpr (kOf == Kind::kBytes || kOf == Kind::kOctets) {
    return "bytes";
  } else if constexpr (kOf == Kind::kPath) {
    return "path";
  } else if constexpr (kOf == Kind::kDuration) {
    return "duration";
  } else if constexpr (kOf == Kind::kId) {
    return "id";
  } else if constexpr (kOf == Kind::kVector || kOf == Kind::kArray) {
    return "list<" + AlternativeName<typename T::value_type>() + ">";
  } else if constexpr (kOf == Kind::kSet) {
    return "set<" + AlternativeName<typename T::key_type>() + ">";
  } else if constexpr (kOf == Kind::kMap) {
    return "map<" + AlternativeName<typename T::key_type>() + "," + AlternativeName<typename T::mapped_type>() + ">";
  } else if constexpr (kOf == Kind::kPair) {
    return "pair<" + AlternativeName<typename T::first_type>() + "," + AlternativeName<typename T::second_type>() + ">";
  } else if constexpr (kOf == Kind::kOptional) {
    return "optional<" + AlternativeName<typename T::value_type>() + ">";
  } else if constexpr (kOf == Kind::kShared) {
    return AlternativeName<typename T::value_type>();
  } else if constexpr (kOf == Kind::kVariant) {
    return "variant";
  } else {  // structs, enums, digests
    return std::string(ShortTypeName<T>());
  }
}

}  // namespace millrace::wire
