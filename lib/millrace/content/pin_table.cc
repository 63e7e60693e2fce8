// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/pin_table.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

constexpr std::size_t kSlotBytes = sizeof(Digest::value);

int Lock(int fd, int operation) {
  int locked = 0;
  while ((locked = flock(fd, operation)) != 0 && errno == EINTR) {
  }
  return locked;
}

absl::StatusOr<UniqueFd> OpenLock(const std::filesystem::path& store) {
  const std::filesystem::path path = store / "lock";
  return OpenIn(AT_FDCWD, path, O_RDWR | O_CREAT, path.string(), 0600);
}

}  // namespace

absl::StatusOr<PinTable::Alone> PinTable::Alone::Begin(const std::filesystem::path& store) {
  MILLRACE_ASSIGN_OR_RETURN(UniqueFd lock, OpenLock(store));
  if (Lock(lock.get(), LOCK_EX) != 0) return ErrnoStatus(errno, "lock " + (store / "lock").string());
  return Alone(store / "members", std::move(lock));
}

bool PinTable::Alone::Lives(const std::string& member) const {
  const UniqueFd fd(open((members_ / member).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return fd.valid() && Lock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

absl::StatusOr<absl::flat_hash_set<Digest>> PinTable::Alone::Pinned() const {
  absl::flat_hash_set<Digest> pinned;
  const UniqueFd folder(open(members_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(errno, members_.string());
  MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(folder.get(), members_.string()));
  for (const std::string& name : names) {
    if (!Lives(name)) {
      unlinkat(folder.get(), name.c_str(), 0);
      continue;
    }
    const std::string path = (members_ / name).string();
    MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(folder.get(), name, O_RDONLY, path));
    std::string bytes;
    MILLRACE_RETURN_IF_ERROR(ReadChunks(fd.get(), path, [&](std::string_view chunk) {
                               bytes += chunk;
                               return absl::OkStatus();
                             }).status());
    for (std::size_t at = 0; at + kSlotBytes <= bytes.size(); at += kSlotBytes) {
      Digest digest;
      std::memcpy(digest.value.data(), bytes.data() + at, kSlotBytes);
      if (!digest.empty()) pinned.insert(digest);
    }
  }
  return pinned;
}

absl::StatusOr<std::shared_ptr<PinTable>> PinTable::Join(const std::filesystem::path& store) {
  // Alone, so that nobody takes the file for one of the dead before it is held.
  MILLRACE_ASSIGN_OR_RETURN(const Alone alone, Alone::Begin(store));
  std::shared_ptr<PinTable> table(new PinTable);
  table->name_ = RandomName();
  table->file_ = store / "members" / table->name_;
  MILLRACE_ASSIGN_OR_RETURN(table->lock_, OpenLock(store));
  MILLRACE_ASSIGN_OR_RETURN(table->member_,
                            OpenIn(AT_FDCWD, table->file_, O_RDWR | O_CREAT | O_EXCL, table->file_.string(), 0600));
  if (Lock(table->member_.get(), LOCK_EX | LOCK_NB) != 0) return ErrnoStatus(errno, table->file_.string());
  return table;
}

PinTable::~PinTable() {
  if (member_.valid()) unlink(file_.c_str());
}

absl::Status PinTable::Write(std::vector<std::pair<std::uint64_t, Digest>> slots) {
  std::sort(slots.begin(), slots.end());
  std::string run;
  for (std::size_t i = 0; i < slots.size();) {
    const std::uint64_t begin = slots[i].first;
    run.clear();
    for (; i < slots.size() && slots[i].first == begin + run.size() / kSlotBytes; ++i) run += slots[i].second.view();
    for (std::size_t done = 0; done < run.size();) {
      const ssize_t count =
          pwrite(member_.get(), run.data() + done, run.size() - done, static_cast<off_t>(begin * kSlotBytes + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrnoStatus(errno, "pinning in " + file_.string());
      done += static_cast<std::size_t>(count);
    }
  }
  return absl::OkStatus();
}

absl::Status PinTable::Add(std::span<const Digest> digests) {
  if (digests.empty()) return absl::OkStatus();
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<std::uint64_t, Digest>> slots;
  for (const Digest& digest : digests) {
    Pin& pin = pins_[digest];
    if (pin.count++ > 0) continue;
    if (free_.empty()) {
      pin.slot = end_++;
    } else {
      pin.slot = free_.back();
      free_.pop_back();
    }
    slots.emplace_back(pin.slot, digest);
  }
  if (slots.empty()) return absl::OkStatus();
  absl::Status status;
  if (Lock(lock_.get(), LOCK_SH) != 0) status = ErrnoStatus(errno, "lock for " + file_.string());
  if (status.ok()) status = Write(slots);
  Lock(lock_.get(), LOCK_UN);
  if (status.ok()) return status;
  for (const Digest& digest : digests) {
    const auto pin = pins_.find(digest);
    if (--pin->second.count > 0) continue;
    free_.push_back(pin->second.slot);  // whatever is in it by now, it is read as a pin at worst
    pins_.erase(pin);
  }
  return status;
}

void PinTable::Release(std::span<const Digest> digests) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::pair<std::uint64_t, Digest>> slots;
  for (const Digest& digest : digests) {
    const auto pin = pins_.find(digest);
    if (pin == pins_.end() || --pin->second.count > 0) continue;
    slots.emplace_back(pin->second.slot, Digest());
    free_.push_back(pin->second.slot);
    pins_.erase(pin);
  }
  if (pins_.empty()) {
    free_.clear();
    end_ = 0;
    if (ftruncate(member_.get(), 0) == 0) return;
  }
  // A slot that cannot be emptied keeps a blob that nobody needs, until it is used again.
  static_cast<void>(Write(std::move(slots)));
}

}  // namespace millrace::content
