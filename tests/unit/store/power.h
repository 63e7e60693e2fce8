// SPDX-License-Identifier: Apache-2.0
// A disk that loses its power, as SQLite's file system: what is written is seen at once by whoever reads, and stays
// only once it was synced. When the power goes, each write since then stays, is lost or is torn, by dice, in any order.
// Everything is in memory. One connection to a file at a time, one thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "millrace/base/random.h"

namespace millrace::store {

class PowerDisk {
 public:
  // Until it is destroyed, every connection of this process is to files on it. One at a time.
  explicit PowerDisk(std::uint64_t seed);
  ~PowerDisk();
  PowerDisk(const PowerDisk&) = delete;
  PowerDisk& operator=(const PowerDisk&) = delete;

  // How much of what was not synced a cut takes.
  enum class Loss : std::uint8_t { kNone, kSome, kAll };
  // The power goes instead of the `changes`-th change (write, truncation, sync, removal) from now on. Nothing works
  // from then on; what is open has to be closed before Restore.
  void CutAt(std::uint64_t changes, Loss loss);
  bool dark() const { return dark_; }
  void Restore();

  std::uint64_t changes() const { return changes_; }

  // ---- for the functions that SQLite calls ----
  struct Change {
    std::size_t offset = 0;
    std::string bytes;
    bool truncates = false;  // to `offset`
  };
  struct File {
    std::string seen;
    std::string synced;
    std::vector<Change> since;
    std::vector<std::vector<char>> shared;  // the index of its log, of which the disk knows nothing
    bool exists = false;
    bool named = false;  // its name stays, too
  };
  File& At(const std::string& name) { return files_[name]; }
  bool Exists(const std::string& name) const;
  bool Passes();  // false: no power
  void Make(File& file, Change change);
  void Sync(File& file);
  void SyncFolder();
  void Remove(const std::string& name, bool for_good);

 private:
  bool Dice(std::uint32_t in_hundred) { return random_.Below(100) < in_hundred; }
  void Cut();
  void Lose(File& file);
  static void Apply(const Change& change, std::string& content);

  Random random_;
  std::map<std::string, File> files_;
  std::uint64_t changes_ = 0;
  std::uint64_t cut_at_ = UINT64_MAX;
  Loss loss_ = Loss::kSome;
  bool dark_ = false;
};

}  // namespace millrace::store
