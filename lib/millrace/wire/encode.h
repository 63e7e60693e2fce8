// SPDX-License-Identifier: Apache-2.0
// Values to msgpack, straight into one string. Only codec.h includes this.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/wire/shape.h"
#include "millrace/wire/writer.h"

namespace millrace::wire {

enum class Layout : std::uint8_t {
  kNamed,       // structs as maps by field name, enums by name: users' values, readable by YAML, JSON and people
  kPositional,  // structs as arrays, without what has its default at their ends, enums as integers: control messages
                // and journal records, small and fast
};

namespace codec {

template <Layout L, class T>
void Write(Writer& writer, const T& value);

// Elements of a map or a set, in the order of their keys.
template <class Container, class F>
void ForEachSorted(const Container& container, F&& f) {
  if constexpr (shape::kIterationIsSorted<Container>) {
    for (const auto& element : container) f(element);
  } else {
    const auto key = [](const auto* element) -> const typename Container::key_type& {
      if constexpr (shape::MapLike<Container>) {
        return element->first;
      } else {
        return *element;
      }
    };
    std::vector<const typename Container::value_type*> elements;
    elements.reserve(container.size());
    for (const auto& element : container) elements.push_back(&element);
    std::sort(elements.begin(), elements.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
    for (const auto* element : elements) f(*element);
  }
}

// Nanoseconds, at the ends of the range where the duration's unit reaches further than an int64 of them.
template <class Rep, class Period>
std::int64_t Nanoseconds(std::chrono::duration<Rep, Period> duration) {
  using Wide = std::chrono::duration<long double, std::nano>;
  const long double wide = Wide(duration).count();
  if (!(wide < 9223372036854775807.0L)) return std::numeric_limits<std::int64_t>::max();
  if (!(wide > -9223372036854775808.0L)) return std::numeric_limits<std::int64_t>::min();
  return std::chrono::duration_cast<std::chrono::duration<std::int64_t, std::nano>>(duration).count();
}

template <Layout L, class T>
void WriteEnum(Writer& writer, T value) {
  if constexpr (L == Layout::kNamed) {
    if (const std::string_view name = EnumName(value); !name.empty()) return writer.String(name);
  }
  // A value without a name is written as it is; whoever reads it refuses it with the number.
  const auto number = static_cast<std::underlying_type_t<T>>(value);
  if constexpr (std::is_signed_v<std::underlying_type_t<T>>) {
    writer.Signed(number);
  } else {
    writer.Unsigned(number);
  }
}

template <Layout L, class T>
void WriteVariant(Writer& writer, const T& value) {
  if (value.valueless_by_exception()) return writer.Nil();  // which readers refuse
  if constexpr (L == Layout::kNamed) {
    writer.MapHeader(2);
    writer.String("type");
    writer.String(AlternativeNames(&value)[value.index()]);
    writer.String("value");
  } else {
    writer.ArrayHeader(2);
    writer.Unsigned(value.index());
  }
  std::visit([&](const auto& alternative) { Write<L>(writer, alternative); }, value);
}

// Whether a field may go without saying when it has its default. -0.0 is equal to 0.0 and is another number.
template <class T>
inline constexpr bool kMayGo = shape::kKind<T> != shape::Kind::kFloating&& std::equality_comparable<T>;

// How many fields are to be written in the positional layout: those at the end that have their defaults are left off,
// as by a peer that does not know them yet. So a struct that says nothing is one byte.
template <class T>
std::size_t FieldsToWrite(const T& value) {
  if constexpr (std::default_initializable<T>) {
    static const T kDefault{};
    const auto fields = TieFields(value);
    const auto defaults = TieFields(kDefault);
    constexpr std::size_t kFields = kFieldCount<T>;
    std::size_t count = kFields;
    const auto goes = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      using Field = std::remove_cvref_t<std::tuple_element_t<I, decltype(fields)>>;
      if constexpr (kMayGo<Field>) {
        if (!(std::get<I>(fields) == std::get<I>(defaults))) return false;
        --count;
        return true;
      } else {
        return false;
      }
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      static_cast<void>((goes(std::integral_constant<std::size_t, kFields - 1 - I>{}) && ...));
    }
    (std::make_index_sequence<kFields>());
    return count;
  } else {
    return kFieldCount<T>;
  }
}

template <class T>
void WriteFields(Writer& writer, const T& value, std::size_t count) {
  std::size_t at = 0;
  VisitFields(value, [&](const auto&... fields) {
    static_cast<void>(((at++ < count && (Write<Layout::kPositional>(writer, fields), true)) && ...));
  });
}

template <Layout L, class T>
void WriteAggregate(Writer& writer, const T& value) {
  if constexpr (L == Layout::kNamed) {
    writer.MapHeader(kFieldCount<T>);
    ForEachField(value, [&](std::string_view name, const auto& field) {
      writer.String(name);
      Write<L>(writer, field);
    });
  } else {
    const std::size_t count = FieldsToWrite(value);
    writer.ArrayHeader(count);
    WriteFields(writer, value, count);
  }
}

template <Layout L, class T>
void WriteScalar(Writer& writer, const T& value) {
  using shape::Kind;
  constexpr Kind kOf = shape::kKind<T>;
  if constexpr (kOf == Kind::kBool) {
    writer.Bool(value);
  } else if constexpr (kOf == Kind::kInteger && std::is_signed_v<T>) {
    writer.Signed(value);
  } else if constexpr (kOf == Kind::kInteger) {
    writer.Unsigned(value);
  } else if constexpr (kOf == Kind::kFloating && sizeof(T) == 4) {
    writer.Float(value);
  } else if constexpr (kOf == Kind::kFloating) {
    writer.Double(value);
  } else if constexpr (kOf == Kind::kString) {
    writer.String(value);
  } else if constexpr (kOf == Kind::kBytes || kOf == Kind::kDigest) {
    writer.Binary(value.view());
  } else if constexpr (kOf == Kind::kOctets) {
    writer.Binary({reinterpret_cast<const char*>(value.data()), value.size()});
  } else if constexpr (kOf == Kind::kEnum) {
    WriteEnum<L>(writer, value);
  } else if constexpr (kOf == Kind::kPath) {
    writer.String(value.native());
  } else if constexpr (kOf == Kind::kDuration) {
    writer.Signed(Nanoseconds(value));
  } else {
    static_assert(kOf == Kind::kId);
    writer.Unsigned(value.value);
  }
}

template <Layout L, class T>
void Write(Writer& writer, const T& value) {
  using shape::Kind;
  constexpr Kind kOf = shape::kKind<T>;
  if constexpr (kOf == Kind::kVector || kOf == Kind::kArray) {
    writer.ArrayHeader(value.size());
    for (const auto& element : value) Write<L, typename T::value_type>(writer, element);  // vector<bool> has proxies
  } else if constexpr (kOf == Kind::kMap) {
    writer.MapHeader(value.size());
    ForEachSorted(value, [&](const auto& element) {
      Write<L>(writer, element.first);
      Write<L>(writer, element.second);
    });
  } else if constexpr (kOf == Kind::kSet) {
    writer.ArrayHeader(value.size());
    ForEachSorted(value, [&](const auto& element) { Write<L>(writer, element); });
  } else if constexpr (kOf == Kind::kPair) {
    writer.ArrayHeader(2);
    Write<L>(writer, value.first);
    Write<L>(writer, value.second);
  } else if constexpr (kOf == Kind::kOptional) {
    if (value.has_value()) {
      Write<L>(writer, *value);
    } else {
      writer.Nil();
    }
  } else if constexpr (kOf == Kind::kShared) {
    Write<L>(writer, *value);
  } else if constexpr (kOf == Kind::kOwnForm) {
    WriteOwnForm(writer, value);
  } else if constexpr (kOf == Kind::kVariant) {
    WriteVariant<L>(writer, value);
  } else if constexpr (kOf == Kind::kAggregate) {
    WriteAggregate<L>(writer, value);
  } else {
    WriteScalar<L>(writer, value);
  }
}

}  // namespace codec
}  // namespace millrace::wire
