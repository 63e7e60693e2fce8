// SPDX-License-Identifier: Apache-2.0
// content: what trees of files cost: a snapshot, cold and warm, a workspace, and one large file, in turns with cp.
// Prints JSON as the cases of millrace-bench do. Everything is in the page cache; nothing is synced, by us or by cp.
#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "bench/samples.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/content/file.h"
#include "millrace/content/snapshot.h"
#include "millrace/content/workspace.h"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kFilesOfAFolder = 100;

struct Options {
  std::uint64_t files = 50'000;
  std::uint64_t bytes = std::uint64_t{1} << 30;  // of the large file
  std::uint64_t rounds = 3;
  std::uint64_t threads = 2;
  fs::path folder = fs::temp_directory_path();
};

// Thrown, so that the folder goes with it.
[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

struct Scratch {
  fs::path path;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};
template <class T>
T Value(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(TextOf(value.status()));
  return *std::move(value);
}

template <class F>
double Seconds(F&& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Copy(const char* how, const fs::path& from, const fs::path& to) {
  const std::string command = std::string(how) + " '" + from.string() + "' '" + to.string() + "'";
  if (std::system(command.c_str()) != 0) Fail(command);
}

// Sizes as sources have them: most of some kilobytes, none equal to another.
void WriteSources(const fs::path& folder, std::uint64_t files) {
  Random random(1);
  std::string text(16'384, 'x');
  for (char& c : text) c = static_cast<char>('a' + random.Below(26));
  for (std::uint64_t i = 0; i < files; ++i) {
    const fs::path inner = folder / std::to_string(i / kFilesOfAFolder / 10) / std::to_string(i / kFilesOfAFolder);
    if (i % kFilesOfAFolder == 0) fs::create_directories(inner);
    const std::size_t size = 256 + random.Below(8'000);
    std::ofstream(inner / (std::to_string(i) + ".cc")) << i << text.substr(random.Below(8'000), size);
  }
}

void WriteLarge(const fs::path& file, std::uint64_t bytes) {
  Random random(2);
  std::string block(1 << 20, 'x');
  for (char& c : block) c = static_cast<char>(random.Below(256));
  std::ofstream out(file, std::ios::binary);
  for (std::uint64_t done = 0; done < bytes; done += block.size()) {
    std::memcpy(block.data(), &done, sizeof done);
    out.write(block.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(block.size(), bytes - done)));
  }
}

int CountOne(const char*, const struct stat*, int, struct FTW*) { return 0; }

void MeasureTree(const Options& options, const fs::path& base, Report& report) {
  const fs::path source = base / "source";
  WriteSources(source, options.files);
  // What was written this shortly ago is read twice, and nobody has sources that are so new.
  const std::int64_t written = content::FileClockNow();
  while (content::FileClockNow() <= written + 2 * content::kFileClockStepNs) std::this_thread::yield();
  const int threads = static_cast<int>(options.threads);
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    const auto store = Value(content::ContentStore::Open(base / "store"));
    const content::SnapshotOptions how{.threads = threads};
    content::Snapshot snapshot;
    const double cold = Seconds([&] { snapshot = Value(content::TakeSnapshot(source, *store, how)); });
    const double warm = Seconds([&] { snapshot = Value(content::TakeSnapshot(source, *store, how)); });
    if (snapshot.read != 0) Fail("a warm snapshot has read files");
    const double stats = Seconds([&] { nftw(source.c_str(), &CountOne, 64, FTW_PHYS); });
    const double copy = Seconds([&] { Copy("cp -r", source, base / "copy"); });
    const content::WorkspaceOptions make{.threads = threads, .remember = true};
    const double made = Seconds([&] { Value(content::MakeWorkspace(snapshot.tree, *store, base / "work", make)); });
    const double changed =
        Seconds([&] { Value(content::ChangeWorkspace(snapshot.tree, *store, base / "work", make)); });
    report.Add("snapshot_cold_seconds", cold);
    report.Add("snapshot_warm_seconds", warm);
    report.Add("stats_alone_seconds", stats);
    report.Add("copy_tree_seconds", copy);
    report.Add("workspace_seconds", made);
    report.Add("workspace_unchanged_seconds", changed);
    report.Add("copy_tree_to_snapshot_cold_ratio", copy / cold);
    report.Add("copy_tree_to_workspace_ratio", copy / made);
    for (const char* done : {"store", "copy", "work"}) fs::remove_all(base / done);
  }
}

void MeasureLarge(const Options& options, const fs::path& base, Report& report) {
  const fs::path folder = base / "large";
  fs::create_directories(folder);
  WriteLarge(folder / "file", options.bytes);
  for (std::uint64_t round = 0; round < options.rounds; ++round) {
    const auto store = Value(content::ContentStore::Open(base / "store"));
    const double copy = Seconds([&] { Copy("cp", folder / "file", base / "copy"); });
    content::Snapshot snapshot;
    const double put = Seconds([&] { snapshot = Value(content::TakeSnapshot(folder, *store)); });
    const auto make = [&](bool verify) {
      const double seconds =
          Seconds([&] { Value(content::MakeWorkspace(snapshot.tree, *store, base / "work", {.verify = verify})); });
      fs::remove_all(base / "work");
      return seconds;
    };
    const double made = make(false);
    const double verified = make(true);
    report.Add("large_copy_seconds", copy);
    report.Add("large_put_seconds", put);
    report.Add("large_workspace_seconds", made);
    report.Add("large_workspace_verified_seconds", verified);
    report.Add("large_copy_to_put_ratio", copy / put);
    report.Add("large_copy_to_workspace_ratio", copy / made);
    for (const char* done : {"store", "copy"}) fs::remove_all(base / done);
  }
}

constexpr char kUsage[] = "usage: content [--files N] [--bytes N] [--rounds N] [--threads N] [--dir DIR]";

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--help") {
      std::printf(
          "%s\n\nTrees of files against cp, in turns; N bytes are those of one large file. 0 leaves a part out.\n",
          kUsage);
      std::exit(0);
    }
    if (i + 1 == argc) Fail(kUsage);
    const std::string_view value = argv[i + 1];
    std::uint64_t* const target = name == "--files"     ? &options.files
                                  : name == "--bytes"   ? &options.bytes
                                  : name == "--rounds"  ? &options.rounds
                                  : name == "--threads" ? &options.threads
                                                        : nullptr;
    if (name == "--dir") {
      options.folder = value;
    } else if (target == nullptr ||
               std::from_chars(value.data(), value.data() + value.size(), *target).ec != std::errc()) {
      Fail(kUsage);
    }
  }
  return options;
}

int Run(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  std::string base = (options.folder / "millrace-content-XXXXXX").string();
  if (mkdtemp(base.data()) == nullptr) Fail(base);
  const Scratch scratch{base};
  Report report("content");
  report.Parameter("files", options.files);
  report.Parameter("bytes", options.bytes);
  report.Parameter("rounds", options.rounds);
  report.Parameter("threads", options.threads);
  if (options.files > 0) MeasureTree(options, base, report);
  if (options.bytes > 0) MeasureLarge(options, base, report);
  std::printf("%s\n", report.Json().c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  try {
    return millrace::bench::Run(argc, argv);
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "content: %s\n", error.what());
    return 1;
  }
}
