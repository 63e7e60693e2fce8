// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/find_program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"

namespace millrace::exec {
namespace {

namespace fs = std::filesystem;

enum class Kind { kAbsent, kProgram, kNotExecutable };

Kind KindOf(const fs::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) return Kind::kAbsent;
  return access(file.c_str(), X_OK) == 0 ? Kind::kProgram : Kind::kNotExecutable;
}

// An empty entry means the current directory, as in every shell.
std::vector<fs::path> Folders(std::string_view path) {
  std::vector<fs::path> folders;
  for (std::size_t begin = 0;;) {
    const std::size_t end = path.find(':', begin);
    const std::string_view entry = path.substr(begin, end == std::string_view::npos ? end : end - begin);
    folders.emplace_back(entry.empty() ? std::string_view(".") : entry);
    if (end == std::string_view::npos) return folders;
    begin = end + 1;
  }
}

// The names in `folder`; unreadable ones have none.
void AppendNames(const fs::path& folder, std::vector<std::string>* names) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names->push_back(it->path().filename().string());
  }
}

absl::Status NotExecutable(const fs::path& file) {
  return Error(absl::StatusCode::kPermissionDenied, "%s is not executable; chmod +x it, or run it with its interpreter",
               file.string());
}

}  // namespace

absl::StatusOr<std::string> FindProgram(std::string_view name, std::string_view path, const fs::path& directory) {
  if (name.empty()) return InvalidArgument("a command without a program");
  std::vector<std::string> names;
  if (name.find('/') != std::string_view::npos) {
    const fs::path file = directory / name;  // an absolute name replaces `directory`
    switch (KindOf(file)) {
      case Kind::kProgram: return std::string(name);  // relative to `directory`, where the child will be
      case Kind::kNotExecutable: return NotExecutable(file);
      case Kind::kAbsent: break;
    }
    AppendNames(file.parent_path(), &names);
    return NotFound("no program %s%s", file.string(), DidYouMean(file.filename().string(), names));
  }
  fs::path not_executable;
  const std::vector<fs::path> folders = Folders(path);
  for (const fs::path& folder : folders) {
    const fs::path file = folder / name;
    const Kind kind = KindOf(directory / file);
    if (kind == Kind::kProgram) return file.string();
    if (kind == Kind::kNotExecutable && not_executable.empty()) not_executable = file;
  }
  if (!not_executable.empty()) return NotExecutable(not_executable);
  for (const fs::path& folder : folders) AppendNames(directory / folder, &names);
  return NotFound("no program '%s' on PATH=%s%s", name, path, DidYouMean(name, names));
}

}  // namespace millrace::exec
