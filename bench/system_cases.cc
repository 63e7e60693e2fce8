// SPDX-License-Identifier: Apache-2.0
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>

#include "bench/cases.h"
#include "millrace/base/status.h"
#include "millrace/store/journal.h"

namespace millrace::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kBatch = 256;

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}

// A folder that goes with the last who uses it.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "millrace-micro.XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) Die("no temporary folder");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path path;
};

store::Journal::Batch Ends() {
  store::Journal::Batch batch;
  for (std::uint32_t i = 0; i < kBatch; ++i) {
    TaskEnded ended;
    ended.task = {.run = RunId{1}, .index = i};
    ended.attempt = AttemptId{1000 + i};
    ended.outcome = Outcome::kSucceeded;
    ended.result.bytes = Bytes("result " + std::to_string(i));
    ended.result.size = ended.result.bytes.size();
    ended.execution = std::chrono::microseconds(100 + i);
    ended.started_unix_ms = ended.ended_unix_ms = 1'700'000'000'000 + i;
    batch.push_back(std::move(ended));
  }
  return batch;
}

// One transaction of one batch.
Case Append(const char* name, store::Sync sync) {
  return {name, kBatch, [sync] {
            auto folder = std::make_shared<Folder>();
            auto opened = store::Journal::Open(folder->path / store::kJournalName, sync);
            if (!opened.ok()) Die(TextOf(opened.status()));
            auto journal = std::make_shared<store::Journal>(*std::move(opened));
            return [folder, journal, batch = Ends()] {
              const absl::Status status = journal->Append(std::span(&batch, 1));
              if (!status.ok()) Die(TextOf(status));
            };
          }};
}

void SpawnAndWait() {
  const char* const arguments[] = {"/bin/true", nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, arguments[0], nullptr, nullptr, const_cast<char* const*>(arguments), environ) != 0) {
    Die("/bin/true cannot be started");
  }
  waitpid(child, nullptr, 0);
}

}  // namespace

std::vector<Case> SystemCases() {
  return {Append("journal_append_synced", store::Sync::kFull),
          Append("journal_append", store::Sync::kNormal),
          {"posix_spawn", 1, [] { return SpawnAndWait; }}};
}

}  // namespace millrace::bench
