// SPDX-License-Identifier: Apache-2.0
// The journal's thread: what it calls durable is in the file, trouble that passes is waited out, and what does not pass
// ends it.
#include "millrace/serve/journal_thread.h"

#include <sqlite3.h>
#include <sys/resource.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::HasSubstr;

constexpr Duration kSoon = std::chrono::milliseconds(5);

Record Ended(std::uint32_t run, std::size_t size = 1) {
  TaskEnded record;
  record.task = {RunId{EpochQualified(1, run)}, 0};
  record.result.bytes = Bytes(std::string(size, 'x'));
  record.result.size = size;
  return record;
}

// No file of this process grows beyond it, while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

class JournalThreadTest : public testing::Test {
 protected:
  store::Journal Open() const {
    auto journal = store::Journal::Open(folder_ / "journal.sqlite", store::Sync::kFull);
    EXPECT_TRUE(journal.ok()) << journal.status();
    return *std::move(journal);
  }
  std::size_t RecordsInFile() const {
    store::Journal journal = Open();
    std::size_t count = 0;
    const absl::Status end = journal.Replay([&count](JournalPosition, const Record&) {
      ++count;
      return absl::OkStatus();
    });
    EXPECT_TRUE(end.ok()) << end;
    return count;
  }
  // Takes news until they are what `wanted` says.
  template <class Wanted>
  bool Hears(Wanted wanted) {
    return Eventually([&] {
      std::vector<JournalNews> fresh;
      news_.DrainInto(fresh);
      if (!fresh.empty()) last_ = std::move(fresh.back());
      return wanted(last_);
    });
  }

  TemporaryDirectory folder_;
  net::Mailbox<JournalNews> news_;
  JournalNews last_;
};

TEST_F(JournalThreadTest, WhatItCallsDurableIsInTheFileAlsoInALaterLife) {
  for (std::size_t life = 1; life <= 3; ++life) {
    {
      JournalThread thread(Open(), std::nullopt, news_);
      for (int i = 0; i < 10; ++i) thread.Append({Ended(1), Ended(2)});
      EXPECT_TRUE(Hears([](const JournalNews& news) { return news.durable == 20; }));
    }
    EXPECT_EQ(RecordsInFile(), 20 * life);
    last_ = {};
  }
}

TEST_F(JournalThreadTest, ItsEndWritesWhatItWasGiven) {
  {
    JournalThread thread(Open(), std::nullopt, news_);
    for (int i = 0; i < 100; ++i) thread.Append({Ended(1)});
  }
  EXPECT_EQ(RecordsInFile(), 100u);
}

TEST_F(JournalThreadTest, AFullDiskIsSaidWaitedOutAndLosesNothing) {
  JournalThread thread(Open(), std::nullopt, news_, kSoon);
  thread.Append({Ended(1)});
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.durable == 1; }));
  {
    const FileSizeLimit limit(150'000);
    thread.Append({Ended(1, 1'000'000)});
    ASSERT_TRUE(Hears([](const JournalNews& news) { return !news.trouble.ok(); }));
    EXPECT_EQ(last_.trouble.code(), absl::StatusCode::kResourceExhausted) << last_.trouble;
    EXPECT_THAT(TextOf(last_.trouble), HasSubstr((folder_ / "journal.sqlite").string()));
    EXPECT_FALSE(last_.broken);
    EXPECT_EQ(last_.durable, 1u);
    thread.Append({Ended(2)});  // queues up behind it
  }
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.trouble.ok(); }));
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.durable == 3; }));
}

TEST_F(JournalThreadTest, WhatDoesNotPassIsNeverTriedAgain) {
  {
    store::Journal journal = Open();
    const std::vector<store::Journal::Batch> batches(3, {Ended(1)});
    ASSERT_TRUE(journal.Append(batches).ok());
  }
  sqlite3* handle = nullptr;  // the next record would take a place that is taken
  ASSERT_EQ(sqlite3_open((folder_ / "journal.sqlite").c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "UPDATE batches SET count=0 WHERE position=3", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(handle);
  JournalThread thread(Open(), std::nullopt, news_, kSoon);
  thread.Append({Ended(2)});
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.broken; }));
  EXPECT_FALSE(last_.trouble.ok());
  EXPECT_EQ(last_.durable, 0u);
  thread.Append({Ended(3)});
  thread.Compact({});
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.compactions == 1; }));
  EXPECT_TRUE(last_.broken);
  EXPECT_EQ(last_.durable, 0u);
}

TEST_F(JournalThreadTest, CompactionComesAfterWhatWasAppendedBefore) {
  {
    JournalThread thread(Open(), std::nullopt, news_);
    thread.Append({Ended(1), Ended(2)});
    thread.Compact({RunId{EpochQualified(1, 2)}});
    thread.Append({Ended(3)});
    ASSERT_TRUE(Hears([](const JournalNews& news) { return news.durable == 3 && news.compactions == 1; }));
  }
  EXPECT_EQ(RecordsInFile(), 2u);  // of run 2, and what came later
}

TEST_F(JournalThreadTest, ABlobThatCannotBeSyncedIsNotRecorded) {
  auto blobs = store::BlobStore::Open(folder_ / "blobs");
  ASSERT_TRUE(blobs.ok());
  const auto naming = [](const Digest& digest) {
    Record record = Ended(1);
    std::get<TaskEnded>(record).result = {.bytes = {}, .digest = digest, .size = 1};
    return record;
  };
  const Digest good = Sha256("good");
  ASSERT_TRUE(blobs->Put(good, "good").ok());
  JournalThread thread(Open(), *blobs, news_, kSoon);
  thread.Append({naming(good)});
  thread.Append({naming(Sha256("not there"))});  // its task will find out
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.durable == 2; }));
  const Digest bad = Sha256("bad");
  const std::filesystem::path path = folder_ / "blobs" / bad.Hex().substr(0, 2) / bad.Hex();
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::create_symlink("/dev/null", path);  // opens, but does not sync
  thread.Append({naming(bad)});
  ASSERT_TRUE(Hears([](const JournalNews& news) { return news.broken; }));
  EXPECT_EQ(last_.durable, 2u);
}

}  // namespace
}  // namespace millrace::serve
