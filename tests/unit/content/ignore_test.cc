// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/ignore.h"

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"

namespace millrace::content {
namespace {

using ::testing::Optional;

bool Ignored(std::string_view list, std::string_view path, bool is_directory = false) {
  return IgnoreList(list).Ignores(path, is_directory).value_or(false);
}

TEST(IgnoreTest, ALineWithoutASlashIsANameAnywhere) {
  EXPECT_TRUE(Ignored("*.o\n", "a.o"));
  EXPECT_TRUE(Ignored("*.o\n", "x/y/a.o"));
  EXPECT_TRUE(Ignored("build", "x/build"));
  EXPECT_FALSE(Ignored("build", "builder"));
}

TEST(IgnoreTest, ALineWithASlashBeginsAtItsFile) {
  EXPECT_TRUE(Ignored("/a.o", "a.o"));
  EXPECT_FALSE(Ignored("/a.o", "x/a.o"));
  EXPECT_TRUE(Ignored("x/*.o", "x/a.o"));
  EXPECT_FALSE(Ignored("x/*.o", "y/x/a.o"));
  EXPECT_TRUE(Ignored("**/x/*.o", "y/x/a.o"));
}

TEST(IgnoreTest, ASlashAtTheEndIsForDirectories) {
  EXPECT_TRUE(Ignored("out/", "x/out", true));
  EXPECT_FALSE(Ignored("out/", "x/out", false));
}

TEST(IgnoreTest, TheLastLineCounts) {
  const IgnoreList list("*.log\n!keep.log\nkeep.log.old\n");
  EXPECT_THAT(list.Ignores("a.log", false), Optional(true));
  EXPECT_THAT(list.Ignores("keep.log", false), Optional(false));
  EXPECT_EQ(list.Ignores("a.txt", false), std::nullopt);
}

TEST(IgnoreTest, CommentsBlanksAndBackslashes) {
  EXPECT_FALSE(Ignored("#a\n", "#a"));
  EXPECT_TRUE(Ignored("\\#a\n", "#a"));
  EXPECT_TRUE(Ignored("\\!a\n", "!a"));
  EXPECT_TRUE(Ignored("a  \n", "a"));
  EXPECT_TRUE(Ignored("a\\ \n", "a "));
  EXPECT_TRUE(Ignored("a\r\n", "a"));
  EXPECT_TRUE(
      Ignored("\xef\xbb\xbf"
              "a\n",
              "a"));
  EXPECT_TRUE(IgnoreList("\n\n   \n/\n#\n").empty());
}

TEST(IgnoreTest, InnerFilesComeBeforeOuterOnesAndOurListBeforeAll) {
  IgnoreStack stack(IgnoreList("secret\n!shown.tmp\n"));
  stack.Enter("", IgnoreList("*.tmp\n/only-here\n"));
  EXPECT_TRUE(stack.Ignores("a.tmp", false));
  EXPECT_FALSE(stack.Ignores("shown.tmp", false));
  EXPECT_TRUE(stack.Ignores("only-here", false));
  stack.Enter("d", IgnoreList("!a.tmp\n!secret\n/local\n"));
  EXPECT_FALSE(stack.Ignores("d/a.tmp", false));
  EXPECT_TRUE(stack.Ignores("d/b.tmp", false));
  EXPECT_TRUE(stack.Ignores("d/secret", false));
  EXPECT_TRUE(stack.Ignores("d/local", false));
  EXPECT_FALSE(stack.Ignores("d/only-here", false));
  stack.Leave();
  EXPECT_FALSE(stack.Ignores("local", false));
  EXPECT_TRUE(stack.Ignores(".git", true));
  EXPECT_TRUE(stack.Ignores("sub/.git", false));
}

// Against git itself: random files with random lists, and what `git check-ignore` says of each.
class GitTest : public testing::Test {
 protected:
  static bool Run(const std::string& command) { return std::system(command.c_str()) == 0; }

  void SetUp() override {
    if (!Run("git --version >/dev/null 2>&1")) GTEST_SKIP() << "git is not installed";
  }

  std::string Pick(const std::vector<std::string>& from) { return from[random_.Below(from.size())]; }

  std::string Pattern() {
    static const std::vector<std::string> kParts = {"a",  "b",     "ab",  "*",           "**",   "***",    "?",
                                                    "a*", "*b",    "a**", "[ab]",        "[!a]", "[a-b]*", "\\a",
                                                    "c ", "a\\*b", "[]",  "[[:alpha:]]", "*.c",  "x.c",    "[^b-z]?"};
    std::string pattern = random_.Below(4) == 0 ? "!" : "";
    if (random_.Below(4) == 0) pattern += "/";
    pattern += Pick(kParts);
    while (random_.Below(3) == 0) pattern += (random_.Below(3) == 0 ? "" : "/") + Pick(kParts);
    if (random_.Below(5) == 0) pattern += "/";
    if (random_.Below(10) == 0) pattern += " ";
    return pattern + "\n";
  }

  void Fill(const std::filesystem::path& folder, const std::string& path, int depth) {
    static const std::vector<std::string> kNames = {"a", "b", "ab", "c ", "a*b", "x.c", "y.c", "abc", "z"};
    std::filesystem::create_directories(folder);
    if (random_.Below(2) == 0) {
      std::string lines;
      for (std::size_t i = random_.Below(4) + 1; i > 0; --i) lines += Pattern();
      WriteFile(folder / ".gitignore", lines);
    }
    std::set<std::string> names;
    for (std::size_t i = random_.Below(5) + 2; i > 0; --i) names.insert(Pick(kNames));
    for (const std::string& name : names) {
      const std::string inner = path.empty() ? name : path + "/" + name;
      const std::size_t kind = random_.Below(8);
      if (kind < 4 && depth < 4) {
        Fill(folder / name, inner, depth + 1);
      } else if (kind == 4) {
        std::filesystem::create_symlink("nowhere", folder / name);
      } else {
        WriteFile(folder / name, "");
      }
      paths_.push_back(inner);
    }
  }

  // As a walk would find it: everything below what is ignored is ignored.
  void Walk(const std::filesystem::path& folder, const std::string& path, bool ignored, IgnoreStack& stack) {
    stack.Enter(path, IgnoreList(ReadFile(folder / ".gitignore")));
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name == ".gitignore" || name == ".git") continue;
      const std::string inner = path.empty() ? name : path + "/" + name;
      const bool is_directory = entry.is_directory() && !entry.is_symlink();
      const bool out = ignored || stack.Ignores(inner, is_directory);
      if (out) ours_.insert(inner);
      if (is_directory) Walk(entry.path(), inner, out, stack);
    }
    stack.Leave();
  }

  std::set<std::string> Theirs(const std::filesystem::path& root, const std::filesystem::path& scratch) {
    std::string list;
    for (const std::string& path : paths_) list += path + '\0';
    WriteFile(scratch / "list", list);
    // 1: none is ignored.
    static_cast<void>(Run("git -C '" + root.string() + "' check-ignore --no-index -z --stdin <'" +
                          (scratch / "list").string() + "' >'" + (scratch / "out").string() + "'"));
    std::set<std::string> theirs;
    std::string one;
    for (const char c : ReadFile(scratch / "out")) {
      if (c != '\0') {
        one += c;
        continue;
      }
      theirs.insert(std::exchange(one, {}));
    }
    return theirs;
  }

  Random random_{0};
  std::vector<std::string> paths_;
  std::set<std::string> ours_;
};

TEST_F(GitTest, ARandomTreeIsIgnoredAsGitIgnoresIt) {
  setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
  setenv("GIT_CONFIG_SYSTEM", "/dev/null", 1);
  std::size_t ignored = 0;
  std::size_t all = 0;
  const char* const rounds = std::getenv("MILLRACE_IGNORE_ROUNDS");
  for (std::uint64_t seed = 1; seed <= (rounds == nullptr ? 10 : std::strtoull(rounds, nullptr, 10)); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TestFolder folder;
    random_ = Random(seed);
    paths_.clear();
    ours_.clear();
    Fill(folder / "tree", "", 0);
    ASSERT_TRUE(Run("git init -q '" + (folder / "tree").string() + "'"));
    IgnoreStack stack;
    Walk(folder / "tree", "", false, stack);
    const std::set<std::string> theirs = Theirs(folder / "tree", folder.path());
    ASSERT_EQ(ours_, theirs);
    ignored += theirs.size();
    all += paths_.size();
  }
  EXPECT_GT(ignored, all / 10);
  EXPECT_LT(ignored, all - all / 10);
}

}  // namespace
}  // namespace millrace::content
