// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/leftovers.h"

#include <signal.h>
#include <unistd.h>

#include "gtest/gtest.h"
#include "millrace/exec/environment.h"
#include "millrace/exec/small_file.h"
#include "tests/unit/exec/support.h"

namespace millrace::exec {
namespace {

int CountMarked(const std::string& mark) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string environment = ReadSmallFile(entry.path() / "environ");
    count += environment.find(std::string(kSlotVariable) + "=" + mark) != std::string::npos ? 1 : 0;
  }
  return count;
}

// Starts a daemon that bears `mark`, and waits until those between it and us have ended, which bear it too.
Witness Marked(const TemporaryDirectory& directory, const std::string& mark) {
  const std::filesystem::path file = directory / mark;
  EXPECT_TRUE(RunCommand(TestShell(DaemonCommand(file), {{kSlotVariable, mark}}), {}).ok());
  const Witness witness = AwaitWitness(file);
  EXPECT_TRUE(Eventually([&] { return CountMarked(mark) == 1; }));
  return witness;
}

std::string WithField(std::string mark, int field, const std::string& value) {
  std::size_t begin = 0;
  while (field-- > 0) begin = mark.find('-', begin) + 1;
  return mark.replace(begin, mark.find('-', begin) - begin, value);
}

TEST(Leftovers, MarksDiffer) { EXPECT_NE(NewSlotMark(), NewSlotMark()); }

TEST(Leftovers, KillsWhatBearsTheMarkAndNothingElse) {
  const TemporaryDirectory directory;
  const std::string mine = NewSlotMark(), other = NewSlotMark();
  const Witness marked = Marked(directory, mine);
  const Witness unmarked = Marked(directory, other);
  EXPECT_EQ(KillMarked(mine, 0), 1);
  EXPECT_TRUE(Eventually([&] { return !marked.Alive(); }));
  EXPECT_TRUE(unmarked.Alive());
  EXPECT_EQ(KillMarked(other, 0), 1);
}

TEST(Leftovers, AtStartOnlyThoseOfDeadWorkersHereAreKilled) {
  const TemporaryDirectory directory;
  const std::string mark = NewSlotMark();
  const Witness living = Marked(directory, mark);                          // its worker is this process
  const Witness dead = Marked(directory, WithField(mark, 1, "99999999"));  // no such pid
  const Witness reused = Marked(directory, WithField(mark, 2, "1"));       // this pid, but another process's start
  const Witness elsewhere = Marked(directory, WithField(WithField(mark, 1, "99999999"), 0, "77"));  // a container's
  EXPECT_GE(KillLeftovers(), 2);
  EXPECT_TRUE(Eventually([&] { return !dead.Alive() && !reused.Alive(); }));
  EXPECT_TRUE(living.Alive());
  EXPECT_TRUE(elsewhere.Alive());
  kill(living.pid, SIGKILL);
  kill(elsewhere.pid, SIGKILL);
}

// Temporary folders of the dead go, by mark and process; those of the living, of strangers and of other names stay.
TEST(Leftovers, TemporaryFoldersOfTheDeadGoWithThem) {
  const TemporaryDirectory directory;
  const char* const before = getenv("TMPDIR");
  const std::string restored = before == nullptr ? "/tmp" : before;
  setenv("TMPDIR", (directory / "").c_str(), 1);
  const std::string mark = NewSlotMark();
  const std::string orphan = WithField(mark, 1, "99999999");
  const auto make = [&](const std::string& name) {
    std::filesystem::create_directories(directory / name / "inputs");
    return directory / name;
  };
  const auto mine = make("millrace-" + mark + "-7-aaaaaa");
  const auto of_another_host = make("millrace-" + mark + "-77-aaaaaa");
  const auto of_a_dead_worker = make("millrace-" + orphan + "-7-aaaaaa");
  const auto without_owner = make("millrace-aaaaaa");
  const auto foreign = make(orphan + "-7-aaaaaa");
  RemoveScratch(mark, 7);
  EXPECT_FALSE(std::filesystem::exists(mine));
  EXPECT_TRUE(std::filesystem::exists(of_another_host));
  EXPECT_TRUE(std::filesystem::exists(of_a_dead_worker));
  KillLeftovers();
  EXPECT_FALSE(std::filesystem::exists(of_a_dead_worker));
  for (const auto& path : {of_another_host, without_owner, foreign}) EXPECT_TRUE(std::filesystem::exists(path)) << path;
  setenv("TMPDIR", restored.c_str(), 1);
}

}  // namespace
}  // namespace millrace::exec
