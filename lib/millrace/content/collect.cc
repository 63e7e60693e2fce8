// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/collect.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/content/descent.h"
#include "millrace/content/intake.h"
#include "millrace/content/walk.h"
#include "millrace/content/wildcard.h"

namespace millrace::content {
namespace {

constexpr std::size_t kNamesShown = 5;

struct PathOrder {
  bool operator()(std::string_view a, std::string_view b) const { return PathLess(a, b); }
};
using Chosen = std::map<std::string, Found, PathOrder>;

std::string_view ParentOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// The directories in front of the first part in which something is wild: below there whatever matches must be.
std::string_view FixedParent(std::string_view pattern) {
  const auto wild = std::find_if(pattern.begin(), pattern.end(), IsWild);
  return ParentOf(pattern.substr(0, static_cast<std::size_t>(wild - pattern.begin())));
}

// "; dist has: a.txt, b.txt; did you mean ...": of the innermost directory on the way that is there.
std::string WhatIsThere(Descent& root, std::string_view pattern) {
  std::string_view directory = FixedParent(pattern);
  auto fd = root.To(directory);
  while (!fd.ok() && !directory.empty()) fd = root.To(directory = ParentOf(directory));
  auto names = fd.ok() ? NamesIn(*fd, "") : fd.status();
  const std::string where = directory.empty() ? "the folder" : Shown(directory);
  if (!names.ok() || names->empty()) return "; " + where + " is empty";
  std::string_view missing = pattern.substr(directory.empty() ? 0 : directory.size() + 1);
  missing = missing.substr(0, missing.find('/'));
  const std::string meant = DidYouMean(missing, *names);
  const std::size_t count = names->size();
  names->resize(std::min(count, kNamesShown));
  for (std::string& name : *names) name = Shown(name);
  const std::string more = count > kNamesShown ? absl::StrFormat(" and %d more", count - kNamesShown) : "";
  return "; " + where + " has " + absl::StrJoin(*names, ", ") + more + meant;
}

absl::Status CheckSize(std::string_view path, std::uint64_t size, const FileLimit& limit) {
  if (size <= limit.bytes) return absl::OkStatus();
  return FailedPrecondition("%s has %s; files up to %s are taken (%s)", Shown(path),
                            FormatSize(static_cast<std::int64_t>(size)),
                            FormatSize(static_cast<std::int64_t>(limit.bytes)), limit.name);
}

class Collector {
 public:
  Collector(Descent& root, const FileLimit& limit) : root_(root), limit_(limit) {}

  absl::Status Add(const Glob& glob) {
    MILLRACE_RETURN_IF_ERROR(CheckGlob(glob.pattern));
    MILLRACE_ASSIGN_OR_RETURN(std::vector<Found> found, Candidates(glob.pattern));
    const Wildcard wildcard(glob.pattern);
    std::string inside;  // the directory that matched, with a slash
    std::size_t matched = 0;
    std::size_t files = 0;
    for (Found& one : found) {
      const bool in_match = !inside.empty() && one.path.starts_with(inside);
      if (!in_match && !wildcard.Matches(one.path)) continue;
      if (!in_match && one.kind == EntryKind::kDirectory) inside = one.path + "/";
      ++matched;
      MILLRACE_RETURN_IF_ERROR(CheckOne(glob, one, files));
      chosen_.insert_or_assign(one.path, std::move(one));
    }
    if (matched == 0 && glob.demanded) {
      return NotFound("nothing matches %s%s", Shown(glob.pattern), WhatIsThere(root_, glob.pattern));
    }
    if (matched > 0 && files == 0 && glob.with_content) {
      return FailedPrecondition("%s matches no file, and content is demanded of it", Shown(glob.pattern));
    }
    return absl::OkStatus();
  }

  // With the directories that hold what was chosen.
  std::vector<Found> All() && {
    std::vector<Found> all;
    std::vector<std::string> missing;
    for (const auto& [path, found] : chosen_) {
      for (std::string_view above = ParentOf(path); !above.empty(); above = ParentOf(above)) {
        if (!chosen_.contains(std::string(above))) missing.emplace_back(above);
      }
    }
    for (const std::string& path : missing) chosen_[path] = {.path = path, .kind = EntryKind::kDirectory};
    all.reserve(chosen_.size());
    for (auto& [path, found] : chosen_) all.push_back(std::move(found));
    return all;
  }

 private:
  // A name in which nothing is wild is looked at, and not looked for: what is beside it is others' business.
  absl::StatusOr<std::vector<Found>> Candidates(std::string_view pattern) {
    WalkOptions options{.below = std::string(FixedParent(pattern)), .tolerant = true};
    if (std::none_of(pattern.begin(), pattern.end(), IsWild)) {
      options.only = pattern.substr(options.below.empty() ? 0 : options.below.size() + 1);
    }
    if (!root_.To(options.below).ok()) return std::vector<Found>();
    return Walk(root_, options);
  }

  absl::Status CheckOne(const Glob& glob, const Found& one, std::size_t& files) const {
    if (one.other) {
      return InvalidArgument("%s, which %s matches, is %s, which no artifact can hold", Shown(one.path),
                             Shown(glob.pattern), KindName(one.mode));
    }
    if (one.error != 0) return ErrnoStatus(one.error, Shown(one.path));
    const bool is_file = one.kind == EntryKind::kFile || one.kind == EntryKind::kExecutable;
    if (is_file) ++files;
    if (is_file) MILLRACE_RETURN_IF_ERROR(CheckSize(one.path, one.stamp.size, limit_));
    if (is_file && one.stamp.size == 0 && glob.with_content) {
      return FailedPrecondition("%s, which %s matches, is empty, and content is demanded of it", Shown(one.path),
                                Shown(glob.pattern));
    }
    return absl::OkStatus();
  }

  Descent& root_;
  const FileLimit& limit_;
  Chosen chosen_;
};

}  // namespace

absl::Status CheckGlob(std::string_view pattern) {
  if (pattern.size() > kMaxGlob) {
    return ResourceExhausted("a pattern of %d bytes is over kMaxGlob of %d", pattern.size(), kMaxGlob);
  }
  if (absl::Status status = CheckPath(pattern); !status.ok()) {
    return Annotate(status, "patterns of artifacts begin in the work directory and stay there");
  }
  if (Wildcard(pattern).sound()) return absl::OkStatus();
  return InvalidArgument("%s ends within [...] or behind a backslash", Shown(pattern));
}

absl::StatusOr<Collected> Collect(const std::filesystem::path& folder, std::span<const Glob> globs, ContentStore& store,
                                  const FileLimit& limit) {
  MILLRACE_ASSIGN_OR_RETURN(Descent root, Descent::Open(folder));
  Collector collector(root, limit);
  for (const Glob& glob : globs) MILLRACE_RETURN_IF_ERROR(collector.Add(glob));
  Collected collected{.pins = store.NoPins()};
  std::vector<StampedFile> files;
  std::vector<std::size_t> entry_of;
  for (Found& one : std::move(collector).All()) {
    TreeEntry entry{.path = std::move(one.path), .kind = one.kind, .target = std::move(one.target)};
    if (entry.is_file()) {
      entry.size = one.stamp.size;
      entry_of.push_back(collected.tree.entries.size());
      files.push_back({.path = entry.path});
    }
    collected.tree.entries.push_back(std::move(entry));
  }
  MILLRACE_RETURN_IF_ERROR(CheckTree(collected.tree));
  std::vector<StampedFile*> unread;
  for (StampedFile& file : files) unread.push_back(&file);
  MILLRACE_ASSIGN_OR_RETURN(Intake intake, TakeIn(folder, store, unread, 2));
  for (Pins& pins : intake.pins) collected.pins.Take(std::move(pins));
  for (std::size_t i = 0; i < files.size(); ++i) {
    TreeEntry& entry = collected.tree.entries[entry_of[i]];
    entry.size = files[i].stamp.size;  // it may have grown since
    MILLRACE_RETURN_IF_ERROR(CheckSize(entry.path, entry.size, limit));
    entry.digest = files[i].digest;
  }
  MILLRACE_RETURN_IF_ERROR(CheckTree(collected.tree));
  return collected;
}

}  // namespace millrace::content
