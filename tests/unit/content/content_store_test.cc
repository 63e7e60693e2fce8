// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/content_store.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/content/file.h"

namespace millrace::content {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kUnit = 4096;  // what a small blob counts for

class ContentStoreTest : public testing::Test {
 protected:
  std::unique_ptr<ContentStore> Open(StoreOptions options = {}) {
    auto store = ContentStore::Open(folder_ / "store", options);
    EXPECT_EQ(store.status(), absl::OkStatus());
    return *std::move(store);
  }
  Digest Put(ContentStore& store, std::string_view bytes) {
    Pins pins = store.NoPins();
    const auto stored = store.Put(bytes, pins);
    EXPECT_EQ(stored.status(), absl::OkStatus());
    return stored->digest;
  }
  absl::StatusOr<Stored> PutFile(ContentStore& store, const std::filesystem::path& file, Pins& pins) {
    const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    return store.PutFile(fd.get(), pins, file.string());
  }
  std::size_t Objects() const { return CountFiles(folder_ / "store/objects"); }
  // As if it had been used at this second.
  static void UsedAt(const ContentStore& store, const Digest& digest, time_t second) {
    const std::array<timespec, 2> times = {timespec{.tv_sec = second, .tv_nsec = 0},
                                           timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
    ASSERT_EQ(utimensat(AT_FDCWD, store.PathOf(digest).c_str(), times.data(), 0), 0);
  }
  static void Damage(const ContentStore& store, const Digest& digest, std::string_view bytes) {
    ASSERT_EQ(chmod(store.PathOf(digest).c_str(), 0600), 0);
    WriteFile(store.PathOf(digest), bytes);
  }

  const TestFolder folder_;
};

TEST_F(ContentStoreTest, A36_EqualContentIsThereOnceAndReadOnly) {
  const auto store = Open();
  Pins pins = store->NoPins();
  const auto first = store->Put("hello", pins);
  const auto second = store->Put("hello", pins);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->digest, Sha256("hello"));
  EXPECT_EQ(first->size, 5U);
  EXPECT_TRUE(first->added);
  EXPECT_FALSE(second->added);
  EXPECT_EQ(Objects(), 1U);
  EXPECT_EQ(ReadFile(store->PathOf(first->digest)), "hello");
  EXPECT_EQ(StatOf(store->PathOf(first->digest)).st_mode & 0222, 0U);
  EXPECT_EQ(store->Read(first->digest, 5).value(), "hello");
  EXPECT_THAT(TextOf(store->Read(first->digest, 4).status()), HasSubstr("4 bytes"));
  EXPECT_EQ(store->Read(Sha256("other"), 5).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ContentStoreTest, A36_FilesOfEverySizeAreStoredAsTheyAre) {
  const auto store = Open();
  Pins pins = store->NoPins();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kChunkBytes, kChunkBytes + 1, 5 * kChunkBytes + 3}) {
    std::string bytes(size, 'x');
    for (std::size_t i = 0; i < size; i += 97) bytes[i] = static_cast<char>(i);
    WriteFile(folder_ / "file", bytes);
    const auto stored = PutFile(*store, folder_ / "file", pins);
    ASSERT_EQ(stored.status(), absl::OkStatus());
    EXPECT_EQ(stored->digest, Sha256(bytes));
    EXPECT_EQ(stored->size, size);
    EXPECT_EQ(ReadFile(store->PathOf(stored->digest)), bytes);
    EXPECT_EQ(store->Verify(stored->digest), absl::OkStatus());
    EXPECT_FALSE(PutFile(*store, folder_ / "file", pins)->added);
  }
  EXPECT_EQ(CountFiles(folder_ / "store/partial"), 0U);
  const UniqueFd fd(open(folder_.path().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(TextOf(store->PutFile(fd.get(), pins, "that").status()), HasSubstr("that is no regular file"));
}

TEST_F(ContentStoreTest, ABlobThatArrivesInPiecesIsTheOneThatWasExpected) {
  const auto store = Open();
  Pins pins = store->NoPins();
  for (const bool good : {false, true}) {
    auto draft = store->Begin();
    ASSERT_EQ(draft.status(), absl::OkStatus());
    ASSERT_EQ(draft->Write("hel"), absl::OkStatus());
    ASSERT_EQ(draft->Write(good ? "lo" : "p"), absl::OkStatus());
    const Digest expected = Sha256("hello");
    const auto stored = draft->Publish(pins, &expected);
    EXPECT_EQ(stored.ok(), good);
    if (!good) {
      EXPECT_THAT(TextOf(stored.status()), AllOf(HasSubstr(expected.Hex()), HasSubstr("4 bytes")));
    }
    EXPECT_EQ(Objects(), good ? 1U : 0U);
  }
}

// As a manifest may: others may need it.
TEST_F(ContentStoreTest, A36_WhoIsWrongAboutASizeDoesNotTakeTheBlobFromOthers) {
  const auto store = Open();
  const Digest digest = Put(*store, "precious");
  const auto opened = store->OpenBlob(digest, 9);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(TextOf(opened.status()), AllOf(HasSubstr(digest.Hex()), HasSubstr("has 8 bytes, not 9")));
  Pins pins = store->NoPins();
  const Blob wrong{digest, 7};
  EXPECT_THAT(store->PinAndFindMissing({&wrong, 1}, pins).value(), SizeIs(1));
  EXPECT_EQ(store->Verify(digest), absl::OkStatus());
}

// It would fill the disk first, and be evicted then.
TEST_F(ContentStoreTest, A36_AFileThatIsLargerThanTheStoreIsNotCopied) {
  const auto store = *ContentStore::Open(folder_ / "small", {.limit_bytes = 1 << 20});
  WriteFile(folder_ / "huge", "x");
  std::filesystem::resize_file(folder_ / "huge", std::uintmax_t{1} << 40);  // sparse
  const UniqueFd fd(open((folder_ / "huge").c_str(), O_RDONLY | O_CLOEXEC));
  Pins pins = store->NoPins();
  const auto stored = store->PutFile(fd.get(), pins, "'huge'");
  EXPECT_EQ(stored.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(stored.status()), AllOf(HasSubstr("1099511627776"), HasSubstr("1048576")));
}

TEST_F(ContentStoreTest, A36_WhatIsDamagedIsNoticedPutAsideAndCanBeStoredAgain) {
  const auto store = Open();
  const Digest digest = Put(*store, "precious");
  ASSERT_EQ(store->Verify(digest), absl::OkStatus());
  Damage(*store, digest, "pretious");
  EXPECT_EQ(store->Verify(digest).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(store->Has(digest));
  EXPECT_EQ(ReadFile(folder_ / "store/damaged" / digest.Hex()), "pretious");
  EXPECT_EQ(Put(*store, "precious"), digest);
  EXPECT_EQ(store->Verify(digest), absl::OkStatus());

  Damage(*store, digest, "pretious");
  EXPECT_THAT(TextOf(store->Read(digest, 100).status()), HasSubstr(digest.Hex()));
  Put(*store, "precious");
  Damage(*store, digest, "precio");  // as a loss of power leaves it
  EXPECT_EQ(store->OpenBlob(digest, 8).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(store->Has(digest));
  Put(*store, "precious");
  Damage(*store, digest, "precio");
  Put(*store, "precious");
  EXPECT_EQ(store->Verify(digest), absl::OkStatus());
}

TEST_F(ContentStoreTest, WhatWasUsedLongestAgoIsEvictedFirst) {
  const auto store = Open();
  const std::vector<Digest> blobs = {Put(*store, "a"), Put(*store, "b"), Put(*store, "c"), Put(*store, "d")};
  for (std::size_t i = 0; i < blobs.size(); ++i) UsedAt(*store, blobs[i], 1'000'000 + static_cast<time_t>(i));
  EXPECT_EQ(store->HeldBytes().value(), 4 * kUnit);
  Pins pins = store->NoPins();
  const std::vector<Blob> used = {{blobs[0], 1}};
  EXPECT_THAT(store->PinAndFindMissing(used, pins).value(), IsEmpty());
  pins.Drop();
  ASSERT_EQ(store->Trim(2 * kUnit), absl::OkStatus());
  EXPECT_TRUE(store->Has(blobs[0]));
  EXPECT_FALSE(store->Has(blobs[1]));
  EXPECT_FALSE(store->Has(blobs[2]));
  EXPECT_TRUE(store->Has(blobs[3]));
}

TEST_F(ContentStoreTest, TheLimitIsKeptByEvictingAndNeverByEvictingWhatIsPinned) {
  const auto store = Open({.limit_bytes = 8 * kUnit});
  Pins needed = store->NoPins();
  ASSERT_TRUE(store->Put("needed", needed).ok());
  UsedAt(*store, Sha256("needed"), 1);
  for (int i = 0; i < 50; ++i) {
    Put(*store, "passing " + std::to_string(i));
    EXPECT_LE(store->HeldBytes().value(), 8 * kUnit);
  }
  EXPECT_TRUE(store->Has(Sha256("needed")));
  EXPECT_TRUE(store->Has(Sha256("passing 49")));
  EXPECT_FALSE(store->Has(Sha256("passing 0")));

  Pins all = store->NoPins();
  absl::Status status;
  int stored = 0;
  for (; status.ok() && stored < 100; ++stored) status = store->Put("held " + std::to_string(stored), all).status();
  EXPECT_EQ(stored, 8);  // of which the last was refused
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(status), AllOf(HasSubstr("in use"), HasSubstr("limit of 32KiB")));
  all.Drop();
  EXPECT_EQ(store->Put("again", all).status(), absl::OkStatus());
  EXPECT_THAT(TextOf(store->Put(std::string(9 * kUnit, 'x'), all).status()), HasSubstr("36KiB is over the limit"));
}

TEST_F(ContentStoreTest, PinsAreCounted) {
  const auto store = Open();
  Pins first = store->NoPins();
  Pins second = store->NoPins();
  const Digest digest = store->Put("a", first)->digest;
  ASSERT_TRUE(store->Put("a", second).ok());
  first.Drop();
  EXPECT_FALSE(store->Trim(0).ok());
  EXPECT_TRUE(store->Has(digest));
  first = std::move(second);
  EXPECT_FALSE(store->Trim(0).ok());
  first = store->NoPins();
  EXPECT_EQ(store->Trim(0), absl::OkStatus());
  EXPECT_FALSE(store->Has(digest));
}

TEST_F(ContentStoreTest, PinsTellWhatIsMissing) {
  const auto store = Open();
  Put(*store, "a");
  Put(*store, "ccc");
  Pins pins = store->NoPins();
  const std::vector<Blob> wanted = {{Sha256("a"), 1}, {Sha256("bb"), 2}, {Sha256("ccc"), 4}};
  EXPECT_THAT(store->PinAndFindMissing(wanted, pins).value(), ElementsAre(1, 2));
  EXPECT_EQ(pins.size(), 3U);
}

TEST_F(ContentStoreTest, APinOfOneUserHoldsAgainstTheEvictionOfAnother) {
  const auto mine = Open();
  const auto theirs = Open();  // as another process would open it
  Pins pins = mine->NoPins();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(mine->Put(std::to_string(i), pins).ok());
  EXPECT_FALSE(theirs->Trim(0).ok());
  EXPECT_EQ(Objects(), 100U);
  pins.Drop();
  EXPECT_EQ(theirs->Trim(0), absl::OkStatus());
  EXPECT_EQ(Objects(), 0U);
}

// One process stores and dies in the middle of it, again and again; what is there is whole, and nothing else is left.
TEST_F(ContentStoreTest, KilledInTheMiddleItStartsClean) {
  for (int round = 0; round < 3; ++round) {
    std::array<int, 2> pipe_ends{};
    ASSERT_EQ(pipe(pipe_ends.data()), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto store = ContentStore::Open(folder_ / "store", {});
      if (!store.ok()) _exit(1);
      Pins pins = (*store)->NoPins();
      auto draft = (*store)->Begin();
      if (!draft.ok() || !draft->Write("half").ok()) _exit(2);
      // Where the file system has files without a name, the draft has left nothing to sweep: this has.
      const std::filesystem::directory_iterator members(folder_ / "store/members");
      WriteFile(folder_ / "store/partial" / (members->path().filename().string() + ".9"), "rest");
      for (int i = 0;; ++i) {
        if (!(*store)->Put(std::string(20'000, 'x') + std::to_string(round * 1000 + i % 1000), pins).ok()) _exit(3);
        if (i == 20 && write(pipe_ends[1], "x", 1) != 1) _exit(4);
      }
    }
    close(pipe_ends[1]);
    char byte = 0;
    ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
    close(pipe_ends[0]);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int state = 0;
    ASSERT_EQ(waitpid(child, &state, 0), child);
    ASSERT_TRUE(WIFSIGNALED(state));
    EXPECT_GE(CountFiles(folder_ / "store/partial"), 1U);

    const auto store = Open();
    EXPECT_EQ(CountFiles(folder_ / "store/partial"), 0U);
    EXPECT_EQ(CountFiles(folder_ / "store/members"), 1U);  // our own
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "store/objects")) {
      if (!entry.is_regular_file()) continue;
      EXPECT_EQ(Sha256(ReadFile(entry.path())).Hex(), entry.path().filename().string());
    }
    EXPECT_GE(Objects(), 20U);
    // The pins of the dead count for nothing.
    EXPECT_EQ(store->Trim(0), absl::OkStatus());
  }
}

TEST_F(ContentStoreTest, StampsThatNobodyHasUsedForLongGo) {
  Open();
  WriteFile(folder_ / "store/stamps/old", "x");
  WriteFile(folder_ / "store/stamps/new", "x");
  const auto now = std::filesystem::file_time_type::clock::now();
  std::filesystem::last_write_time(folder_ / "store/stamps/old", now - std::chrono::hours(31 * 24));
  std::filesystem::last_write_time(folder_ / "store/stamps/new", now - std::chrono::hours(29 * 24));
  Open();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "store/stamps/old"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "store/stamps/new"));
}

TEST_F(ContentStoreTest, SeveralThreadsAndUsersAtOnce) {
  const auto first = Open({.limit_bytes = 64 * kUnit});
  const auto second = Open({.limit_bytes = 64 * kUnit});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ContentStore& store = t % 2 == 0 ? *first : *second;
      for (int i = 0; i < 60; ++i) {
        Pins pins = store.NoPins();
        const std::string bytes = "content " + std::to_string(i * (t % 3 + 1));
        const auto stored = store.Put(bytes, pins);
        ASSERT_EQ(stored.status(), absl::OkStatus());
        // Whatever the others evict meanwhile.
        ASSERT_EQ(store.Read(stored->digest, 100).value(), bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(Objects(), 0U);
}

TEST_F(ContentStoreTest, AStoreWhereNothingCanBeMadeSaysWhich) {
  WriteFile(folder_ / "store", "a file");
  const auto store = ContentStore::Open(folder_ / "store");
  EXPECT_THAT(TextOf(store.status()), HasSubstr((folder_ / "store").string()));
}

}  // namespace
}  // namespace millrace::content
