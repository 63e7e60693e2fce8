// SPDX-License-Identifier: Apache-2.0
// The part of detect.h that starts programs.
//
// Each tool runs in a thread that nobody joins: on a dead network mount even looking for a file can block for ever, and
// no signal helps. What such a thread holds is shared, and it alone is left behind.
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>

#include "millrace/exec/command.h"
#include "millrace/exec/detect.h"
#include "millrace/exec/find_program.h"

namespace millrace::exec {
namespace {

constexpr std::size_t kFewestThreads = 4;
constexpr std::size_t kKeptOutput = 4096;

// What the threads share with each other and with the one that waits.
struct Search {
  std::vector<ToolProbe> probes;
  std::string path;
  Duration tool_limit{};

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t next = 0;  // the probe that nobody has taken yet
  std::size_t done = 0;
  bool over = false;
  std::vector<InstalledTool> found;
};

const char* VariableOr(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

// Tools get little, and are told not to fetch anything.
Environment ToolEnvironment(const std::string& path) {
  return {{"PATH", path},
          {"HOME", VariableOr("HOME", "/")},
          {"LANG", "C"},
          {"LC_ALL", "C"},
          {"GOTOOLCHAIN", "local"},
          {"DOTNET_NOLOGO", "1"},
          {"DOTNET_CLI_TELEMETRY_OPTOUT", "1"},
          {"NO_UPDATE_NOTIFIER", "1"},
          {"RUSTUP_OFFLINE", "1"}};
}

// A stop after a while, unless it is destroyed first.
class StopAfter {
 public:
  explicit StopAfter(Duration limit) : thread_([this, limit](std::stop_token ended) { Wait(ended, limit); }) {}
  std::stop_token token() const { return source_.get_token(); }

 private:
  void Wait(const std::stop_token& ended, Duration limit) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, ended, limit, [] { return false; });
    if (!ended.stop_requested()) source_.request_stop();
  }

  std::stop_source source_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;  // last: it is to end before what it uses
};

std::string VersionOf(const ToolProbe& probe, const std::string& program, const Search& search) {
  CommandLine line;
  line.program = program;
  line.args = probe.args;
  line.env = ToolEnvironment(search.path);
  line.directory = "/";  // no project's settings
  const StopAfter timer(search.tool_limit);
  RunOptions options;
  options.stop = timer.token();
  options.grace = Duration::zero();
  options.capture_limit = kKeptOutput;
  const absl::StatusOr<CommandOutcome> outcome = RunCommand(line, options);
  if (!outcome.ok() || !outcome->ok()) return "";
  std::string version = VersionIn(outcome->out);
  return version.empty() ? VersionIn(outcome->err) : version;  // java writes to stderr
}

void Probe(Search& search) {
  std::unique_lock lock(search.mutex);
  while (!search.over && search.next < search.probes.size()) {
    const ToolProbe& probe = search.probes[search.next++];
    lock.unlock();
    const absl::StatusOr<std::string> program = FindProgram(probe.name, search.path, "/");
    lock.lock();
    if (program.ok()) {  // it is there, whatever becomes of asking it
      const std::size_t place = search.found.size();
      search.found.push_back({probe.name, ""});
      lock.unlock();
      std::string version = VersionOf(probe, *program, search);
      lock.lock();
      search.found[place].version = std::move(version);
    }
    ++search.done;
    search.changed.notify_all();
  }
}

}  // namespace

const std::vector<ToolProbe>& WellKnownTools() {
  static const auto* const kTools = new std::vector<ToolProbe>{{"ansible"},
                                                               {"aws"},
                                                               {"bash"},
                                                               {"bazel"},
                                                               {"cargo"},
                                                               {"ccache"},
                                                               {"clang"},
                                                               {"clang++"},
                                                               {"clang-format"},
                                                               {"clang-tidy"},
                                                               {"cmake"},
                                                               {"ctest"},
                                                               {"curl"},
                                                               {"docker"},
                                                               {"dotnet"},
                                                               {"g++"},
                                                               {"gcc"},
                                                               {"gdb"},
                                                               {"gh"},
                                                               {"git"},
                                                               {"go", {"version"}},
                                                               {"gradle"},
                                                               {"helm", {"version", "--short"}},
                                                               {"java", {"-version"}},
                                                               {"javac", {"-version"}},
                                                               {"kubectl", {"version", "--client"}},
                                                               {"make"},
                                                               {"meson"},
                                                               {"mvn"},
                                                               {"ninja"},
                                                               {"node"},
                                                               {"npm"},
                                                               {"openssl", {"version"}},
                                                               {"perl"},
                                                               {"php"},
                                                               {"pip3"},
                                                               {"pnpm"},
                                                               {"podman"},
                                                               {"pwsh"},
                                                               {"python3"},
                                                               {"rsync"},
                                                               {"ruby"},
                                                               {"rustc"},
                                                               {"ssh", {"-V"}},
                                                               {"tar"},
                                                               {"terraform", {"version"}},
                                                               {"uv"},
                                                               {"wget"},
                                                               {"yarn"},
                                                               {"zip"}};
  return *kTools;
}

std::vector<InstalledTool> DetectTools(const ToolSearch& search) {
  const auto shared = std::make_shared<Search>();
  shared->probes = search.probes;
  shared->path = search.path.empty() ? VariableOr("PATH", "/usr/local/bin:/usr/bin:/bin") : search.path;
  shared->tool_limit = search.tool_limit;
  const std::size_t threads = std::min<std::size_t>(
      search.probes.size(), std::max<std::size_t>(kFewestThreads, std::thread::hardware_concurrency()));
  std::size_t started = 0;
  for (; started < threads; ++started) {
    try {
      std::thread([shared] {
        // It may outlive its purpose, and must not take the signals that somebody else waits for.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        Probe(*shared);
      }).detach();
    } catch (const std::system_error&) {
      break;  // no more threads to be had: fewer do
    }
  }
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_for(lock, search.total_limit,
                           [&] { return started == 0 || shared->done == shared->probes.size(); });
  shared->over = true;
  std::vector<InstalledTool> found = shared->found;
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return found;
}

}  // namespace millrace::exec
