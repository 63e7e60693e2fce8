// SPDX-License-Identifier: Apache-2.0
// The folder of keys: nobody else may read it, and changes come one after the other.
#include "millrace/keys/keyring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Key(std::uint8_t fill) {
  RawKey raw;
  raw.fill(fill);
  return EncodeKey(raw);
}

class KeyringTest : public ::testing::Test {
 protected:
  KeyringTest() {
    std::string name = (std::filesystem::temp_directory_path() / "millrace-keys.XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~KeyringTest() override { std::filesystem::remove_all(root_); }

  mode_t ModeOf(const std::filesystem::path& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 0777;
  }

  std::filesystem::path root_;
};

TEST_F(KeyringTest, WhatInitMakesIsPrivateAndMadeOnce) {
  const mode_t before = umask(0);
  const Keyring ring(root_ / "deep" / "keys");
  EXPECT_EQ(ring.Load().status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(ring.Broker().status()), HasSubstr("zmqctl keys init"));
  ASSERT_TRUE(ring.Init({Key(1), Key(2)}).ok());
  umask(before);
  EXPECT_EQ(ModeOf(ring.folder()), 0700u);
  EXPECT_EQ(ModeOf(ring.list_file()), 0600u);
  EXPECT_EQ(ModeOf(ring.broker_file()), 0600u);
  EXPECT_EQ(ring.Broker().value().pair.secret_key, Key(2));
  EXPECT_EQ(ring.Init({Key(3), Key(4)}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ring.Broker().value().pair.secret_key, Key(2));
}

TEST_F(KeyringTest, AFileThatOthersMayReadIsRefusedWithTheCommand) {
  const Keyring ring(root_ / "keys");
  ASSERT_TRUE(ring.Init({Key(1), Key(2)}).ok());
  for (const std::filesystem::path& file : {ring.list_file(), ring.broker_file()}) {
    for (const mode_t mode : {0640u, 0604u, 0620u}) {
      ASSERT_EQ(chmod(file.c_str(), mode), 0);
      const auto text = ReadSecret(file);
      EXPECT_THAT(TextOf(text.status()), AllOf(HasSubstr("chmod 600"), HasSubstr(file.string())));
    }
  }
  EXPECT_FALSE(ring.Broker().ok());
  EXPECT_FALSE(ring.Load().ok());
  EXPECT_FALSE(ReadSecret(root_).ok());
}

TEST_F(KeyringTest, AChangeThatFailsChangesNothing) {
  const Keyring ring(root_ / "keys");
  ASSERT_TRUE(ring.Init({Key(1), Key(2)}).ok());
  const absl::Status status = ring.Update([](KeyList& list) {
    list.keys.push_back({});
    return InvalidArgument("no");
  });
  EXPECT_EQ(TextOf(status), "no");
  EXPECT_TRUE(ring.Load().value().keys.empty());
}

TEST_F(KeyringTest, ChangesAtTheSameTimeAreAllThere) {
  const Keyring ring(root_ / "keys");
  ASSERT_TRUE(ring.Init({Key(1), Key(2)}).ok());
  constexpr int kEach = 8;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&ring, thread] {
      for (int i = 0; i < kEach; ++i) {
        const absl::Status status = ring.Update([&](KeyList& list) {
          AdmittedKey key;
          key.name = "k" + std::to_string(thread) + "-" + std::to_string(i);
          key.public_key = Key(static_cast<std::uint8_t>(thread * kEach + i));
          return AddKey(list, key, 1);
        });
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ring.Load().value().keys.size(), 32u);
}

}  // namespace
}  // namespace millrace::keys
