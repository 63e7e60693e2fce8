// SPDX-License-Identifier: Apache-2.0
// What a task has made, taken by name from its folder into a store: artifacts.
//
// A name is a pattern as in wildcard.h, from the folder on: "dist/**/*.whl", "report.html", "build/app". What matches
// is a file, a link, or a directory, which means everything in it. A '*' matches names that begin with a dot, too. The
// tree has the paths that the files have in the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/content/content_store.h"
#include "millrace/content/tree.h"

namespace millrace::content {

inline constexpr std::size_t kMaxGlob = 4095;  // bytes of one

struct Glob {
  std::string pattern{};
  bool demanded = true;       // that nothing matches is an error
  bool with_content = false;  // that a file of it is empty, or that it has no file, is an error
};

// How many bytes a file may have, and by what setting: "files up to 100 MiB are taken (NAME)".
struct FileLimit {
  std::uint64_t bytes = UINT64_MAX;
  std::string_view name{};
};

struct Collected {
  Tree tree{};
  Pins pins{};  // of all its files
};

// OK when a pattern may be used: InvalidArgument for one that is empty, absolute or unsound, or has a part that is
// empty, "." or "..".
absl::Status CheckGlob(std::string_view pattern);

// NotFound for a demanded glob that nothing matches, with the names that are nearest; FailedPrecondition for a file
// that is empty and should not be, or larger than it may be, of which nothing is read then. InvalidArgument for what no
// tree can hold.
absl::StatusOr<Collected> Collect(const std::filesystem::path& folder, std::span<const Glob> globs, ContentStore& store,
                                  const FileLimit& limit = {});

}  // namespace millrace::content
