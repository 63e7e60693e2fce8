// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/secret_source.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

class SecretSourceTest : public testing::Test {
 protected:
  void Put(const std::string& name, const std::string& value, mode_t mode = 0600) {
    std::ofstream(folder_ / name, std::ios::binary) << value;
    chmod((folder_ / name).c_str(), mode);
  }
  std::string Refusal(const std::string& name) {
    const auto value = ReadSecret(source_, name);
    return value.ok() ? "was given: " + *value : TextOf(value.status());
  }

  TemporaryDirectory folder_;
  SecretSource source_{.directory = folder_.path().string(), .environment = "TEST_SECRET_"};
};

TEST_F(SecretSourceTest, AFileIsReadAnewEachTimeAndComesBeforeTheEnvironment) {
  setenv("TEST_SECRET_DB_PASSWORD", "of the environment", 1);
  EXPECT_EQ(ReadSecret(source_, "db-password").value(), "of the environment");
  Put("db-password", "first\r\n");
  EXPECT_EQ(ReadSecret(source_, "db-password").value(), "first");
  Put("db-password", "two\nlines\n\n");
  EXPECT_EQ(ReadSecret(source_, "db-password").value(), "two\nlines");
  Put("token", "12345");
  EXPECT_THAT(ReadSecrets(source_, {{"PGPASSWORD", "db-password"}, {"TOKEN", "token"}}).value(),
              UnorderedElementsAre(Pair("PGPASSWORD", "two\nlines"), Pair("TOKEN", "12345")));
  unsetenv("TEST_SECRET_DB_PASSWORD");
}

TEST_F(SecretSourceTest, WhatIsNotThereIsSaidWithWhereItWasLookedFor) {
  EXPECT_THAT(Refusal("api.key"), AllOf(HasSubstr("'api.key'"), HasSubstr("no file " + (folder_ / "api.key").string()),
                                        HasSubstr("no variable TEST_SECRET_API_KEY")));
  source_ = {};
  EXPECT_THAT(Refusal("api.key"), HasSubstr("--secrets-dir DIR or --secrets-from-env PREFIX"));
  EXPECT_EQ(ReadSecrets(source_, {{"A", "api.key"}}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SecretSourceTest, A45_AFileThatOthersMayReadIsRefused) {
  for (const mode_t mode : {0640, 0604, 0660, 0601}) {
    Put("token", "12345", mode);
    EXPECT_THAT(Refusal("token"), AllOf(HasSubstr("open to others"), HasSubstr("chmod 600"))) << mode;
  }
  Put("token", "12345", 0400);
  EXPECT_EQ(Refusal("token"), "was given: 12345");
  mkdir((folder_ / "folder").c_str(), 0700);
  EXPECT_THAT(Refusal("folder"), HasSubstr("not a plain file"));
  mkfifo((folder_ / "fifo").c_str(), 0600);
  EXPECT_THAT(Refusal("fifo"), HasSubstr("not a plain file"));
}

TEST_F(SecretSourceTest, NamesDoNotLeaveTheFolder) {
  Put("token", "12345");
  for (const char* name : {"", ".", "..", "../token", "/etc/hostname", "a/b", "-x", ".hidden", "a b"}) {
    EXPECT_THAT(Refusal(name), HasSubstr("is no name of a secret")) << name;
  }
  EXPECT_THAT(Refusal(std::string(101, 'x')), HasSubstr("is no name of a secret"));
  EXPECT_THAT(Refusal(std::string(100, 'x')), HasSubstr("is not known here"));
}

TEST_F(SecretSourceTest, WhatCannotBeMaskedOrSetIsRefused) {
  Put("token", "123\n");
  EXPECT_THAT(Refusal("token"), HasSubstr("has 3 bytes; what can be masked in output has 4 to 16384"));
  Put("token", "1234\n");
  EXPECT_EQ(Refusal("token"), "was given: 1234");
  Put("token", std::string(kMaxSecret, 'x') + "\r\n");
  EXPECT_EQ(ReadSecret(source_, "token").value().size(), kMaxSecret);
  Put("token", std::string(kMaxSecret + 1, 'x'));
  EXPECT_THAT(Refusal("token"), HasSubstr("over 16384 bytes"));
  Put("token", std::string("with\0in", 7));
  EXPECT_THAT(Refusal("token"), HasSubstr("NUL"));
}

}  // namespace
}  // namespace millrace::exec
