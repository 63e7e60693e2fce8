// SPDX-License-Identifier: Apache-2.0
// How a store keeps within its limit: the part of ContentStore that looks at all of it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/content/content_store.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kPart = 16;  // of the limit: what is added between two looks, and evicted beyond what must be

std::uint64_t Footprint(std::uint64_t size) { return (size / kBlock + 1) * kBlock; }

struct Kept {
  std::int64_t used_ns = 0;
  std::uint64_t bytes = 0;
  Digest digest;
};

std::string SizeText(std::uint64_t bytes) { return FormatSize(static_cast<std::int64_t>(bytes)); }

// Everything in objects. What is no blob is none of ours, and stays.
absl::StatusOr<std::vector<Kept>> List(int objects, const std::string& what) {
  std::vector<Kept> kept;
  MILLRACE_ASSIGN_OR_RETURN(const auto folders, NamesIn(objects, what));
  for (const std::string& folder : folders) {
    MILLRACE_ASSIGN_OR_RETURN(const UniqueFd fd, OpenIn(objects, folder, O_RDONLY | O_DIRECTORY, what + folder));
    MILLRACE_ASSIGN_OR_RETURN(const auto names, NamesIn(fd.get(), what + folder));
    for (const std::string& name : names) {
      struct stat found {};
      const auto digest = Digest::FromHex(name);
      if (!digest.ok() || fstatat(fd.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
      kept.push_back({.used_ns = found.st_atim.tv_sec * 1'000'000'000 + found.st_atim.tv_nsec,
                      .bytes = Footprint(static_cast<std::uint64_t>(found.st_size)),
                      .digest = *digest});
    }
  }
  return kept;
}

std::uint64_t Total(const std::vector<Kept>& kept) {
  std::uint64_t total = 0;
  for (const Kept& one : kept) total += one.bytes;
  return total;
}

}  // namespace

absl::StatusOr<std::uint64_t> ContentStore::HeldBytes() const {
  MILLRACE_ASSIGN_OR_RETURN(const auto kept, List(objects_.get(), (folder_ / "objects/").string()));
  std::uint64_t held = Total(kept);
  std::error_code ignored;
  for (const auto& damaged : std::filesystem::directory_iterator(folder_ / "damaged", ignored)) {
    held += Footprint(damaged.file_size(ignored));
  }
  return held;
}

absl::Status ContentStore::MakeRoom(std::uint64_t size) {
  const std::uint64_t bytes = Footprint(size);
  const std::uint64_t limit = options_.limit_bytes;
  const std::scoped_lock lock(mutex_);
  if (bytes > limit) {
    return ResourceExhausted("a blob of %s is over the limit of %s of the store %s", SizeText(size), SizeText(limit),
                             folder_.string());
  }
  if (!counted_ || since_ + bytes > limit / kPart) {
    MILLRACE_ASSIGN_OR_RETURN(held_, HeldBytes());
    counted_ = true;
    since_ = 0;
  }
  if (held_ + bytes > limit) {
    const std::uint64_t at_most = limit - bytes;
    MILLRACE_RETURN_IF_ERROR(TrimLocked(at_most - std::min(at_most, limit / kPart), at_most));
  }
  held_ += bytes;
  since_ += bytes;
  return absl::OkStatus();
}

absl::Status ContentStore::Trim(std::uint64_t to_bytes) {
  const std::scoped_lock lock(mutex_);
  return TrimLocked(to_bytes, to_bytes);
}

absl::Status ContentStore::TrimLocked(std::uint64_t to_bytes, std::uint64_t at_most) {
  MILLRACE_ASSIGN_OR_RETURN(const auto alone, PinTable::Alone::Begin(folder_));
  MILLRACE_ASSIGN_OR_RETURN(const auto pinned, alone.Pinned());
  MILLRACE_ASSIGN_OR_RETURN(auto kept, List(objects_.get(), (folder_ / "objects/").string()));
  std::error_code ignored;  // what is damaged is for people to look at, while there is room
  for (const auto& damaged : std::filesystem::directory_iterator(folder_ / "damaged", ignored)) {
    std::filesystem::remove(damaged.path(), ignored);
  }
  held_ = Total(kept);
  counted_ = true;
  since_ = 0;
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.used_ns < b.used_ns; });
  std::uint64_t needed = 0;
  for (const Kept& one : kept) {
    if (pinned.contains(one.digest)) {
      needed += one.bytes;
    } else if (held_ > to_bytes && unlinkat(objects_.get(), NameOf(one.digest).c_str(), 0) == 0) {
      held_ -= one.bytes;
    }
  }
  if (held_ <= at_most) return absl::OkStatus();
  return ResourceExhausted(
      "the store %s holds %s, of which %s are in use, and should hold at most %s: raise its limit of %s",
      folder_.string(), SizeText(held_), SizeText(needed), SizeText(at_most), SizeText(options_.limit_bytes));
}

}  // namespace millrace::content
