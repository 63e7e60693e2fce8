// SPDX-License-Identifier: Apache-2.0
// Plain aggregates seen through structured bindings: names, references and number of their fields, without macros, base
// classes or generated code. Codecs, printing, digests and test generators are all written once over this.
//
// An Aggregate is a class with public fields only (default member initialisers, static members and member functions are
// fine), without base classes, with at most 32 fields, each of which can be initialised with `{}`. Arrays, ids and
// digests are values, not aggregates.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "millrace/base/digest.h"
#include "millrace/base/fields_arity.h"
#include "millrace/base/ids.h"
#include "millrace/base/names.h"

namespace millrace {
namespace fields_detail {

template <class T>
inline constexpr bool kIsArray = std::is_array_v<T>;
template <class T, std::size_t N>
inline constexpr bool kIsArray<std::array<T, N>> = true;

template <class T>
inline constexpr bool kIsId = false;
template <class Tag>
inline constexpr bool kIsId<Id<Tag>> = true;

// Stands for any field; never evaluated.
template <std::size_t>
struct Anything {
  template <class T>
  operator T() const;  // NOLINT: implicit by purpose
};
// Stands for any base class of T.
template <class T>
struct AnyBase {
  template <class Base>
  requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>) operator Base()
      const;  // NOLINT: implicit by purpose
};

// What no class takes, except through a field that takes whatever it is given.
struct Nothing {};

template <class T, std::size_t... I>
consteval bool TakesAnything(std::index_sequence<I...>) {
  return requires { T{Anything<I>{}...}; };
}

template <class T>
consteval std::size_t CountFields() {
  if constexpr (!TakesBraces<T, 0>()) {
    return kUncountable;
  } else if constexpr (
      requires { T{AnyBase<T>{}}; } && !requires { T{Nothing{}}; }) {
    return kUncountable;
  } else {
    constexpr std::size_t kCount = SearchCount<T, 0, kMostFields + 1>();
    // One more value still fits: there is a field that `{}` cannot initialise, a C array, or there are too many.
    return TakesAnything<T>(std::make_index_sequence<kCount + 1>()) ? kUncountable : kCount;
  }
}

template <class T>
inline constexpr std::size_t kCountOf = CountFields<T>();

template <class T>
consteval bool IsAggregate() {
  if constexpr (!std::is_class_v<T> || !std::is_aggregate_v<T> || std::is_const_v<T> || kIsArray<T> || kIsId<T> ||
                std::is_same_v<T, Digest>) {
    return false;
  } else {
    return kCountOf<T> != kUncountable;
  }
}

}  // namespace fields_detail

template <class T>
concept Aggregate = fields_detail::IsAggregate<T>();

template <Aggregate T>
inline constexpr std::size_t kFieldCount = fields_detail::kCountOf<T>;

// visit(field, field, ...): references to all fields, in their order. Returns what `visit` returns.
template <class T, class Visit>
requires Aggregate<std::remove_const_t<T>>
constexpr decltype(auto) VisitFields(T& object, Visit&& visit) {
  return fields_detail::VisitCounted<kFieldCount<std::remove_const_t<T>>>(object, std::forward<Visit>(visit));
}

// A tuple of references to the fields.
template <class T>
requires Aggregate<std::remove_const_t<T>>
constexpr auto TieFields(T& object) {
  return VisitFields(object, [](auto&... fields) { return std::tie(fields...); });
}

namespace fields_detail {

// An object of T that is never made: only the addresses of its fields are asked for, and only by the compiler.
template <class T>
union Storage {
  char none;
  T value;
  constexpr Storage() : none() {}
  constexpr ~Storage() {}  // NOLINT: there is no value to destroy
};
template <class T>
struct External {
  static inline Storage<T> storage{};
};

// clang 14 takes no address of a subobject as a template argument, but a literal struct that holds one.
struct Address {
  const void* address;
};
// "... [with Address A = {(& ...storage.Storage<T>::value.T::NAME)}]" or "[A = {&storage.value.NAME}]".
template <Address A>
consteval auto FieldSignature() {
  return std::string_view(__PRETTY_FUNCTION__);
}

template <class T>
consteval auto FieldNamesOf() {
  constexpr std::size_t kCount = kFieldCount<T>;
  if constexpr (kCount == 0) {
    return std::array<std::string_view, 0>{};
  } else {
    constexpr auto kAddresses = VisitFields(
        External<T>::storage.value, [](auto&... fields) { return std::array<const void*, kCount>{&fields...}; });
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<std::string_view, kCount>{names_detail::LastWord(FieldSignature<Address{kAddresses[I]}>())...};
    }
    (std::make_index_sequence<kCount>());
  }
}

template <class T>
inline constexpr auto kNames = FieldNamesOf<T>();

}  // namespace fields_detail

template <Aggregate T>
constexpr const std::array<std::string_view, kFieldCount<T>>& FieldNames() {
  return fields_detail::kNames<T>;
}

// f(name, field) for each field, in their order.
template <class T, class F>
requires Aggregate<std::remove_const_t<T>>
constexpr void ForEachField(T& object, F&& f) {
  VisitFields(object, [&f](auto&... fields) {
    [[maybe_unused]] auto name = FieldNames<std::remove_const_t<T>>().begin();
    (static_cast<void>(f(*name++, fields)), ...);
  });
}

// f(name, field of a, field of b) for each field: to compare, to merge, to copy.
template <class T, class U, class F>
requires Aggregate<std::remove_const_t<T>> && std::same_as<std::remove_const_t<T>, std::remove_const_t<U>>
constexpr void ForEachField(T& a, U& b, F&& f) {
  VisitFields(a, [&](auto&... left) {
    VisitFields(b, [&](auto&... right) {
      [[maybe_unused]] auto name = FieldNames<std::remove_const_t<T>>().begin();
      (static_cast<void>(f(*name++, left, right)), ...);
    });
  });
}

}  // namespace millrace
