// SPDX-License-Identifier: Apache-2.0
#include "modules/copy.h"

#include <filesystem>
#include <system_error>

namespace millrace::modules {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(std::string_view what, const fs::path& path, const std::error_code& error) {
  return ErrnoStatus(error.value(), absl::StrFormat("%s %s", what, path.string()));
}

// Whether `inner` is `outer` or lies below it.
bool IsWithin(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path below = fs::weakly_canonical(inner, error);
  const fs::path above = fs::weakly_canonical(outer, error);
  const fs::path relative = below.lexically_relative(above);
  return !relative.empty() && *relative.begin() != "..";
}

class Copier {
 public:
  explicit Copier(const Context& context) : context_(context) {}

  absl::Status CopyAny(const fs::path& from, const fs::path& to) {
    if (context_.stop_token().stop_requested()) return absl::CancelledError("the copy was stopped");
    std::error_code error;
    const fs::file_status kind = fs::symlink_status(from, error);
    if (error) return Failed("read", from, error);
    if (fs::is_symlink(kind)) return CopyLink(from, to);
    if (fs::is_directory(kind)) return CopyFolder(from, to);
    if (!fs::is_regular_file(kind)) return InvalidArgument("%s is neither a file nor a folder", from.string());
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error) return Failed("copy to", to, error);
    const auto size = fs::file_size(to, error);
    if (error) return Failed("read", to, error);
    copied_.bytes += static_cast<std::int64_t>(size);
    ++copied_.files;
    return absl::OkStatus();
  }

  const Copied& copied() const { return copied_; }

 private:
  absl::Status CopyLink(const fs::path& from, const fs::path& to) {
    std::error_code error;
    const fs::path target = fs::read_symlink(from, error);
    if (error) return Failed("read", from, error);
    fs::remove(to, error);
    if (error) return Failed("replace", to, error);
    fs::create_symlink(target, to, error);
    if (error) return Failed("link", to, error);
    ++copied_.files;
    return absl::OkStatus();
  }

  absl::Status CopyFolder(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::create_directories(to, error);
    if (error) return Failed("create", to, error);
    fs::directory_iterator entry(from, error);
    if (error) return Failed("read", from, error);
    while (entry != fs::directory_iterator()) {
      MILLRACE_RETURN_IF_ERROR(CopyAny(entry->path(), to / entry->path().filename()));
      entry.increment(error);
      if (error) return Failed("read", from, error);
    }
    // Last, since a folder may be read-only.
    fs::permissions(to, fs::status(from, error).permissions(), error);
    return error ? Failed("set the permissions of", to, error) : absl::OkStatus();
  }

  const Context& context_;
  Copied copied_;
};

}  // namespace

absl::StatusOr<Copied> Copy::Run(Context& context) const {
  if (from.empty() || to.empty()) return InvalidArgument("copy needs both 'from' and 'to'");
  const fs::path source = fs::path(context.work_dir()) / from;
  const fs::path target = fs::path(context.work_dir()) / to;
  std::error_code error;
  if (fs::is_directory(source, error) && IsWithin(target, source)) {
    return InvalidArgument("cannot copy '%s' into itself ('%s')", from, to);
  }
  if (fs::equivalent(source, target, error)) return InvalidArgument("'%s' and '%s' are the same file", from, to);
  if (target.has_parent_path()) {
    fs::create_directories(target.parent_path(), error);
    if (error) return Failed("create", target.parent_path(), error);
  }
  Copier copier(context);
  MILLRACE_RETURN_IF_ERROR(copier.CopyAny(source, target));
  return copier.copied();
}

}  // namespace millrace::modules
