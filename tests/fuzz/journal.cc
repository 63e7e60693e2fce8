// SPDX-License-Identifier: Apache-2.0
// A journal on a bad disk, and one whose checksums are right and whose records are not. Bytes are written over a
// sound file (place, value, how many), or are the body of a batch. What is handed over is what was written, there.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "millrace/base/digest.h"
#include "millrace/store/compaction.h"
#include "millrace/store/journal.h"
#include "millrace/store/salvage.h"
#include "millrace/store/squash.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

// Bits of the first byte. A file, or two more of them, take many times as long as what is read from them: one in eight
// executions has what only they have.
constexpr std::uint8_t kMadeUp = 1;
constexpr std::uint8_t kWhole = 2 | 4 | 8;
constexpr std::uint8_t kKeep = 16;

// In memory where there is such a folder: a fuzzer writes some files a thousand times a second.
class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm/" : "/tmp/";
    name += "millrace_fuzz_XXXXXX";
    fuzz::Require(mkdtemp(name.data()) != nullptr, "no folder can be made");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path Journal() const { return path_ / store::kJournalName; }
  void Clear() const {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) std::filesystem::remove_all(entry.path());
  }

 private:
  std::filesystem::path path_;
};

std::vector<std::vector<Record>> Batches() {
  JobSpec job;
  job.name = "fuzzed";
  job.tasks.resize(3);
  const RunId run{EpochQualified(1, 1)};
  const TaskRef task{.run = run, .index = 1};
  return {{RunAccepted{.run = run, .token = 5, .submitted_unix_ms = 6, .job = Shared<PackedJob>(Pack(job))}},
          {TaskAssigned{.task = task, .attempt = AttemptId{9}, .worker = "w"}, TaskEnded{.task = task,
                                                                                         .attempt = AttemptId{9},
                                                                                         .outcome = Outcome::kSucceeded,
                                                                                         .result = {},
                                                                                         .failure = {},
                                                                                         .reason = {}}},
          {RunCancelled{.run = run, .reason = std::string(5000, 'r')}},
          {RunEnded{.run = run, .state = RunState::kCancelled}}};
}

std::vector<Record> Written() {
  std::vector<Record> written;
  for (const auto& batch : Batches()) written.insert(written.end(), batch.begin(), batch.end());
  return written;
}

// The bytes of a sound journal, closed as it should be.
std::string Sound(const Folder& folder) {
  {
    auto journal = store::Journal::Open(folder.Journal(), store::Sync::kNormal);
    fuzz::Require(journal.status(), "a journal cannot be made");
    fuzz::Require(journal->Append(Batches()), "a journal cannot be written");
  }
  std::ifstream in(folder.Journal(), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Write(const Folder& folder, const std::string& bytes) {
  folder.Clear();
  std::ofstream(folder.Journal(), std::ios::binary) << bytes;
}

void Damaged(const Folder& folder, std::string bytes, bool salvage, fuzz::Choices choices) {
  static const std::vector<Record> written = Written();
  while (!choices.empty()) {
    const std::size_t place = choices.Word() % bytes.size();
    const std::size_t count = std::min<std::size_t>(1 + choices.Below(16), bytes.size() - place);
    const auto value = static_cast<char>(choices.Byte());
    if (choices.OneIn(32)) {
      bytes.resize(place + 1);
    } else {
      bytes.replace(place, count, count, value);
    }
  }
  Write(folder, bytes);
  {
    auto journal = store::Journal::Open(folder.Journal(), store::Sync::kNormal);
    if (journal.ok()) {
      static_cast<void>(journal->Replay([&](JournalPosition position, const Record& record) {
        fuzz::Require(position >= 1 && position <= written.size(), "a record was made up");
        fuzz::Require(record == written[position - 1], "a record is not what was written there");
        return absl::OkStatus();
      }));
    }
  }
  if (salvage) static_cast<void>(store::Salvage(folder.Journal()));
}

// As journal.cc makes it: the position, little-endian, and the body.
Digest ChecksumOf(JournalPosition position, std::string_view body) {
  Hasher hasher;
  std::string seed;
  for (int i = 0; i < 8; ++i) seed += static_cast<char>(position >> (8 * i) & 0xff);
  hasher.Add(seed);
  hasher.Add(body);
  return hasher.Finish();
}

// What is read of a row is what is left of it when it is written anew, without what changes nothing any more.
void Compacted(std::string_view body, std::uint64_t count, bool keep) {
  std::vector<Record> records;
  std::set<RunId> kept;
  const absl::Status read = store::ReadRow(body, count, [&](Record record) {
    if (keep) kept.insert(store::RunOf(record));
    records.push_back(std::move(record));
    return absl::OkStatus();
  });
  fuzz::Require(records.size() <= count, "a row hands over more than it says");
  fuzz::Require(!read.ok() || records.size() == count, "a row hands over less than it says");
  std::vector<Record> left;  // newest first
  store::Compaction compaction(kept, [&](std::uint64_t rows, std::string_view row) {
    std::vector<Record> written;
    const absl::Status again = store::ReadRow(row, rows, [&](Record record) {
      written.push_back(std::move(record));
      return absl::OkStatus();
    });
    // A job is taken over as it is, so that one that cannot be read is found by who reads it.
    fuzz::Require(again.ok() || !read.ok(), "what was compacted cannot be read", std::string(again.message()));
    std::move(written.rbegin(), written.rend(), std::back_inserter(left));
    return absl::OkStatus();
  });
  absl::Status compacted = compaction.Take(body, count);
  if (compacted.ok()) compacted = compaction.Finish();
  if (!read.ok()) return;
  fuzz::Require(compacted, "what can be read cannot be compacted");
  store::Squash squash;
  std::vector<Record> expected;
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (kept.contains(store::RunOf(*record)) && squash.Keeps(*record)) expected.push_back(*record);
  }
  fuzz::Require(left == expected, "compaction changes what is left");
}

void MadeUp(const Folder& folder, const std::string& sound, std::uint8_t kind, fuzz::Choices choices) {
  const JournalPosition position = 6;
  const std::uint64_t count = choices.Below(4);
  const std::string body(choices.Rest());
  Compacted(body, count, (kind & kKeep) != 0);
  if ((kind & kWhole) != kWhole) return;
  Write(folder, sound);
  {
    auto database = store::Database::Open(folder.Journal(), 0x4d4c524a, 1, "");
    fuzz::Require(database.status(), "a journal is no database");
    auto insert = database->Prepare("INSERT INTO batches(position, count, checksum, body) VALUES(?1,?2,?3,?4)");
    fuzz::Require(insert.status(), "a journal has no batches");
    const Digest checksum = ChecksumOf(position, body);
    insert->BindInt(1, static_cast<std::int64_t>(position));
    insert->BindInt(2, static_cast<std::int64_t>(count));
    insert->BindBlob(3, checksum.view());
    insert->BindBlob(4, body);
    fuzz::Require(insert->Next().status(), "a batch cannot be written");
  }
  auto journal = store::Journal::Open(folder.Journal(), store::Sync::kNormal);
  fuzz::Require(journal.status(), "a journal with a strange batch cannot be opened");
  JournalPosition last = 0;
  const absl::Status replayed = journal->Replay([&](JournalPosition at, const Record&) {
    fuzz::Require(at == last + 1, "a position is left out");
    last = at;
    return absl::OkStatus();
  });
  fuzz::Require(last >= position - 1, "sound records were not handed over");
  fuzz::Require(!replayed.ok() || last == position - 1 + count, "a batch has not the records that it says");
  if (replayed.ok()) fuzz::Require(journal->Compact({}), "what can be read cannot be compacted");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  static const std::string sound = Sound(folder);
  fuzz::Choices choices(data, size);
  const std::uint8_t kind = choices.Byte();
  if ((kind & kMadeUp) != 0) {
    MadeUp(folder, sound, kind, choices);
  } else {
    Damaged(folder, sound, (kind & kWhole) == kWhole, choices);
  }
  return 0;
}
