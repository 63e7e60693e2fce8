// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/descent.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "millrace/base/status.h"
#include "millrace/content/tree.h"

namespace millrace::content {

absl::StatusOr<Descent> Descent::Open(const std::filesystem::path& root) {
  UniqueFd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, root.string());
  return Descent(std::move(fd));
}

void Descent::Up(std::string_view directory) {
  const auto holds = [&] {
    return directory.starts_with(at_) && (directory.size() == at_.size() || directory[at_.size()] == '/');
  };
  while (!levels_.empty() && !holds()) {
    levels_.pop_back();
    at_.resize(levels_.empty() ? 0 : levels_.back().end);
  }
}

absl::StatusOr<int> Descent::To(std::string_view directory) {
  Up(directory);
  while (at_.size() < directory.size()) {
    const std::size_t begin = at_.empty() ? 0 : at_.size() + 1;
    const std::size_t end = std::min(directory.find('/', begin), directory.size());
    const std::string name(directory.substr(begin, end - begin));
    const int above = levels_.empty() ? root_.get() : levels_.back().fd.get();
    UniqueFd fd(openat(above, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) {
      const std::string shown = Shown(directory.substr(0, end));
      if (errno == ELOOP || errno == ENOTDIR) return FailedPrecondition("%s is no directory", shown);
      return ErrnoStatus(errno, shown);
    }
    at_ = directory.substr(0, end);
    levels_.push_back({.end = end, .fd = std::move(fd)});
  }
  return levels_.empty() ? root_.get() : levels_.back().fd.get();
}

absl::StatusOr<Descent::Place> Descent::ToHolderOf(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  Place place;
  MILLRACE_ASSIGN_OR_RETURN(place.directory, To(slash == std::string_view::npos ? "" : path.substr(0, slash)));
  place.name = path.substr(slash + 1);
  return place;
}

void Descent::Forget(std::string_view directory) {
  while (!levels_.empty() && at_.starts_with(directory) &&
         (at_.size() == directory.size() || at_[directory.size()] == '/')) {
    levels_.pop_back();
    at_.resize(levels_.empty() ? 0 : levels_.back().end);
  }
}

}  // namespace millrace::content
