// SPDX-License-Identifier: Apache-2.0
#include "millrace/log/log.h"

#include <glog/logging.h>

#include <unistd.h>

#include <atomic>
#include <string>

namespace millrace::log {
namespace {

std::atomic<Level> threshold = Level::kError;

// glog wants a file and a line for its prefix; the lines of this log say what happened, not where in the source.
google::LogSeverity SeverityOf(Level level) {
  switch (level) {
    case Level::kWarning: return google::GLOG_WARNING;
    case Level::kError: return google::GLOG_ERROR;
    default: return google::GLOG_INFO;
  }
}

}  // namespace

void Init(std::string_view program, Level level) {
  static const std::string name(program);  // glog keeps the pointer
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::GLOG_INFO;  // ours is the threshold
  if (!google::IsGoogleLoggingInitialized()) google::InitGoogleLogging(name.c_str());
  threshold = level;
}

bool Enabled(Level level) { return level >= threshold.load(std::memory_order_relaxed); }

void Write(Level level, std::string_view line) {
  google::LogMessage("millrace", static_cast<int>(getpid()), SeverityOf(level)).stream() << line;
}

}  // namespace millrace::log
