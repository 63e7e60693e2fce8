// SPDX-License-Identifier: Apache-2.0
// Which blobs of a store somebody needs, told to whoever evicts, in this process or another.
//
// Each user of a store has a file among its `members`: slots of 32 bytes, each a digest or zeros, and held by flock for
// as long as its process lives. A pin is written there under the shared lock of the store; who evicts holds it alone,
// and reads all files first. So a blob that is pinned, and then found, stays; and one that is not found may be put
// again. Letting go takes no lock: a pin that is seen too long does no harm. A file that nobody holds is of a process
// that died, and goes.
//
// One lock for each blob would be simpler, and too slow for a tree of 50,000: the kernel keeps them in a list. One for
// a group of blobs would keep others from evicting nearly everything.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/digest.h"
#include "millrace/base/fd.h"

namespace millrace::content {

class PinTable {
 public:
  // Becomes a member of the store at this folder, in which `lock` and `members` are.
  static absl::StatusOr<std::shared_ptr<PinTable>> Join(const std::filesystem::path& store);
  ~PinTable();
  PinTable(const PinTable&) = delete;
  PinTable& operator=(const PinTable&) = delete;

  // Any thread, all of them. Each Add wants a Release; after an error of Add nothing is pinned.
  absl::Status Add(std::span<const Digest> digests);
  void Release(std::span<const Digest> digests);

  // Of the file; what this member leaves half done begins with it.
  const std::string& name() const { return name_; }

  // Held by whoever evicts: nobody pins meanwhile.
  class Alone {
   public:
    static absl::StatusOr<Alone> Begin(const std::filesystem::path& store);
    // What all members have pinned. Files of those that have died are removed.
    absl::StatusOr<absl::flat_hash_set<Digest>> Pinned() const;
    // Whether this is the name of a member that lives.
    bool Lives(const std::string& member) const;

   private:
    Alone(std::filesystem::path members, UniqueFd lock) : members_(std::move(members)), lock_(std::move(lock)) {}
    std::filesystem::path members_;
    UniqueFd lock_;
  };

 private:
  struct Pin {
    std::uint64_t count = 0;
    std::uint64_t slot = 0;
  };

  PinTable() = default;
  absl::Status Write(std::vector<std::pair<std::uint64_t, Digest>> slots);

  std::mutex mutex_;
  std::filesystem::path file_;
  std::string name_;
  UniqueFd lock_;
  UniqueFd member_;
  absl::flat_hash_map<Digest, Pin> pins_;
  std::vector<std::uint64_t> free_;  // slots below end_ that are zero
  std::uint64_t end_ = 0;
};

// Pins, until they are dropped or destroyed. Of one thread at a time.
class Pins {
 public:
  Pins() = default;
  explicit Pins(std::shared_ptr<PinTable> table) : table_(std::move(table)) {}
  Pins(Pins&& other) noexcept : table_(std::move(other.table_)), digests_(std::move(other.digests_)) {
    other.digests_.clear();
  }
  Pins& operator=(Pins&& other) noexcept {
    if (this == &other) return *this;
    Drop();
    table_ = std::move(other.table_);
    digests_ = std::exchange(other.digests_, {});
    return *this;
  }
  ~Pins() { Drop(); }

  absl::Status Add(std::span<const Digest> digests) {
    if (absl::Status status = table_->Add(digests); !status.ok()) return status;
    digests_.insert(digests_.end(), digests.begin(), digests.end());
    return absl::OkStatus();
  }
  void Drop() {
    if (!digests_.empty()) table_->Release(digests_);
    digests_.clear();
  }
  // Those of another, of the same store.
  void Take(Pins other) {
    if (table_ == nullptr) table_ = other.table_;
    digests_.insert(digests_.end(), other.digests_.begin(), other.digests_.end());
    other.digests_.clear();
  }
  std::size_t size() const { return digests_.size(); }

 private:
  std::shared_ptr<PinTable> table_;
  std::vector<Digest> digests_;
};

}  // namespace millrace::content
