// SPDX-License-Identifier: Apache-2.0
// The paths inside a value, wherever they are in it: keys of maps and members of sets excepted, which cannot be changed
// in place.
#pragma once

#include <filesystem>
#include <system_error>
#include <type_traits>
#include <variant>
#include <vector>

#include "millrace/base/fields.h"
#include "millrace/wire/shape.h"

namespace millrace::wire {

template <class T, class F>
void ForEachPath(T& value, F&& f) {
  using shape::Kind;
  constexpr Kind kKind = shape::kKind<T>;
  if constexpr (kKind == Kind::kPath) {
    f(value);
  } else if constexpr (kKind == Kind::kVector) {
    if constexpr (!std::is_same_v<T, std::vector<bool>>) {
      for (auto& element : value) ForEachPath(element, f);
    }
  } else if constexpr (kKind == Kind::kArray) {
    for (auto& element : value) ForEachPath(element, f);
  } else if constexpr (kKind == Kind::kMap) {
    for (auto& [key, element] : value) ForEachPath(element, f);
  } else if constexpr (kKind == Kind::kPair) {
    ForEachPath(value.first, f);
    ForEachPath(value.second, f);
  } else if constexpr (kKind == Kind::kOptional) {
    if (value) ForEachPath(*value, f);
  } else if constexpr (kKind == Kind::kVariant) {
    std::visit([&f](auto& alternative) { ForEachPath(alternative, f); }, value);
  } else if constexpr (kKind == Kind::kAggregate) {
    ForEachField(value, [&f](auto&, auto& field) { ForEachPath(field, f); });
  }
}

// Paths at or below `root` become relative to it, so that they mean the same below the root of whoever reads them.
template <class T>
void MakePathsRelative(T& value, const std::filesystem::path& root) {
  if (!root.is_absolute()) return;
  ForEachPath(value, [&root](std::filesystem::path& path) {
    if (!path.is_absolute()) return;
    // Whoever asks the system where it is gets an answer without links.
    std::error_code ignored;
    for (const auto& top : {root.lexically_normal(), std::filesystem::weakly_canonical(root, ignored)}) {
      const std::filesystem::path relative = path.lexically_normal().lexically_relative(top);
      if (relative.empty() || *relative.begin() == "..") continue;
      path = relative;
      return;
    }
  });
}

}  // namespace millrace::wire
