// SPDX-License-Identifier: Apache-2.0
// Msgpack to values, straight into their fields. Only codec.h includes this.
//
// In the named layout a few more spellings are taken, which YAML and JSON have no better way to write: bytes as base64,
// durations as "10m", integer keys as strings of digits.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/base/time.h"
#include "millrace/wire/base64.h"
#include "millrace/wire/encode.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/shape.h"

namespace millrace::wire::codec {

// What a node of a map or a set costs beside its value.
inline constexpr std::size_t kNodeOverhead = 48;

template <Layout L, class T>
bool Read(Reader& reader, T& value);

// A string, or in the named layout base64, as `bytes` (a view into `decoded` or the input).
template <Layout L>
bool ReadOctets(Reader& reader, std::string& decoded, std::string_view& bytes) {
  if (L == Layout::kPositional || reader.Peek() != Type::kString) return reader.ReadBinary(bytes);
  std::string_view text;
  if (!reader.ReadString(text) || !reader.Charge(text.size())) return false;
  if (!DecodeBase64(text, decoded)) return reader.Fail("expected binary or base64, found another string");
  bytes = decoded;
  return true;
}

template <Layout L>
bool ReadBytes(Reader& reader, Bytes& value) {
  if (L == Layout::kPositional || reader.Peek() != Type::kString) return reader.ReadBinary(value);
  std::string decoded;
  std::string_view bytes;
  if (!ReadOctets<L>(reader, decoded, bytes)) return false;
  value = Bytes(std::move(decoded));
  return true;
}

template <Layout L, class T>
bool ReadEnum(Reader& reader, T& value) {
  if (L == Layout::kNamed && reader.Peek() == Type::kString) {
    std::string_view name;
    if (!reader.ReadString(name)) return false;
    const std::optional<T> found = EnumFromName<T>(name);
    if (!found) return reader.Fail(absl::StrFormat("'%s' is not one of: %s", name.substr(0, 64), EnumNames<T>()));
    value = *found;
    return true;
  }
  std::underlying_type_t<T> number{};
  if (!reader.ReadInteger(number)) return false;
  if (EnumName(static_cast<T>(number)).empty()) {
    return reader.Fail(absl::StrFormat("%d stands for none of: %s", +number, EnumNames<T>()));
  }
  value = static_cast<T>(number);
  return true;
}

template <Layout L, class Rep, class Period>
bool ReadDuration(Reader& reader, std::chrono::duration<Rep, Period>& value) {
  using Nanos = std::chrono::duration<std::int64_t, std::nano>;
  std::int64_t count = 0;
  if (L == Layout::kNamed && reader.Peek() == Type::kString) {
    std::string_view text;
    if (!reader.ReadString(text)) return false;
    const auto duration = ParseDuration(text.substr(0, 64));
    if (!duration.ok()) return reader.Fail(TextOf(duration.status()));
    count = duration->count();
  } else if (!reader.ReadInteger(count)) {
    return false;
  }
  value = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(Nanos(count));
  if constexpr (!std::is_floating_point_v<Rep>) {
    constexpr auto kEnd = std::numeric_limits<std::int64_t>::max();  // stands for "as long as can be"
    if (count != kEnd && count != -kEnd - 1 && Nanoseconds(value) != count) {
      return reader.Fail(absl::StrFormat("%d ns is no whole number of the field's units of %d/%d s", count,
                                         std::int64_t{Period::num}, std::int64_t{Period::den}));
    }
  }
  return true;
}

// An integer key may come as a string of digits, since JSON's keys are strings.
template <Layout L, class T>
bool ReadKey(Reader& reader, T& key) {
  if constexpr (L == Layout::kNamed && shape::kKind<T> == shape::Kind::kInteger) {
    if (reader.Peek() == Type::kString) {
      std::string_view text;
      if (!reader.ReadString(text)) return false;
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), key);
      if (error == std::errc() && stop == text.data() + text.size()) return true;
      return reader.Fail(absl::StrFormat("'%s' is no integer key of %d bits", text.substr(0, 64), sizeof(T) * 8));
    }
  }
  return Read<L>(reader, key);
}

template <Layout L, class T>
bool ReadVector(Reader& reader, T& value) {
  using Element = typename T::value_type;
  std::size_t count = 0;
  if (!reader.EnterArray(count) || !reader.Charge(count * sizeof(Element))) return false;
  value.clear();
  value.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    bool read = false;
    if constexpr (std::is_same_v<Element, bool>) {
      bool element = false;
      read = reader.ReadBool(element);
      value.push_back(element);
    } else {
      read = Read<L>(reader, value.emplace_back());
    }
    if (!read) {
      reader.Within("[" + std::to_string(i) + "]");
      return false;
    }
  }
  reader.Leave();
  return true;
}

template <Layout L, class T>
bool ReadArray(Reader& reader, T& value) {
  std::size_t count = 0;
  if (!reader.EnterArray(count)) return false;
  if (count != value.size()) return reader.Fail(absl::StrFormat("%d elements for an array of %d", count, value.size()));
  for (auto& element : value) {
    if (!Read<L>(reader, element)) return false;
  }
  reader.Leave();
  return true;
}

template <Layout L, class T>
bool ReadMap(Reader& reader, T& value) {
  std::size_t count = 0;
  if (!reader.EnterMap(count)) return false;
  value.clear();
  for (std::size_t i = 0; i < count; ++i) {
    typename T::key_type key{};
    if (!reader.Charge(sizeof(typename T::value_type) + kNodeOverhead) || !ReadKey<L>(reader, key)) return false;
    const auto [place, is_new] = value.try_emplace(std::move(key));
    if (!is_new) return reader.Fail("this key is in the map already");
    if (!Read<L>(reader, place->second)) return false;
  }
  reader.Leave();
  return true;
}

template <Layout L, class T>
bool ReadSet(Reader& reader, T& value) {
  std::size_t count = 0;
  if (!reader.EnterArray(count)) return false;
  value.clear();
  for (std::size_t i = 0; i < count; ++i) {
    typename T::key_type key{};
    if (!reader.Charge(sizeof(key) + kNodeOverhead) || !Read<L>(reader, key)) return false;
    if (!value.insert(std::move(key)).second) return reader.Fail("this element is in the set already");
  }
  reader.Leave();
  return true;
}

// Makes the alternative `index` and reads into it.
template <Layout L, class T, std::size_t... I>
bool ReadAlternative(Reader& reader, T& value, std::size_t index, std::index_sequence<I...>) {
  bool read = false;
  static_cast<void>(((index == I && (read = Read<L>(reader, value.template emplace<I>()), true)) || ...));
  return read;
}

// {"type": name, "value": ...} in either order.
template <class T>
bool ReadVariantNamed(Reader& reader, T& value) {
  const auto& names = AlternativeNames(static_cast<const T*>(nullptr));
  std::size_t count = 0;
  std::size_t index = names.size();
  std::size_t value_at = 0;
  bool has_value = false;
  if (!reader.EnterMap(count)) return false;
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view key;
    if (!reader.ReadString(key)) return false;
    if (key == "type" && index == names.size()) {
      std::string_view name;
      if (!reader.ReadString(name)) return false;
      for (index = 0; index < names.size() && names[index] != name;) ++index;
      if (index == names.size())
        return reader.Fail(absl::StrFormat("no alternative is named '%s'", name.substr(0, 64)));
    } else if (key == "value" && !has_value) {
      has_value = true;
      value_at = reader.position();
      if (!reader.Skip()) return false;
    } else {
      return reader.Fail(absl::StrFormat("a variant is {type, value}, found the key '%s'", key.substr(0, 64)));
    }
  }
  if (index == names.size() || !has_value) return reader.Fail("a variant is {type, value}; one of them is missing");
  const std::size_t end = reader.position();
  reader.Seek(value_at);
  if (!ReadAlternative<Layout::kNamed>(reader, value, index, std::make_index_sequence<std::variant_size_v<T>>())) {
    return false;
  }
  reader.Seek(end);
  reader.Leave();
  return true;
}

template <class T>
bool ReadVariantPositional(Reader& reader, T& value) {
  std::size_t count = 0;
  std::size_t index = 0;
  if (!reader.EnterArray(count)) return false;
  if (count != 2) return reader.Fail(absl::StrFormat("a variant is [index, value], found %d elements", count));
  if (!reader.ReadInteger(index)) return false;
  if (index >= std::variant_size_v<T>) {
    return reader.Fail(absl::StrFormat("alternative %d of a variant of %d", index, std::variant_size_v<T>));
  }
  if (!ReadAlternative<Layout::kPositional>(reader, value, index, std::make_index_sequence<std::variant_size_v<T>>())) {
    return false;
  }
  reader.Leave();
  return true;
}

// Unknown keys are skipped, missing ones keep what the field has.
template <class T>
bool ReadAggregateNamed(Reader& reader, T& value) {
  std::size_t count = 0;
  if (!reader.EnterMap(count)) return false;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::string_view key;
    if (!reader.ReadString(key)) return false;
    const auto& names = FieldNames<T>();
    std::size_t index = 0;
    while (index < names.size() && names[index] != key) ++index;
    if (index == names.size()) {
      if (!reader.Skip()) return false;
      continue;
    }
    if ((seen >> index & 1) != 0) return reader.Fail(absl::StrFormat("the field '%s' is there twice", key));
    seen |= std::uint64_t{1} << index;
    std::size_t at = 0;
    const bool read = VisitFields(value, [&](auto&... fields) {
      bool good = true;
      static_cast<void>(((at++ == index && (good = Read<Layout::kNamed>(reader, fields), true)) || ...));
      return good;
    });
    if (!read) {
      reader.Within(key);
      return false;
    }
  }
  reader.Leave();
  return true;
}

// The fields of `value` from an array that has been entered and has `count` elements left. Of an older peer's shorter
// array the missing fields keep their defaults; a newer peer's additional elements are skipped.
template <class T>
bool ReadFields(Reader& reader, T& value, std::size_t count) {
  std::size_t at = 0;
  const bool read = VisitFields(value, [&](auto&... fields) {
    return ((at >= count || (Read<Layout::kPositional>(reader, fields) && ++at)) && ...);
  });
  if (!read) {
    reader.Within(FieldNames<T>()[at]);
    return false;
  }
  for (; at < count; ++at) {
    if (!reader.Skip()) return false;
  }
  reader.Leave();
  return true;
}

template <Layout L, class T>
bool ReadScalar(Reader& reader, T& value) {
  using shape::Kind;
  constexpr Kind kOf = shape::kKind<T>;
  if constexpr (kOf == Kind::kBool) {
    return reader.ReadBool(value);
  } else if constexpr (kOf == Kind::kInteger) {
    return reader.ReadInteger(value);
  } else if constexpr (kOf == Kind::kFloating && sizeof(T) == 4) {
    return reader.ReadFloat(value);
  } else if constexpr (kOf == Kind::kFloating) {
    return reader.ReadDouble(value);
  } else if constexpr (kOf == Kind::kString || kOf == Kind::kPath) {
    std::string_view text;
    if (!reader.ReadString(text) || !reader.Charge(text.size())) return false;
    value = text;
    return true;
  } else if constexpr (kOf == Kind::kBytes) {
    return ReadBytes<L>(reader, value);
  } else if constexpr (kOf == Kind::kOctets) {
    std::string decoded;
    std::string_view bytes;
    if (!ReadOctets<L>(reader, decoded, bytes) || !reader.Charge(bytes.size())) return false;
    const auto* data = reinterpret_cast<const typename T::value_type*>(bytes.data());
    value.assign(data, data + bytes.size());
    return true;
  } else if constexpr (kOf == Kind::kDigest) {
    std::string decoded;
    std::string_view bytes;
    if (!ReadOctets<L>(reader, decoded, bytes)) return false;
    if (bytes.size() != value.value.size()) return reader.Fail(absl::StrFormat("a digest of %d bytes", bytes.size()));
    for (std::size_t i = 0; i < bytes.size(); ++i) value.value[i] = static_cast<std::uint8_t>(bytes[i]);
    return true;
  } else if constexpr (kOf == Kind::kEnum) {
    return ReadEnum<L>(reader, value);
  } else if constexpr (kOf == Kind::kDuration) {
    return ReadDuration<L>(reader, value);
  } else {
    static_assert(kOf == Kind::kId);
    return ReadKey<L>(reader, value.value);
  }
}

template <Layout L, class T>
bool Read(Reader& reader, T& value) {
  using shape::Kind;
  constexpr Kind kOf = shape::kKind<T>;
  if constexpr (kOf == Kind::kVector) {
    return ReadVector<L>(reader, value);
  } else if constexpr (kOf == Kind::kArray) {
    return ReadArray<L>(reader, value);
  } else if constexpr (kOf == Kind::kMap) {
    return ReadMap<L>(reader, value);
  } else if constexpr (kOf == Kind::kSet) {
    return ReadSet<L>(reader, value);
  } else if constexpr (kOf == Kind::kPair) {
    std::size_t count = 0;
    if (!reader.EnterArray(count)) return false;
    if (count != 2) return reader.Fail(absl::StrFormat("%d elements for a pair", count));
    if (!Read<L>(reader, value.first) || !Read<L>(reader, value.second)) return false;
    reader.Leave();
    return true;
  } else if constexpr (kOf == Kind::kOptional) {
    if (reader.Peek() != Type::kNil) return Read<L>(reader, value.emplace());
    value.reset();
    return reader.ReadNil();
  } else if constexpr (kOf == Kind::kShared) {
    typename T::value_type fresh{};
    if (!Read<L>(reader, fresh)) return false;
    value = T(std::move(fresh));
    return true;
  } else if constexpr (kOf == Kind::kOwnForm) {
    return ReadOwnForm(reader, value);
  } else if constexpr (kOf == Kind::kVariant && L == Layout::kNamed) {
    return ReadVariantNamed(reader, value);
  } else if constexpr (kOf == Kind::kVariant) {
    return ReadVariantPositional(reader, value);
  } else if constexpr (kOf == Kind::kAggregate && L == Layout::kNamed) {
    return ReadAggregateNamed(reader, value);
  } else if constexpr (kOf == Kind::kAggregate) {
    std::size_t count = 0;
    return reader.EnterArray(count) && ReadFields(reader, value, count);
  } else {
    return ReadScalar<L>(reader, value);
  }
}

}  // namespace millrace::wire::codec
