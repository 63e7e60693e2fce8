// SPDX-License-Identifier: Apache-2.0
// What is kept in plain files is synced before it gets its name, and the name before anybody is told: the calls of the
// operating system, in their order. A name that is there without its bytes would be an epoch that nobody can read.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/digest.h"
#include "millrace/store/blobs.h"
#include "millrace/store/epoch.h"

namespace {

std::vector<std::string>* calls = nullptr;  // those of the test that runs

std::string NameOf(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) ? "folder" : path.filename().string();
}

}  // namespace

// In the place of the system's, for this program.
extern "C" int fsync(int descriptor) {
  if (calls != nullptr) {
    const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor));
    const bool folder = std::filesystem::is_directory(path);
    calls->push_back("sync " + NameOf(path) + (folder ? "" : "=" + millrace::store::Read(path)));
  }
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  if (calls != nullptr) calls->push_back("rename " + NameOf(from) + " to " + NameOf(to));
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace millrace::store {
namespace {

using testing::ElementsAre;

class SyncsTest : public testing::Test {
 protected:
  SyncsTest() { calls = &made_; }
  ~SyncsTest() override { calls = nullptr; }
  std::vector<std::string> Made() { return std::exchange(made_, {}); }

  std::vector<std::string> made_;
  const Folder folder_;
};

TEST_F(SyncsTest, A09_AnEpochHasItsBytesBeforeItsNameAndBothBeforeItIsUsed) {
  for (const Epoch epoch : {Epoch{1}, Epoch{2}}) {
    EXPECT_EQ(RaiseEpoch(folder_.path()).value(), epoch);
    EXPECT_THAT(Made(), ElementsAre("sync epoch.tmp=" + std::to_string(epoch) + "\n", "rename epoch.tmp to epoch",
                                    "sync folder"));
  }
}

TEST_F(SyncsTest, A09_AnIdentityHasItsBytesBeforeItsNameAndBothBeforeItIsUsed) {
  EXPECT_EQ(IdentityOf(folder_.path(), 42).value(), 42u);
  EXPECT_THAT(Made(), ElementsAre("sync identity.tmp=42\n", "rename identity.tmp to identity", "sync folder"));
  EXPECT_EQ(IdentityOf(folder_.path(), 43).value(), 42u);
  EXPECT_THAT(Made(), ElementsAre());
}

// A crash before may leave the name without the bytes. Whoever reads finds that out by the digest; a record that names
// it is not committed before.
TEST_F(SyncsTest, A09_ABlobIsSyncedWithItsFoldersBeforeItsRecord) {
  const BlobStore blobs = BlobStore::Open(folder_ / "blobs").value();
  const Digest digest = Sha256("bytes");
  ASSERT_TRUE(blobs.Put(digest, "bytes").ok());
  made_.clear();
  ASSERT_TRUE(blobs.Sync(digest).ok());
  EXPECT_THAT(Made(), ElementsAre("sync " + digest.Hex() + "=bytes", "sync folder", "sync folder"));
}

}  // namespace
}  // namespace millrace::store
