// SPDX-License-Identifier: Apache-2.0
// The result cache: results of tasks that succeeded, by the digest of everything they were computed from. Trouble here
// is reported and never fails a task: a caller treats an error as a miss. One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/base/digest.h"
#include "millrace/model/job.h"
#include "millrace/model/message.h"
#include "millrace/store/database.h"

namespace millrace::store {

// Of everything a task is computed from: module, version, types, inputs, environment, and all that it sees of its
// dependencies, in the order of its needs.
Digest CacheKey(const ModuleSpec& module, std::string_view inputs, const std::map<std::string, std::string>& env,
                std::span<const Datum> data);

class ResultCache {
 public:
  static absl::StatusOr<ResultCache> Open(const std::filesystem::path& file);

  absl::StatusOr<std::optional<Payload>> Look(const Digest& key);
  // Replaces what was there. When the cache holds over `limit_bytes`, the entries not used for longest go.
  absl::Status Remember(const Digest& key, std::string_view task, const Payload& result, std::int64_t unix_ms);
  absl::Status Forget(const Digest& key);

  static constexpr std::int64_t kLimitBytes = std::int64_t{4} << 30;

 private:
  explicit ResultCache(Database database) : database_(std::move(database)) {}
  absl::Status MakeRoom();

  Database database_;
  Statement look_;
  Statement used_;
  Statement put_;
  Statement forget_;
  std::int64_t clock_ = 0;  // rises with every use; orders entries by their last one
};

}  // namespace millrace::store
