// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_split.h"
#include "millrace/base/fd.h"
#include "millrace/base/status.h"
#include "millrace/exec/small_file.h"

namespace millrace::exec {
namespace {

constexpr std::string_view kNamePrefix = "millrace-slot-";
constexpr char kWorkerName[] = "millrace-worker";
constexpr std::chrono::milliseconds kDying(200);  // killed processes are members of their group until they are gone

std::vector<std::string> Words(std::string_view text, char separator) {
  return absl::StrSplit(Av(text), separator, absl::SkipEmpty());
}

std::string OwnFile(std::string_view name) { return ReadSmallFile("/proc/self/" + std::string(name)); }

bool HasWord(const std::string& path, std::string_view word) {
  std::string text = ReadSmallFile(path);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  for (const std::string& found : Words(text, ' ')) {
    if (found == word) return true;
  }
  return false;
}

// The number after `name` in a file of "name number" lines.
std::int64_t NumberIn(const std::string& path, std::string_view name) {
  for (const std::string& line : Words(ReadSmallFile(path), '\n')) {
    const std::vector<std::string> words = Words(line, ' ');
    if (words.size() == 2 && words[0] == name) return std::strtoll(words[1].c_str(), nullptr, 10);
  }
  return 0;
}

// mountinfo writes spaces in paths as \040; where a cgroup is mounted at such a place we do without.
bool IsBelow(std::string_view path, std::string_view root) {
  return root == "/" || path == root || (path.substr(0, root.size()) == root && path[root.size()] == '/');
}

// Makes the memory controller available to groups below `home`, if it can be.
void SwitchMemoryOn(const std::filesystem::path& home) {
  const std::string switches = home / "cgroup.subtree_control";
  if (!HasWord(home / "cgroup.controllers", "memory") || HasWord(switches, "memory")) return;
  const std::string self = std::to_string(getpid());
  // The root of the hierarchy, which alone has no type, may have processes in any case.
  const bool is_root = access((home / "cgroup.type").c_str(), F_OK) != 0;
  const std::filesystem::path own = home / kWorkerName;
  if (!is_root) {
    if (ReadSmallFile(home / "cgroup.procs") != self + "\n") return;
    if (mkdir(own.c_str(), 0755) != 0 || !WriteSmallFile(own / "cgroup.procs", self)) return;
  }
  if (WriteSmallFile(switches, "+memory") || is_root) return;
  WriteSmallFile(home / "cgroup.procs", self);
  rmdir(own.c_str());
}

std::filesystem::path Prepare() {
  const std::filesystem::path home = Cgroup::OfThisProcess().folder();
  if (home.empty() || access(home.c_str(), W_OK | X_OK) != 0 || access((home / "cgroup.procs").c_str(), W_OK) != 0) {
    return {};
  }
  SwitchMemoryOn(home);
  return home;
}

}  // namespace

std::filesystem::path FindCgroup(std::string_view cgroups, std::string_view mountinfo) {
  std::string own;
  for (const std::string& line : Words(cgroups, '\n')) {
    if (line.rfind("0::", 0) == 0) own = line.substr(3);
  }
  // "/.." begins what lies outside of our namespace.
  if (own.empty() || own.front() != '/' || own.rfind("/..", 0) == 0) return {};
  for (const std::string& line : Words(mountinfo, '\n')) {
    const std::vector<std::string> words = Words(line, ' ');
    std::size_t dash = 6;  // after any number of optional fields
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 1 >= words.size() || words[dash + 1] != "cgroup2") continue;
    const std::string& root = words[3];
    if (!IsBelow(own, root)) continue;
    return std::filesystem::path(words[4] + (root == "/" ? own : own.substr(root.size()))).lexically_normal();
  }
  return {};
}

const std::filesystem::path& SlotCgroups() {
  static const std::filesystem::path parent = Prepare();
  return parent;
}

Cgroup Cgroup::Make(const std::filesystem::path& parent, std::string_view mark) {
  if (parent.empty()) return Cgroup();
  Cgroup made(parent / (std::string(kNamePrefix) + std::string(mark)));
  return mkdir(made.folder_.c_str(), 0755) == 0 ? made : Cgroup();
}

Cgroup Cgroup::OfThisProcess() { return Cgroup(FindCgroup(OwnFile("cgroup"), OwnFile("mountinfo"))); }

std::string_view Cgroup::MarkOf(std::string_view name) {
  return name.substr(0, kNamePrefix.size()) == kNamePrefix ? name.substr(kNamePrefix.size()) : std::string_view();
}

bool Cgroup::Add(pid_t pid) const { return exists() && WriteSmallFile(folder_ / "cgroup.procs", std::to_string(pid)); }

bool Cgroup::Kill() const { return exists() && WriteSmallFile(folder_ / "cgroup.kill", "1"); }

bool Cgroup::Remove() const {
  if (!exists()) return false;
  std::error_code error;
  std::vector<std::filesystem::path> below;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (entry.is_directory(error)) below.push_back(entry.path());
  }
  for (const std::filesystem::path& folder : below) Cgroup(folder).Remove();
  return rmdir(folder_.c_str()) == 0;
}

bool Cgroup::KillAndRemove() const {
  if (!exists()) return true;
  Kill();
  const UniqueFd events(open((folder_ / "cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  const auto until = std::chrono::steady_clock::now() + kDying;
  for (;;) {
    char text[256];
    [[maybe_unused]] const ssize_t size = pread(events.get(), text, sizeof text, 0);  // poll tells of changes since
    if (Remove() || access(folder_.c_str(), F_OK) != 0) return true;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd changed{events.get(), POLLPRI, 0};
    poll(&changed, 1, static_cast<int>(left.count()));
  }
}

bool Cgroup::LimitMemory(std::int64_t limit) const {
  if (!exists()) return false;
  if (limit == 0) {
    WriteSmallFile(folder_ / "memory.swap.max", "max");
    return WriteSmallFile(folder_ / "memory.max", "max");
  }
  const std::int64_t held = NumberIn(folder_ / "memory.stat", "anon");
  WriteSmallFile(folder_ / "memory.oom.group", "1");
  WriteSmallFile(folder_ / "memory.swap.max", "0");
  return WriteSmallFile(folder_ / "memory.max", std::to_string(limit + held));
}

Cgroup::MemoryEvents Cgroup::CountMemoryEvents() const {
  if (!exists()) return {};
  const std::string events = folder_ / "memory.events";
  return {NumberIn(events, "oom"), NumberIn(events, "oom_kill")};
}

}  // namespace millrace::exec
