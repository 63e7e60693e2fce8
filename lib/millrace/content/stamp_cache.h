// SPDX-License-Identifier: Apache-2.0
// Which content a file had when it was last looked at, so that one that was not touched need not be read again.
//
// One file beside the store for each folder, sorted as trees are, with its digest in front: a cache that is torn or
// damaged is no cache. A file that was touched so shortly before the cache was made that a later touch would have left
// the same times behind (git calls it racily clean) is not in it. Times are compared as they are, never as "newer".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "millrace/base/digest.h"
#include "millrace/content/file.h"

namespace millrace::content {

struct StampedFile {
  std::string path{};
  FileStamp stamp{};
  Digest digest{};
};

class StampCache {
 public:
  // That of a folder (by its absolute path) in a store. A cache that cannot be read is an empty one.
  static StampCache Load(const std::filesystem::path& store, const std::filesystem::path& folder,
                         std::string_view purpose);

  // The digest of the file at this path, if it is as it was. Asking in the order of a tree is one pass.
  std::optional<Digest> Find(std::string_view path, const FileStamp& stamp);
  std::size_t size() const { return files_.size(); }

  // Takes the place of what is there. Of `files`, which are sorted, those are left out that may have been touched again
  // since: whose times are not before `trusted_before_ns`.
  absl::Status Save(const std::vector<StampedFile>& files, std::int64_t trusted_before_ns) const;
  // Nothing is known of the folder from now on.
  absl::Status Clear() const;

 private:
  StampCache(std::filesystem::path folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}

  std::filesystem::path folder_;  // of caches
  std::string name_;
  std::vector<StampedFile> files_;
  std::size_t next_ = 0;
};

}  // namespace millrace::content
