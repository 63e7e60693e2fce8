// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/paths.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <variant>

namespace millrace::wire {
namespace {

namespace fs = std::filesystem;

struct Inner {
  fs::path path;
  int number = 1;
  friend bool operator==(const Inner&, const Inner&) = default;
};
struct Outer {
  Inner inner;
  std::vector<Inner> list{};
  std::map<std::string, fs::path> named{};
  std::optional<fs::path> maybe{};
  std::variant<std::monostate, int, fs::path> choice{};
  std::pair<fs::path, std::string> pair{};
  std::array<fs::path, 2> two{};
  std::string text = "/work/text";  // no path, whatever it looks like
  friend bool operator==(const Outer&, const Outer&) = default;
};

TEST(PathsTest, A33_PathsBelowTheRootBecomeRelativeWhereverTheyAre) {
  Outer value{.inner = {"/work/a"},
              .list = {{"/work/b/c"}, {"d"}},
              .named = {{"e", "/work/./x/../e"}},
              .maybe = "/work/f",
              .choice = fs::path("/work/g"),
              .pair = {"/work/h", "/work/h"},
              .two = {"/work", "/workshop/i"}};
  MakePathsRelative(value, "/work");
  const Outer expected{.inner = {"a"},
                       .list = {{"b/c"}, {"d"}},
                       .named = {{"e", "e"}},
                       .maybe = "f",
                       .choice = fs::path("g"),
                       .pair = {"h", "/work/h"},
                       .two = {".", "/workshop/i"}};
  EXPECT_EQ(value, expected);
}

TEST(PathsTest, WithoutARootNothingChanges) {
  for (const char* root : {"", ".", "work"}) {
    fs::path path = "/work/a";
    MakePathsRelative(path, root);
    EXPECT_EQ(path, "/work/a");
  }
}

TEST(PathsTest, ARootBehindALinkIsTheSameRoot) {
  const fs::path scratch = fs::temp_directory_path() / ("millrace-paths-" + std::to_string(getpid()));
  fs::create_directories(scratch / "real");
  fs::create_directory_symlink("real", scratch / "link");
  fs::path path = fs::canonical(scratch / "real") / "out.txt";
  MakePathsRelative(path, scratch / "link");
  EXPECT_EQ(path, "out.txt");
  fs::remove_all(scratch);
}

}  // namespace
}  // namespace millrace::wire
