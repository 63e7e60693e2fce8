// SPDX-License-Identifier: Apache-2.0
// The log of a program: glog behind one header, for shells and programs, never for the brains or public headers. Lines
// go to stderr. Formats as absl::StrFormat: log::Warning("worker %s is lost", name).
#pragma once

#include <string_view>

#include "absl/strings/str_format.h"

namespace millrace::log {

enum class Level { kDebug, kInfo, kWarning, kError, kOff };

// Once per process, before the first line; lines below `level` are dropped. Without it nothing but errors is printed.
void Init(std::string_view program, Level level);
bool Enabled(Level level);
void Write(Level level, std::string_view line);

template <class... Args>
void Debug(const absl::FormatSpec<Args...>& format, const Args&... args) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, absl::StrFormat(format, args...));
}
template <class... Args>
void Info(const absl::FormatSpec<Args...>& format, const Args&... args) {
  if (Enabled(Level::kInfo)) Write(Level::kInfo, absl::StrFormat(format, args...));
}
template <class... Args>
void Warning(const absl::FormatSpec<Args...>& format, const Args&... args) {
  if (Enabled(Level::kWarning)) Write(Level::kWarning, absl::StrFormat(format, args...));
}
template <class... Args>
void Error(const absl::FormatSpec<Args...>& format, const Args&... args) {
  if (Enabled(Level::kError)) Write(Level::kError, absl::StrFormat(format, args...));
}

}  // namespace millrace::log
