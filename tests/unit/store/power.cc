// SPDX-License-Identifier: Apache-2.0
#include "power.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace millrace::store {
namespace {

PowerDisk* the_disk = nullptr;
sqlite3_vfs the_vfs{};

struct Handle {
  sqlite3_file base;
  PowerDisk::File* file;
  char name[256];
  bool removed_on_close;
  bool syncs_folder;  // with its first sync, as SQLite's own does for a journal or log that it has made
};

PowerDisk::File& FileOf(sqlite3_file* handle) { return *reinterpret_cast<Handle*>(handle)->file; }

// As a real disk reports what it cannot do.
int Failure(int code) {
  errno = EIO;
  return code;
}

int Close(sqlite3_file* handle) {
  const auto* opened = reinterpret_cast<Handle*>(handle);
  if (opened->removed_on_close && !the_disk->dark()) the_disk->Remove(opened->name, true);
  return SQLITE_OK;
}

int Read(sqlite3_file* handle, void* to, int count, sqlite3_int64 offset) {
  if (the_disk->dark()) return Failure(SQLITE_IOERR_READ);
  const std::string& seen = FileOf(handle).seen;
  const auto from = static_cast<std::size_t>(offset);
  const auto wanted = static_cast<std::size_t>(count);
  const std::size_t there = from < seen.size() ? std::min(wanted, seen.size() - from) : 0;
  if (there > 0) std::memcpy(to, seen.data() + from, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int Write(sqlite3_file* handle, const void* bytes, int count, sqlite3_int64 offset) {
  if (!the_disk->Passes()) return Failure(SQLITE_IOERR_WRITE);
  the_disk->Make(FileOf(handle), {.offset = static_cast<std::size_t>(offset),
                                  .bytes = {static_cast<const char*>(bytes), static_cast<std::size_t>(count)}});
  return SQLITE_OK;
}

int Truncate(sqlite3_file* handle, sqlite3_int64 size) {
  if (!the_disk->Passes()) return Failure(SQLITE_IOERR_TRUNCATE);
  the_disk->Make(FileOf(handle), {.offset = static_cast<std::size_t>(size), .bytes = {}, .truncates = true});
  return SQLITE_OK;
}

int Sync(sqlite3_file* handle, int) {
  if (!the_disk->Passes()) return Failure(SQLITE_IOERR_FSYNC);
  the_disk->Sync(FileOf(handle));
  bool& syncs_folder = reinterpret_cast<Handle*>(handle)->syncs_folder;
  if (std::exchange(syncs_folder, false)) the_disk->SyncFolder();
  return SQLITE_OK;
}

int Size(sqlite3_file* handle, sqlite3_int64* size) {
  if (the_disk->dark()) return Failure(SQLITE_IOERR_FSTAT);
  *size = static_cast<sqlite3_int64>(FileOf(handle).seen.size());
  return SQLITE_OK;
}

int Lock(sqlite3_file*, int) { return SQLITE_OK; }
int IsReserved(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}
int Control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 512; }
int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }  // as on Unix

int ShareMap(sqlite3_file* handle, int page, int size, int extend, void volatile** to) {
  auto& shared = FileOf(handle).shared;
  *to = nullptr;
  const auto wanted = static_cast<std::size_t>(page);
  if (wanted >= shared.size() && extend == 0) return SQLITE_OK;
  while (shared.size() <= wanted) shared.emplace_back(static_cast<std::size_t>(size));
  *to = shared[wanted].data();
  return SQLITE_OK;
}
int ShareLock(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void ShareBarrier(sqlite3_file*) {}
int ShareUnmap(sqlite3_file* handle, int) {
  FileOf(handle).shared.clear();  // the next one begins anew, as the first one does anywhere
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = Size,
    .xLock = Lock,
    .xUnlock = Lock,
    .xCheckReservedLock = IsReserved,
    .xFileControl = Control,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = Characteristics,
    .xShmMap = ShareMap,
    .xShmLock = ShareLock,
    .xShmBarrier = ShareBarrier,
    .xShmUnmap = ShareUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* handle, int flags, int* given) {
  handle->pMethods = nullptr;
  if (the_disk->dark()) return Failure(SQLITE_CANTOPEN);
  auto* opened = reinterpret_cast<Handle*>(handle);
  static std::uint64_t temporary = 0;
  const std::string path = name != nullptr ? name : "temporary " + std::to_string(++temporary);
  if (path.size() >= sizeof(opened->name)) return Failure(SQLITE_CANTOPEN);
  if (!the_disk->Exists(path) && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  opened->file = &the_disk->At(path);
  constexpr int kLogs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
  opened->syncs_folder = !opened->file->exists && (flags & kLogs) != 0;
  if (!opened->file->exists) *opened->file = {};
  opened->file->exists = true;
  std::strcpy(opened->name, path.c_str());
  opened->removed_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  if (given != nullptr) *given = flags;
  handle->pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_folder) {
  if (!the_disk->Passes()) return Failure(SQLITE_IOERR_DELETE);
  if (!the_disk->Exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  the_disk->Remove(name, sync_folder != 0);
  return SQLITE_OK;
}

int Access(sqlite3_vfs*, const char* name, int, int* result) {
  *result = the_disk->Exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int FullPath(sqlite3_vfs*, const char* name, int size, char* to) {
  sqlite3_snprintf(size, to, "%s", name);
  return SQLITE_OK;
}

}  // namespace

PowerDisk::PowerDisk(std::uint64_t seed) : random_(seed) {
  the_disk = this;
  the_vfs = *sqlite3_vfs_find("unix");  // for time, randomness and sleep
  the_vfs.pNext = nullptr;
  the_vfs.zName = "power";
  the_vfs.szOsFile = sizeof(Handle);
  the_vfs.xOpen = Open;
  the_vfs.xDelete = Delete;
  the_vfs.xAccess = Access;
  the_vfs.xFullPathname = FullPath;
  sqlite3_vfs_register(&the_vfs, /*makeDflt=*/1);
}

PowerDisk::~PowerDisk() {
  sqlite3_vfs_unregister(&the_vfs);
  the_disk = nullptr;
}

void PowerDisk::CutAt(std::uint64_t changes, Loss loss) {
  cut_at_ = changes_ + changes;
  loss_ = loss;
}

bool PowerDisk::Exists(const std::string& name) const {
  const auto it = files_.find(name);
  return it != files_.end() && it->second.exists;
}

bool PowerDisk::Passes() {
  if (!dark_ && ++changes_ >= cut_at_) Cut();
  return !dark_;
}

void PowerDisk::Apply(const Change& change, std::string& content) {
  if (change.truncates) {
    content.resize(change.offset, '\0');
    return;
  }
  if (content.size() < change.offset + change.bytes.size()) content.resize(change.offset + change.bytes.size(), '\0');
  content.replace(change.offset, change.bytes.size(), change.bytes);
}

void PowerDisk::Make(File& file, Change change) {
  Apply(change, file.seen);
  file.since.push_back(std::move(change));
}

void PowerDisk::Sync(File& file) {
  file.synced = file.seen;
  file.since.clear();
  file.named = true;
}

void PowerDisk::SyncFolder() {
  for (auto& [name, file] : files_) {
    if (!file.exists) file = {};
    file.named = file.exists;
  }
}

// For good: the folder was synced, too. Otherwise it may be back after a cut, as it was synced last.
void PowerDisk::Remove(const std::string& name, bool for_good) {
  File& file = files_[name];
  if (for_good) file = {};
  file.exists = false;
}

void PowerDisk::Cut() {
  dark_ = true;
  for (auto& [name, file] : files_) Lose(file);
}

void PowerDisk::Lose(File& file) {
  const bool stays = file.exists ? file.named || loss_ == Loss::kNone || (loss_ == Loss::kSome && Dice(50))
                                 : file.named && (loss_ == Loss::kAll || (loss_ == Loss::kSome && Dice(50)));
  const std::vector<Change> since = std::exchange(file.since, {});
  file.seen = file.synced;
  if (file.exists) {
    for (Change change : since) {
      if (loss_ == Loss::kAll || (loss_ == Loss::kSome && Dice(40))) continue;
      if (loss_ == Loss::kSome && Dice(25)) change.bytes.resize(random_.Below(change.bytes.size() + 1));
      Apply(change, file.seen);
    }
  }
  file.synced = file.seen;
  file.named = file.exists = stays;
  if (!stays) file.seen.clear();  // not `shared`, into which whoever has it open looks until it is closed
}

void PowerDisk::Restore() {
  dark_ = false;
  cut_at_ = UINT64_MAX;
}

}  // namespace millrace::store
