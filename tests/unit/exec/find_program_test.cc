// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/find_program.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class FindProgramTest : public testing::Test {
 protected:
  void Add(const fs::path& path, bool executable = true) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "#!/bin/sh\n";
    if (executable) fs::permissions(path, fs::perms::owner_all);
  }
  TemporaryDirectory directory_;
};

TEST_F(FindProgramTest, TakesTheFirstOnThePath) {
  Add(directory_ / "one/tool", /*executable=*/false);
  Add(directory_ / "two/tool");
  Add(directory_ / "three/tool");
  const std::string path =
      (directory_ / "one").string() + ":" + (directory_ / "two").string() + ":" + (directory_ / "three").string();
  EXPECT_EQ(FindProgram("tool", path, {}).value(), (directory_ / "two/tool").string());
}

TEST_F(FindProgramTest, NamesThePathAndTheNearest) {
  Add(directory_ / "bin/cmake");
  const std::string path = (directory_ / "bin").string();
  const absl::Status status = FindProgram("cmaka", path, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'cmaka' on PATH=" + path + "; did you mean 'cmake'?"));
}

TEST_F(FindProgramTest, PathsAreRelativeToTheDirectory) {
  Add(directory_ / "scripts/build.sh");
  EXPECT_EQ(FindProgram("scripts/build.sh", "", directory_.path()).value(), "scripts/build.sh");
  const absl::Status status = FindProgram("scripts/biuld.sh", "", directory_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("did you mean 'build.sh'?"));
}

TEST_F(FindProgramTest, SaysWhenAFileIsNotExecutable) {
  Add(directory_ / "bin/run.sh", /*executable=*/false);
  for (const std::string& name : {std::string("run.sh"), (directory_ / "bin/run.sh").string()}) {
    const absl::Status status = FindProgram(name, (directory_ / "bin").string(), {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("chmod +x"));
  }
}

TEST_F(FindProgramTest, RefusesNothingAndFolders) {
  fs::create_directories(directory_ / "bin/folder");
  EXPECT_EQ(FindProgram("", "/bin", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FindProgram("folder", (directory_ / "bin").string(), {}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace millrace::exec
