// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/stamp_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/content/tree.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"

namespace millrace::content {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kFields = 6;

bool ReadFile(wire::Reader& reader, StampedFile& file) {
  std::size_t count = 0;
  std::string_view path;
  std::string_view digest;
  if (!reader.EnterArray(count) || count != kFields || !reader.ReadString(path)) return false;
  if (!reader.ReadInteger(file.stamp.size) || !reader.ReadInteger(file.stamp.modified_ns)) return false;
  if (!reader.ReadInteger(file.stamp.changed_ns) || !reader.ReadInteger(file.stamp.inode)) return false;
  if (!reader.ReadBinary(digest) || digest.size() != file.digest.value.size()) return false;
  file.path = path;
  std::memcpy(file.digest.value.data(), digest.data(), digest.size());
  reader.Leave();
  return true;
}

std::vector<StampedFile> Decode(std::string_view bytes) {
  const Digest empty;
  if (bytes.size() < empty.value.size()) return {};
  const std::string_view body = bytes.substr(empty.value.size());
  if (Sha256(body).view() != bytes.substr(0, empty.value.size())) return {};
  wire::Reader reader(body, {.max_bytes = kMaxManifestBytes});
  std::size_t count = 0;
  std::uint64_t version = 0;
  std::vector<StampedFile> files;
  if (!reader.EnterArray(count) || count != 2 || !reader.ReadInteger(version) || version != kVersion) return {};
  if (!reader.EnterArray(count) || !reader.Charge(count * sizeof(StampedFile))) return {};
  files.resize(count);
  for (StampedFile& file : files) {
    if (!ReadFile(reader, file)) return {};
  }
  return files;
}

}  // namespace

StampCache StampCache::Load(const std::filesystem::path& store, const std::filesystem::path& folder,
                            std::string_view purpose) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::canonical(folder, error);
  if (error) absolute = std::filesystem::absolute(folder, error);
  Hasher hasher;
  hasher.AddField(purpose);
  hasher.AddField(absolute.native());
  StampCache cache(store / "stamps", hasher.Finish().Hex());
  const UniqueFd fd(open((cache.folder_ / cache.name_).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return cache;
  const auto bytes = ReadUpTo(fd.get(), kMaxManifestBytes, "kMaxManifestBytes", "stamps");
  if (bytes.ok()) cache.files_ = Decode(*bytes);
  return cache;
}

std::optional<Digest> StampCache::Find(std::string_view path, const FileStamp& stamp) {
  while (next_ < files_.size() && PathLess(files_[next_].path, path)) ++next_;
  if (next_ == files_.size() || files_[next_].path != path || files_[next_].stamp != stamp) return std::nullopt;
  return files_[next_].digest;
}

absl::Status StampCache::Save(const std::vector<StampedFile>& files, std::int64_t trusted_before_ns) const {
  const auto trusted = [&](const StampedFile& file) {
    return std::max(file.stamp.modified_ns, file.stamp.changed_ns) < trusted_before_ns;
  };
  std::string body;
  wire::Writer writer(body);
  writer.ArrayHeader(2);
  writer.Unsigned(kVersion);
  writer.ArrayHeader(static_cast<std::size_t>(std::count_if(files.begin(), files.end(), trusted)));
  for (const StampedFile& file : files) {
    if (!trusted(file)) continue;
    writer.ArrayHeader(kFields);
    writer.String(file.path);
    writer.Unsigned(file.stamp.size);
    writer.Signed(file.stamp.modified_ns);
    writer.Signed(file.stamp.changed_ns);
    writer.Unsigned(file.stamp.inode);
    writer.Binary(file.digest.view());
  }
  const UniqueFd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(errno, folder_.string());
  return ReplaceFile(folder.get(), name_, std::string(Sha256(body).view()) + body);
}

absl::Status StampCache::Clear() const {
  if (unlink((folder_ / name_).c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, (folder_ / name_).string());
}

}  // namespace millrace::content
