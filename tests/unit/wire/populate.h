// SPDX-License-Identifier: Apache-2.0
// Fills every field of any struct that can travel with a value of its own, the same every time: samples for golden
// bytes that take up new fields by themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "millrace/base/fields.h"
#include "millrace/model/packed_job.h"
#include "millrace/wire/shape.h"

namespace millrace::wire {

class Populator {
 public:
  template <class T>
  void Fill(T& value, std::string_view name) {
    using shape::Kind;
    constexpr Kind kOf = shape::kKind<T>;
    ++count_;
    if constexpr (kOf == Kind::kBool) {
      value = !value;  // of a fresh object: the other than its default
    } else if constexpr (kOf == Kind::kInteger) {
      value = static_cast<T>(count_ % 3 == 0 ? count_ * 1'000'003U : count_);  // narrow types wrap: any value will do
    } else if constexpr (kOf == Kind::kString) {
      value = std::string(name) + " " + std::to_string(count_);
    } else if constexpr (kOf == Kind::kBytes) {
      value = Bytes(std::string("\0\xff ", 3) + std::string(name));
    } else if constexpr (kOf == Kind::kEnum) {
      FillEnum(value);
    } else if constexpr (kOf == Kind::kDuration) {
      value = std::chrono::duration_cast<T>(std::chrono::seconds(count_));
    } else if constexpr (kOf == Kind::kId) {
      value.value = EpochQualified(2, count_);
    } else if constexpr (kOf == Kind::kDigest) {
      value = Sha256(std::to_string(count_));
    } else if constexpr (kOf == Kind::kVector) {
      value.resize(2);
      for (auto& element : value) Fill(element, name);
    } else if constexpr (kOf == Kind::kMap) {
      for (int i = 0; i < 2; ++i) {
        typename T::key_type key{};
        Fill(key, name);
        Fill(value[key], name);
      }
    } else if constexpr (kOf == Kind::kOptional) {
      Fill(value.emplace(), name);
    } else if constexpr (kOf == Kind::kShared) {
      --count_;  // as what it holds
      Fill(value.Edit(), name);
    } else if constexpr (std::is_same_v<T, PackedTasks>) {
      JobSpec job;  // as a vector of them
      job.tasks.resize(2);
      for (TaskSpec& task : job.tasks) Fill(task, name);
      value = Pack(std::move(job)).tasks;
    } else {
      static_assert(kOf == Kind::kAggregate);
      ForEachField(value, [this](std::string_view field, auto& member) { this->Fill(member, field); });
    }
  }

 private:
  template <class T>
  void FillEnum(T& value) {
    const T untouched = value;
    const std::size_t skip = count_ % 7;
    for (std::size_t i = 0, seen = 0; i < 64 && seen <= skip; ++i) {
      if (EnumName(static_cast<T>(i)).empty() || static_cast<T>(i) == untouched) continue;
      value = static_cast<T>(i);
      ++seen;
    }
  }

  std::uint32_t count_ = 0;
};

template <class T>
T Populated() {
  T value;
  Populator().Fill(value, ShortTypeName<T>());
  return value;
}

}  // namespace millrace::wire
