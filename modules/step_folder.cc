// SPDX-License-Identifier: Apache-2.0
#include "modules/step_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#include "millrace/base/status.h"

namespace millrace::modules {
namespace {

constexpr std::size_t kFoldersKept = 4;  // a slot runs one command at a time
constexpr mode_t kMode = S_IFDIR | 0700;

struct Kept {
  ~Kept() {
    over = true;
    folders.clear();
  }
  std::mutex mutex;
  bool over = false;  // the process ends: they go
  std::vector<StepFolder> folders;
};

// Emptied with the process; what a process leaves that is killed is found by its name (scratch.cc).
Kept& KeptFolders() {
  static Kept kept;
  return kept;
}

// The clock by which the kernel marks changes is coarse: a file that is made right after its folder would leave the
// folder's mark as it is. So the mark is set back, to where no change can set it.
bool SetBack(const std::filesystem::path& folder) {
  const timespec times[] = {{.tv_sec = 0, .tv_nsec = 0}, {.tv_sec = 0, .tv_nsec = 0}};
  return utimensat(AT_FDCWD, folder.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0;
}

// When its state was changed last, names and marks included; nothing when it is not as it was made.
std::optional<std::int64_t> LookAt(const std::filesystem::path& folder) {
  struct stat state {};
  if (lstat(folder.c_str(), &state) != 0 || state.st_mode != kMode) return std::nullopt;
  if (state.st_mtim.tv_sec != 0 || state.st_mtim.tv_nsec != 0) return std::nullopt;
  return std::int64_t{state.st_ctim.tv_sec} * 1'000'000'000 + state.st_ctim.tv_nsec;
}

}  // namespace

absl::StatusOr<StepFolder> StepFolder::Take() {
  Kept& kept = KeptFolders();
  {
    const std::lock_guard lock(kept.mutex);
    while (!kept.folders.empty()) {
      StepFolder folder = std::move(kept.folders.back());
      kept.folders.pop_back();
      // Somebody may tidy up what is old in there.
      if (const auto marks = folder.Look(); marks && *marks == folder.marks_) return folder;
    }
  }
  MILLRACE_ASSIGN_OR_RETURN(Scratch scratch, Scratch::Create());
  StepFolder folder(std::move(scratch));
  MILLRACE_RETURN_IF_ERROR(folder.Prepare());
  return folder;
}

absl::Status StepFolder::Prepare() {
  if (mkdir(inputs().c_str(), 0700) != 0) return ErrnoStatus(errno, "mkdir " + inputs().string());
  if (!SetBack(inputs()) || !SetBack(scratch_.path())) return absl::OkStatus();  // it will be removed, then
  if (const auto marks = Look()) marks_ = *marks;
  return absl::OkStatus();
}

std::optional<StepFolder::Marks> StepFolder::Look() const {
  const auto folder = LookAt(scratch_.path());
  const auto in = LookAt(inputs());
  if (!folder || !in) return std::nullopt;
  return Marks{.folder = *folder, .inputs = *in};
}

StepFolder::~StepFolder() {
  if (scratch_.path().empty()) return;  // moved away
  // Only where whatever a command leaves running is killed before the next one begins, and cannot write in its folder.
  if (std::getenv("MILLRACE_SLOT") == nullptr) return;
  const auto marks = Look();
  if (!marks || !(*marks == marks_)) return;
  Kept& kept = KeptFolders();
  const std::lock_guard lock(kept.mutex);
  if (!kept.over && kept.folders.size() < kFoldersKept) kept.folders.push_back(std::move(*this));
}

}  // namespace millrace::modules
