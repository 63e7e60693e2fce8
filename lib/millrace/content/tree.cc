// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/tree.h"

#include <algorithm>
#include <cstring>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "millrace/base/status.h"
#include "millrace/base/text.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"

namespace millrace::content {
namespace {

constexpr std::size_t kShown = 200;
constexpr std::size_t kDepthOfMsgpack = 4;  // tree, entries, entry: what is deeper is none of ours

absl::Status TooMuch(std::string_view what, std::uint64_t value, std::string_view limit_name, std::uint64_t limit) {
  return ResourceExhausted("%s: %d is over %s of %d", what, value, limit_name, limit);
}

// Calls `visit(part)` for what stands between slashes, until it gives an error.
template <class Visit>
absl::Status ForEachPart(std::string_view path, Visit visit) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    MILLRACE_RETURN_IF_ERROR(visit(path.substr(begin, end - begin)));
    begin = end + 1;
  }
  return absl::OkStatus();
}

std::string_view ParentOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

absl::Status CheckFile(const TreeEntry& entry, std::uint64_t& total) {
  if (entry.size > kMaxTreeBytes || total > kMaxTreeBytes - entry.size) {
    return ResourceExhausted("the files of a tree have over kMaxTreeBytes of %d bytes together, at the latest with %s",
                             kMaxTreeBytes, Shown(entry.path));
  }
  total += entry.size;
  return absl::OkStatus();
}

// All but links, which may point at what comes later.
absl::Status CheckEntries(const Tree& tree) {
  std::uint64_t total = 0;
  std::vector<std::string_view> open;  // directories that the entry before is in, or is
  std::string_view before;
  for (const TreeEntry& entry : tree.entries) {
    const std::string_view path = entry.path;
    MILLRACE_RETURN_IF_ERROR(CheckPath(path));
    if (path == before) return InvalidArgument("two entries have the path %s", Shown(path));
    if (!before.empty() && !PathLess(before, path)) {
      return InvalidArgument("entries are not sorted: %s after %s", Shown(path), Shown(before));
    }
    const std::string_view parent = ParentOf(path);
    while (!open.empty() && open.back() != parent) open.pop_back();
    if (open.empty() && !parent.empty()) {
      return InvalidArgument("%s is in no directory of the tree", Shown(path));
    }
    if (entry.kind == EntryKind::kDirectory) open.push_back(path);
    if (entry.is_file()) {
      MILLRACE_RETURN_IF_ERROR(CheckFile(entry, total));
    } else if (entry.size != 0 || !entry.digest.empty()) {
      return InvalidArgument("only files have content, and %s is none", Shown(path));
    }
    before = path;
  }
  return absl::OkStatus();
}

bool ReadDigest(wire::Reader& reader, Digest& digest) {
  std::string_view bytes;
  if (!reader.ReadBinary(bytes)) return false;
  if (bytes.size() != digest.value.size()) return reader.Fail(absl::StrFormat("a digest of %d bytes", bytes.size()));
  std::memcpy(digest.value.data(), bytes.data(), bytes.size());
  return true;
}

bool ReadText(wire::Reader& reader, std::string& text) {
  std::string_view view;
  if (!reader.ReadString(view) || !reader.Charge(view.size())) return false;
  text = view;
  return true;
}

bool ReadEntry(wire::Reader& reader, TreeEntry& entry) {
  std::size_t count = 0;
  std::uint8_t kind = 0;
  if (!reader.EnterArray(count) || !reader.ReadInteger(kind)) return false;
  if (kind > static_cast<std::uint8_t>(EntryKind::kSymlink)) {
    return reader.Fail(absl::StrFormat("%d is no kind of entry", +kind));
  }
  entry.kind = static_cast<EntryKind>(kind);
  const std::size_t fields = entry.is_file() ? 4 : entry.kind == EntryKind::kSymlink ? 3 : 2;
  if (count != fields) return reader.Fail(absl::StrFormat("an entry of %d fields, not %d", count, fields));
  if (!ReadText(reader, entry.path)) return false;
  if (entry.is_file() && !(reader.ReadInteger(entry.size) && ReadDigest(reader, entry.digest))) return false;
  if (entry.kind == EntryKind::kSymlink && !ReadText(reader, entry.target)) return false;
  reader.Leave();
  return true;
}

bool ReadEntries(wire::Reader& reader, std::vector<TreeEntry>& entries) {
  std::size_t count = 0;
  if (!reader.EnterArray(count) || !reader.Charge(count * sizeof(TreeEntry))) return false;
  entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (ReadEntry(reader, entries.emplace_back())) continue;
    reader.Within("[" + std::to_string(i) + "]");
    return false;
  }
  reader.Leave();
  return true;
}

}  // namespace

std::string Shown(std::string_view path) {
  return "'" + Beginning(absl::Utf8SafeCEscape(Av(path.substr(0, 2 * kShown))), kShown) + "'";
}

bool PathLess(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  if (*x == '/' || *y == '/') return *x == '/';
  return static_cast<unsigned char>(*x) < static_cast<unsigned char>(*y);
}

absl::Status CheckPath(std::string_view path) {
  if (path.empty()) return InvalidArgument("an entry has an empty path");
  if (path.size() > kMaxTreePath) {
    return TooMuch("the length of " + Shown(path), path.size(), "kMaxTreePath", kMaxTreePath);
  }
  if (path.front() == '/') return InvalidArgument("%s is absolute; paths of a tree begin at its root", Shown(path));
  if (path.find('\0') != std::string_view::npos) return InvalidArgument("%s has a NUL in it", Shown(path));
  std::size_t depth = 0;
  MILLRACE_RETURN_IF_ERROR(ForEachPart(path, [&](std::string_view part) -> absl::Status {
    ++depth;
    if (part.empty() || part == "." || part == "..") {
      return InvalidArgument("%s has a part that is %s", Shown(path), part.empty() ? "empty" : Shown(part));
    }
    if (part.size() <= kMaxTreeName) return absl::OkStatus();
    return TooMuch("the length of a name in " + Shown(path), part.size(), "kMaxTreeName", kMaxTreeName);
  }));
  if (depth > kMaxTreeDepth) return TooMuch("the depth of " + Shown(path), depth, "kMaxTreeDepth", kMaxTreeDepth);
  return absl::OkStatus();
}

namespace {

using Directories = absl::flat_hash_set<std::string_view>;

Directories DirectoriesOf(const Tree& tree) {
  Directories directories;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == EntryKind::kDirectory) directories.insert(entry.path);
  }
  return directories;
}

absl::Status CheckLink(const Directories& directories, std::string_view path, std::string_view target) {
  const auto refused = [&](std::string_view why) {
    return InvalidArgument("the link %s points at %s, %s; links of a tree stay inside of it: exclude it or change it",
                           Shown(path), Shown(target), why);
  };
  if (target.empty()) return refused("which is empty");
  if (target.size() > kMaxLinkTarget) {
    return TooMuch("the target of the link " + Shown(path), target.size(), "kMaxLinkTarget", kMaxLinkTarget);
  }
  if (target.front() == '/') return refused("which is absolute");
  if (target.find('\0') != std::string_view::npos) return refused("with a NUL in it");
  std::size_t ups = 0;
  std::string at(ParentOf(path));  // a directory of the tree, as the path of an entry cannot go through a link
  return ForEachPart(target, [&](std::string_view part) -> absl::Status {
    if (part.empty() || part == ".") return absl::OkStatus();
    if (part != "..") {
      if (!at.empty()) at += '/';
      at += part;
      return absl::OkStatus();
    }
    if (at.empty()) return refused("which is outside");
    // Each costs a look at a path as long as they may be.
    if (++ups > kMaxTreeDepth)
      return TooMuch("the '..' of the link " + Shown(path), ups, "kMaxTreeDepth", kMaxTreeDepth);
    if (!directories.contains(at)) {
      return refused("up from " + Shown(at) + ", which is no directory of the tree");
    }
    at = ParentOf(at);
    return absl::OkStatus();
  });
}

}  // namespace

absl::Status CheckLink(const Tree& tree, std::string_view path, std::string_view target) {
  return CheckLink(DirectoriesOf(tree), path, target);
}

absl::Status CheckTree(const Tree& tree) {
  if (tree.entries.size() > kMaxTreeEntries) {
    return TooMuch("the entries of a tree", tree.entries.size(), "kMaxTreeEntries", kMaxTreeEntries);
  }
  MILLRACE_RETURN_IF_ERROR(CheckEntries(tree));
  const Directories directories = DirectoriesOf(tree);
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == EntryKind::kSymlink) {
      MILLRACE_RETURN_IF_ERROR(CheckLink(directories, entry.path, entry.target));
    } else if (!entry.target.empty()) {
      return InvalidArgument("%s is no link, and has a target", Shown(entry.path));
    }
  }
  return absl::OkStatus();
}

const TreeEntry* Find(const Tree& tree, std::string_view path) {
  const auto at = std::lower_bound(tree.entries.begin(), tree.entries.end(), path,
                                   [](const TreeEntry& entry, std::string_view p) { return PathLess(entry.path, p); });
  return at == tree.entries.end() || at->path != path ? nullptr : &*at;
}

std::uint64_t BytesOf(const Tree& tree) {
  std::uint64_t total = 0;
  for (const TreeEntry& entry : tree.entries) total += entry.size;
  return total;
}

std::string EncodeTree(const Tree& tree) {
  std::string out;
  wire::Writer writer(out);
  writer.ArrayHeader(2);
  writer.Unsigned(kTreeVersion);
  writer.ArrayHeader(tree.entries.size());
  for (const TreeEntry& entry : tree.entries) {
    writer.ArrayHeader(entry.is_file() ? 4 : entry.kind == EntryKind::kSymlink ? 3 : 2);
    writer.Unsigned(static_cast<std::uint8_t>(entry.kind));
    writer.String(entry.path);
    if (entry.is_file()) {
      writer.Unsigned(entry.size);
      writer.Binary(entry.digest.view());
    } else if (entry.kind == EntryKind::kSymlink) {
      writer.String(entry.target);
    }
  }
  return out;
}

Digest DigestOf(const Tree& tree) { return Sha256(EncodeTree(tree)); }

absl::StatusOr<Tree> DecodeTree(std::string_view bytes) {
  const wire::Limits limits = {.max_depth = kDepthOfMsgpack,
                               .max_bytes = kMaxManifestBytes,
                               .max_string = std::max(kMaxTreePath, kMaxLinkTarget),
                               .max_elements = kMaxTreeEntries};
  wire::Reader reader(bytes, limits);
  std::size_t fields = 0;
  std::uint64_t version = 0;
  Tree tree;
  if (reader.EnterArray(fields) && reader.ReadInteger(version)) {
    if (version > kTreeVersion) {
      return Error(absl::StatusCode::kUnimplemented, "a tree of version %d; this program reads up to %d", version,
                   +kTreeVersion);
    }
    if (fields != 2 || version == 0) {
      static_cast<void>(reader.Fail(absl::StrFormat("%d fields of version %d", fields, version)));
    } else if (ReadEntries(reader, tree.entries)) {
      reader.Leave();
    }
  }
  if (absl::Status status = reader.Finish(); !status.ok()) return Annotate(status, "a tree");
  MILLRACE_RETURN_IF_ERROR(CheckTree(tree));
  // Msgpack has several ways to write a number, and a name that many texts have is none.
  if (EncodeTree(tree) != bytes) return InvalidArgument("a tree is not written in the one way there is");
  return tree;
}

}  // namespace millrace::content
