// SPDX-License-Identifier: Apache-2.0
#include "support/print.h"

#include <map>
#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "millrace/base/fields.h"
#include "millrace/base/names.h"
#include "millrace/base/status.h"

namespace millrace::testing {
namespace {

template <class T>
inline constexpr bool kIsId = false;
template <class Tag>
inline constexpr bool kIsId<Id<Tag>> = true;
template <class T>
inline constexpr bool kIsVector = false;
template <class T>
inline constexpr bool kIsVector<std::vector<T>> = true;
template <class T>
inline constexpr bool kIsMap = false;
template <class K, class V>
inline constexpr bool kIsMap<std::map<K, V>> = true;
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <class T>
inline constexpr bool kIsShared = false;
template <class T>
inline constexpr bool kIsShared<Shared<T>> = true;

std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f) {
      out += absl::StrFormat("\\x%02x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string PrintId(std::uint64_t id) {
  return EpochOf(id) == 0 ? absl::StrFormat("%d", id)
                          : absl::StrFormat("%d.%d", EpochOf(id), static_cast<std::uint32_t>(id));
}

template <class T>
std::string Value(const T& value);

template <class T>
std::string List(const T& values) {
  std::string out = "[";
  for (const auto& value : values) {
    if (out.size() > 1) out += ", ";
    if constexpr (kIsMap<T>) {
      out += Value(value.first) + "=" + Value(value.second);
    } else {
      out += Value(value);
    }
  }
  return out + "]";
}

template <class T>
std::string Fields(const T& value) {
  static const T kDefault{};
  std::string out;
  std::size_t index = 0;
  const auto defaults = TieFields(kDefault);
  const auto add = [&](const auto& field, const auto& usual) {
    const std::string_view name = FieldNames<T>()[index++];
    if (field == usual) return;
    if (!out.empty()) out += " ";
    out += std::string(name) + "=" + Value(field);
  };
  std::apply(
      [&](const auto&... field) { std::apply([&](const auto&... usual) { (add(field, usual), ...); }, defaults); },
      TieFields(value));
  return out;
}

template <class T>
std::string Value(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(EnumName(value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return Quoted(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return Quoted(value.view());
  } else if constexpr (std::is_same_v<T, Digest>) {
    return value.Hex().substr(0, 8);
  } else if constexpr (std::is_same_v<T, Duration>) {
    return value < Duration::zero() ? "-" + FormatDuration(-value) : FormatDuration(value);
  } else if constexpr (std::is_same_v<T, TaskRef>) {
    return absl::StrFormat("%s/%d", PrintId(value.run.value), value.index);
  } else if constexpr (kIsId<T>) {
    return PrintId(value.value);
  } else if constexpr (std::is_same_v<T, PackedTasks>) {
    PackedJob job;
    job.tasks = value;
    return Value(Unpack(job).tasks);
  } else if constexpr (kIsVector<T> || kIsMap<T>) {
    return List(value);
  } else if constexpr (kIsOptional<T>) {
    return value ? Value(*value) : "none";
  } else if constexpr (kIsShared<T>) {
    return Value(*value);
  } else {
    return "{" + Fields(value) + "}";
  }
}

template <class T>
std::string Named(const T& value) {
  return std::string(ShortTypeName<T>()) + "{" + Fields(value) + "}";
}

}  // namespace

std::string Print(const Message& message) {
  return std::visit([](const auto& m) { return Named(m); }, message);
}
std::string Print(const Record& record) {
  return std::visit([](const auto& r) { return Named(r); }, record);
}
std::string Print(const SlotMessage& message) {
  return std::visit([](const auto& m) { return Named(m); }, message);
}
std::string Print(const RunView& view) { return Named(view); }
std::string Print(const TaskView& view) { return Named(view); }
std::string Print(const WorkerView& view) { return Named(view); }
std::string Print(const BrokerView& view) { return Named(view); }
std::string Print(const Payload& payload) { return Named(payload); }

}  // namespace millrace::testing
