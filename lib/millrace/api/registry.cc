// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/registry.h"

#include "millrace/base/digest.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"

namespace millrace {
namespace detail {

std::uint64_t CombineFingerprints(std::string_view name, std::span<const std::uint64_t> parts) {
  Hasher hasher;
  hasher.AddField("module");
  hasher.AddField(name);
  for (const std::uint64_t part : parts) {
    std::string little_endian;
    for (int shift = 0; shift < 64; shift += 8) little_endian.push_back(static_cast<char>(part >> shift));
    hasher.Add(little_endian);
  }
  const Digest digest = hasher.Finish();
  std::uint64_t combined = 0;
  for (std::size_t i = 0; i < 8; ++i) combined = combined << 8 | digest.value[i];
  return combined == 0 ? 1 : combined;
}

}  // namespace detail

namespace {

constexpr std::size_t kMostListed = 30;  // names in an error

}  // namespace

void Registry::Put(const ModuleEntry& entry) {
  const auto [at, is_new] = entries_.try_emplace(std::string(entry.name), &entry);
  if (!is_new && at->second->type != entry.type) conflicts_.emplace_back(entry.name);
}

Registry& Registry::Merge(const Registry& other) {
  entries_.insert(other.entries_.begin(), other.entries_.end());
  conflicts_.insert(conflicts_.end(), other.conflicts_.begin(), other.conflicts_.end());
  return *this;
}

absl::Status Registry::Check() const {
  if (conflicts_.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kAlreadyExists, "two different module types have the kName '%s'; rename one of them",
               conflicts_.front());
}

absl::StatusOr<const ModuleEntry*> Registry::Find(std::string_view name) const {
  if (const auto found = entries_.find(name); found != entries_.end()) return found->second;
  std::vector<std::string> names;
  std::string list;
  for (const auto& [known, entry] : entries_) {
    names.push_back(known);
    if (names.size() <= kMostListed) list += (list.empty() ? "" : ", ") + known;
  }
  if (names.size() > kMostListed) list += absl::StrFormat(" and %d more", names.size() - kMostListed);
  return NotFound("no module named '%s' is compiled into this program%s (it has: %s)", name, DidYouMean(name, names),
                  list.empty() ? "none" : list);
}

std::vector<OfferedModule> Registry::Offered() const {
  std::vector<OfferedModule> offered;
  offered.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) offered.push_back({name, entry->fingerprint});
  return offered;
}

}  // namespace millrace
