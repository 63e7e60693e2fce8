// SPDX-License-Identifier: Apache-2.0
#include "modules/sleep.h"

#include <condition_variable>
#include <mutex>

namespace millrace::modules {

absl::Status Sleep::Run(Context& context) const {
  if (duration < Duration::zero()) return InvalidArgument("sleep: a negative duration (%d ns)", duration.count());
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any stopped;
  stopped.wait_for(lock, context.stop_token(), duration, [] { return false; });
  if (context.stop_token().stop_requested()) return absl::CancelledError("the sleep was stopped");
  return absl::OkStatus();
}

}  // namespace millrace::modules
