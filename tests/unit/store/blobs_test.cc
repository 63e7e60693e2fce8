// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/blobs.h"

#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A store in a folder below the test's own, so that what escapes it is seen.
struct Fixture {
  Folder folder;
  BlobStore blobs = BlobStore::Open(folder / "data/blobs").value();

  Digest Put(std::string_view bytes) const {
    const Digest digest = Sha256(bytes);
    const absl::Status stored = blobs.Put(digest, bytes);
    EXPECT_TRUE(stored.ok()) << stored;
    return digest;
  }
  fs::path FileOf(const Digest& digest) const {
    return folder / "data/blobs" / digest.Hex().substr(0, 2) / digest.Hex();
  }
  void Age(const fs::path& file, std::chrono::hours hours) const {
    fs::last_write_time(file, fs::file_time_type::clock::now() - hours);
  }
  std::vector<fs::path> Files() const { return FilesBelow(folder.path()); }
};

// As a loss of power leaves it that comes before the content was on disk.
TEST(BlobsTest, A33_AFileThatIsShorterThanItsContentIsNotThere) {
  const Fixture test;
  const Digest digest = test.Put("content");
  test.Age(test.FileOf(digest), std::chrono::hours(5));
  EXPECT_FALSE(test.blobs.Renew(Sha256("never put"), 0));
  EXPECT_FALSE(test.blobs.Renew(digest, 8));
  EXPECT_TRUE(test.blobs.Renew(digest, 7));
  ASSERT_TRUE(test.blobs.Collect(0, {}, std::chrono::hours(1)).ok());
  EXPECT_TRUE(test.blobs.Has(digest)) << "it counts as written just now";
  fs::resize_file(test.FileOf(digest), 0);
  EXPECT_FALSE(test.blobs.Renew(digest, 7));
}

TEST(BlobsTest, WhatWasPutIsThereUnderItsDigestAlsoForTheNextOpener) {
  const Fixture test;
  const std::string large(3 << 20, 'x');
  const std::string odd("\0\n\xff", 3);
  for (const std::string& text : {std::string(), std::string("a"), odd, large}) {
    const Digest digest = Sha256(text);
    EXPECT_FALSE(test.blobs.Has(digest));
    EXPECT_EQ(test.blobs.Get(digest).status().code(), absl::StatusCode::kNotFound);
    test.Put(text);
    EXPECT_TRUE(test.blobs.Has(digest));
    EXPECT_EQ(test.blobs.Get(digest).value().view(), text);
    const BlobStore again = BlobStore::Open(test.folder / "data/blobs").value();
    EXPECT_TRUE(again.Has(digest));
    EXPECT_TRUE(again.Get(digest).value().view() == text);
  }
}

TEST(BlobsTest, A36_EqualContentIsKeptOnceAndNothingElseIsWritten) {
  const Fixture test;
  const Digest digest = test.Put("content");
  test.Put("content");
  EXPECT_THAT(test.Files(), ElementsAre(test.FileOf(digest)));
  EXPECT_EQ(fs::status(test.FileOf(digest)).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(BlobsTest, WhatIsPutToBeUsedIsHandedOverOnceAndIsOnDiskBesides) {
  const Fixture test;
  const Bytes bytes = Bytes::Copy("to be used");
  const Digest digest = Sha256(bytes.view());
  const BlobStore copy = test.blobs;
  ASSERT_TRUE(copy.PutToBeUsed(digest, bytes).ok());
  EXPECT_TRUE(test.blobs.Has(digest));
  EXPECT_EQ(test.blobs.Get(digest)->data(), bytes.data()) << "the very same, by any copy of the store";
  EXPECT_NE(test.blobs.Get(digest)->data(), bytes.data()) << "the second time from the disk";
  EXPECT_EQ(*test.blobs.Get(digest), bytes);
  // Only the latest one is held.
  ASSERT_TRUE(copy.PutToBeUsed(digest, bytes).ok());
  ASSERT_TRUE(copy.PutToBeUsed(Sha256("another"), Bytes::Copy("another")).ok());
  EXPECT_NE(test.blobs.Get(digest)->data(), bytes.data());
  EXPECT_EQ(test.blobs.Get(Sha256("another"))->view(), "another");
  // What could not be written is not there.
  const Digest broken = Sha256("broken");
  fs::create_directories(test.FileOf(broken) / "in the way");
  EXPECT_FALSE(test.blobs.PutToBeUsed(broken, Bytes::Copy("broken")).ok());
  EXPECT_FALSE(test.blobs.Get(broken).ok());
}

TEST(BlobsTest, OtherBytesThanTheNameSaysAreRefusedAndRemoved) {
  const Fixture test;
  for (const std::string_view damaged : {"contenT", "conten", "", "content and more"}) {
    const Digest digest = test.Put("content");
    Write(test.FileOf(digest), damaged);
    const absl::Status refused = test.blobs.Get(digest).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(TextOf(refused), HasSubstr(digest.Hex()));
    EXPECT_FALSE(test.blobs.Has(digest));  // so that whoever offers it again is asked for it
    EXPECT_THAT(test.Files(), IsEmpty());
    test.Put("content");
    EXPECT_TRUE(test.blobs.Get(digest).ok());
    fs::remove(test.FileOf(digest));
  }
}

TEST(BlobsTest, WhatCannotBeReadIsAnErrorAndIsNotTakenForDamaged) {
  const Fixture test;
  const Digest digest = Sha256("content");
  fs::create_directories(test.FileOf(digest) / "inside");
  const absl::Status failed = test.blobs.Get(digest).status();
  EXPECT_THAT(TextOf(failed), HasSubstr(test.FileOf(digest).string()));
  EXPECT_NE(failed.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(fs::exists(test.FileOf(digest)));
}

TEST(BlobsTest, APutThatFailsLeavesNothingBehind) {
  const Fixture test;
  const Digest digest = Sha256("content");
  fs::create_directories(test.FileOf(digest) / "in the way");
  EXPECT_FALSE(test.blobs.Put(digest, "content").ok());
  EXPECT_THAT(test.Files(), IsEmpty());

  const Digest other = Sha256("other");
  Write(test.folder / "data/blobs" / other.Hex().substr(0, 2), "a file where a folder should be");
  const absl::Status failed = test.blobs.Put(other, "other");
  EXPECT_THAT(TextOf(failed), HasSubstr((test.folder / "data/blobs").string()));
  EXPECT_FALSE(test.blobs.Has(other));
}

TEST(BlobsTest, AFolderThatVanishedIsMadeAgain) {
  const Fixture test;
  const Digest before = test.Put("before");
  fs::remove_all(test.folder / "data");
  EXPECT_FALSE(test.blobs.Has(before));
  EXPECT_EQ(test.blobs.Get(before).status().code(), absl::StatusCode::kNotFound);
  const Digest after = test.Put("after");
  EXPECT_TRUE(test.blobs.Has(after));
}

TEST(BlobsTest, AFolderThatCannotBeMadeIsAnErrorWithItsName) {
  const Folder folder;
  Write(folder / "file", "");
  EXPECT_THAT(TextOf(BlobStore::Open(folder / "file/blobs").status()), HasSubstr((folder / "file/blobs").string()));
}

TEST(BlobsTest, ManyThreadsPuttingTheSameNeverShowAnythingButTheWhole) {
  const Fixture test;
  const std::string content(300'000, 'c');
  const Digest digest = Sha256(content);
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      for (int round = 0; round < 20; ++round) EXPECT_TRUE(test.blobs.Put(digest, content).ok());
    });
  }
  for (int round = 0; round < 50; ++round) {
    const auto bytes = test.blobs.Get(digest);
    if (bytes.ok()) {
      EXPECT_EQ(bytes->size(), content.size());
    } else {
      EXPECT_EQ(bytes.status().code(), absl::StatusCode::kNotFound) << bytes.status();
    }
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(test.blobs.Get(digest).value().view() == content);
  EXPECT_THAT(test.Files(), SizeIs(1));
}

TEST(BlobsTest, CollectingRemovesWhatWasWrittenLongestAgoAndNoMoreThanNeeded) {
  const Fixture test;
  std::vector<Digest> digests;
  for (int i = 0; i < 5; ++i) {
    digests.push_back(test.Put(std::string(100, static_cast<char>('a' + i))));
    test.Age(test.FileOf(digests.back()), std::chrono::hours(10 - i));
  }
  test.Age(test.FileOf(digests[4]), std::chrono::hours(100));  // the last is the oldest
  ASSERT_TRUE(test.blobs.Collect(500).ok());
  EXPECT_THAT(test.Files(), SizeIs(5));
  ASSERT_TRUE(test.blobs.Collect(499).ok());
  EXPECT_FALSE(test.blobs.Has(digests[4]));
  EXPECT_THAT(test.Files(), SizeIs(4));
  ASSERT_TRUE(test.blobs.Collect(250).ok());
  EXPECT_FALSE(test.blobs.Has(digests[0]));
  EXPECT_FALSE(test.blobs.Has(digests[1]));
  EXPECT_TRUE(test.blobs.Has(digests[2]));
  EXPECT_TRUE(test.blobs.Has(digests[3]));
  test.Age(test.FileOf(digests[2]), std::chrono::hours(1));
  test.Put(std::string(100, 'c'));  // written again, and so the younger of the two
  ASSERT_TRUE(test.blobs.Collect(100).ok());
  EXPECT_TRUE(test.blobs.Has(digests[2]));
  ASSERT_TRUE(test.blobs.Collect(0).ok());
  EXPECT_THAT(test.Files(), IsEmpty());
}

TEST(BlobsTest, CollectingSparesWhatIsNamed) {
  const Fixture test;
  const Digest oldest = test.Put("oldest");
  const Digest middle = test.Put("middle");
  const Digest newest = test.Put("newest");
  test.Age(test.FileOf(oldest), std::chrono::hours(2));
  test.Age(test.FileOf(middle), std::chrono::hours(1));
  ASSERT_TRUE(test.blobs.Collect(12, {oldest}).ok());
  EXPECT_TRUE(test.blobs.Has(oldest));
  EXPECT_FALSE(test.blobs.Has(middle));
  EXPECT_TRUE(test.blobs.Has(newest));
  ASSERT_TRUE(test.blobs.Collect(0, {oldest, newest}).ok());
  EXPECT_THAT(test.Files(), SizeIs(2));
}

TEST(BlobsTest, SyncSaysWhatIsNotThereAndWhatCannotBeSynced) {
  const Fixture test;
  EXPECT_TRUE(test.blobs.Sync(test.Put("content")).ok());
  EXPECT_EQ(test.blobs.Sync(Sha256("absent")).code(), absl::StatusCode::kNotFound);
  const fs::path file = test.FileOf(Sha256("absent"));
  fs::create_directories(file.parent_path());
  fs::create_symlink("/dev/null", file);  // opens, but does not sync
  EXPECT_EQ(test.blobs.Sync(Sha256("absent")).code(), absl::StatusCode::kDataLoss);
}

TEST(BlobsTest, LeftoversOfACrashGoAndWhatIsBeingWrittenStays) {
  const Fixture test;
  const Digest digest = test.Put("content");
  const fs::path abandoned = test.FileOf(digest).string() + ".Ab3dEf.tmp";
  const fs::path under_way = test.FileOf(digest).string() + ".Gh5iJk.tmp";
  Write(abandoned, "cont");
  Write(under_way, "conte");
  test.Age(abandoned, std::chrono::hours(2));
  ASSERT_TRUE(test.blobs.Collect(7).ok());
  EXPECT_THAT(test.Files(), ElementsAre(test.FileOf(digest), under_way));
  EXPECT_EQ(test.blobs.Get(digest).value().view(), "content");
}

// In a container every life of a broker may have the same process id.
TEST(BlobsTest, LeftoversOfAProcessWithOurIdAreNotInTheWay) {
  const Fixture test;
  const Digest digest = Sha256("content");
  for (int i = 1; i <= 1000; ++i) {
    Write(test.FileOf(digest).string() + "." + std::to_string(getpid()) + "." + std::to_string(i) + ".tmp", "cont");
  }
  test.Put("content");
  EXPECT_EQ(test.blobs.Get(digest).value().view(), "content");
}

}  // namespace
}  // namespace millrace::store
