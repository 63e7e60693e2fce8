// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/cache.h"

#include <utility>

#include "millrace/base/status.h"

namespace millrace::store {
namespace {

constexpr std::int32_t kApplication = 0x4d4c5243;  // "MLRC"
constexpr int kVersion = 1;
constexpr std::string_view kSchema =
    "CREATE TABLE results(key BLOB PRIMARY KEY, task TEXT, bytes BLOB, digest BLOB, size INTEGER, unix_ms INTEGER,"
    " used INTEGER) WITHOUT ROWID;"
    "CREATE INDEX results_used ON results(used)";
constexpr std::string_view kKeyFormat = "millrace cache key 2";

}  // namespace

Digest CacheKey(const ModuleSpec& module, std::string_view inputs, const std::map<std::string, std::string>& env,
                std::span<const Datum> data) {
  Hasher hasher;
  hasher.AddField(kKeyFormat);
  hasher.AddField(module.name);
  hasher.AddField(module.version);
  hasher.AddField(absl::StrFormat("%x", module.fingerprint));
  hasher.AddField(inputs);
  // The counts keep a variable from passing for a dependency.
  hasher.AddField(absl::StrFormat("%d variables, %d dependencies", env.size(), data.size()));
  for (const auto& [name, value] : env) {
    hasher.AddField(name);
    hasher.AddField(value);
  }
  for (const Datum& datum : data) {
    hasher.AddField(datum.name);
    hasher.AddField(datum.module);
    hasher.AddField(datum.inputs.digest ? datum.inputs.digest->view() : Sha256(datum.inputs.bytes.view()).view());
    hasher.AddField(IsGood(datum.outcome) ? "good" : absl::StrFormat("%d", static_cast<int>(datum.outcome)));
    hasher.AddField(datum.failure.message);
    hasher.AddField(datum.result.digest ? datum.result.digest->view() : Sha256(datum.result.bytes.view()).view());
    if (datum.artifacts) hasher.AddField(datum.artifacts->digest.view());
  }
  return hasher.Finish();
}

absl::StatusOr<ResultCache> ResultCache::Open(const std::filesystem::path& file) {
  MILLRACE_ASSIGN_OR_RETURN(Database database, Database::Open(file, kApplication, kVersion, kSchema));
  ResultCache cache(std::move(database));
  Database& db = cache.database_;
  MILLRACE_ASSIGN_OR_RETURN(cache.look_, db.Prepare("SELECT bytes, digest, size FROM results WHERE key=?1"));
  MILLRACE_ASSIGN_OR_RETURN(cache.used_, db.Prepare("UPDATE results SET used=?2 WHERE key=?1"));
  MILLRACE_ASSIGN_OR_RETURN(cache.put_,
                            db.Prepare("INSERT OR REPLACE INTO results(key, task, bytes, digest, size, unix_ms, used)"
                                       " VALUES(?1,?2,?3,?4,?5,?6,?7)"));
  MILLRACE_ASSIGN_OR_RETURN(cache.forget_, db.Prepare("DELETE FROM results WHERE key=?1"));
  MILLRACE_ASSIGN_OR_RETURN(Statement newest, db.Prepare("SELECT coalesce(max(used), 0) FROM results"));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, newest.Next());
  if (row) cache.clock_ = newest.Int(0);
  return cache;
}

absl::StatusOr<std::optional<Payload>> ResultCache::Look(const Digest& key) {
  look_.Reset();
  look_.BindBlob(1, key.view());
  MILLRACE_ASSIGN_OR_RETURN(const bool found, look_.Next());
  if (!found) return std::optional<Payload>();
  Payload payload;
  payload.bytes = Bytes::Copy(look_.Blob(0));
  payload.size = static_cast<std::uint64_t>(look_.Int(2));
  const std::string_view digest = look_.Blob(1);
  if (digest.size() == payload.digest.emplace().value.size()) {
    std::copy(digest.begin(), digest.end(), payload.digest->value.begin());
  } else {
    payload.digest.reset();
  }
  look_.Reset();
  used_.Reset();
  used_.BindBlob(1, key.view());
  used_.BindInt(2, ++clock_);
  MILLRACE_RETURN_IF_ERROR(used_.Next().status());
  return payload;
}

absl::Status ResultCache::Remember(const Digest& key, std::string_view task, const Payload& result,
                                   std::int64_t unix_ms) {
  put_.Reset();
  put_.BindBlob(1, key.view());
  put_.BindText(2, task);
  put_.BindBlob(3, result.bytes.view());
  put_.BindBlob(4, result.digest ? result.digest->view() : std::string_view());
  put_.BindInt(5, static_cast<std::int64_t>(result.size));
  put_.BindInt(6, unix_ms);
  put_.BindInt(7, ++clock_);
  MILLRACE_RETURN_IF_ERROR(put_.Next().status());
  put_.Reset();
  constexpr std::int64_t kCheckEvery = 256;  // entries; summing sizes at each would cost more than the entry
  return clock_ % kCheckEvery == 0 ? MakeRoom() : absl::OkStatus();
}

absl::Status ResultCache::Forget(const Digest& key) {
  forget_.Reset();
  forget_.BindBlob(1, key.view());
  return forget_.Next().status();
}

absl::Status ResultCache::MakeRoom() {
  MILLRACE_ASSIGN_OR_RETURN(Statement sum, database_.Prepare("SELECT coalesce(sum(length(bytes)), 0) FROM results"));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, sum.Next());
  if (!row || sum.Int(0) <= kLimitBytes) return absl::OkStatus();
  sum.Reset();
  return database_.Run(
      "DELETE FROM results WHERE used <= (SELECT used FROM results ORDER BY used"
      " LIMIT 1 OFFSET (SELECT count(*) / 4 FROM results))");
}

}  // namespace millrace::store
