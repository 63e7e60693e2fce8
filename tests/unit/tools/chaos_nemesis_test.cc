// SPDX-License-Identifier: Apache-2.0
// Faults done to a fleet of scripts that only wait.
#include "tools/zmqctl/chaos_nemesis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/temporary.h"

namespace millrace::zmqctl {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::Eventually;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

struct NemesisTest : ::testing::Test {
  // `script` runs in each process, with its arguments; then it waits. Every start is a line in `starts`, by which the
  // script's is_first knows whether the like was started before.
  void Begin(const std::string& script, std::vector<Fault> faults, Duration end = hours(1),
             Duration patience = hours(1)) {
    const std::string program = (folder_ / "program").string();
    const std::string starts = (folder_ / "starts").string();
    std::ofstream(program) << "#!/bin/sh\necho \"$*\" >> " << starts << "\n"
                           << "is_first() { [ $(grep -c -- \"$1\" " << starts << ") = 1 ]; }\n"
                           << script << "\nexec sleep 1000\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    FleetOptions options;
    options.programs = {program, program};
    options.folder = folder_.path();
    options.work_dir = folder_.path();
    options.port = 1;
    options.hosts = {"127.77.8.1", "127.77.8.2"};
    fleet_.emplace(std::move(options));
    auto wires = Wires::Start({"127.77.8.1", "127.77.8.2"}, {});
    ASSERT_TRUE(wires.ok()) << wires.status();
    wires_ = *std::move(wires);
    for (std::size_t member = 0; member < fleet_->size(); ++member) ASSERT_TRUE(fleet_->Start(member).ok());
    ASSERT_TRUE(Eventually([&] { return Starts("--") == 3; }));
    pid_ = fleet_->pid(1);
    Nemesis::Options nemesis;
    nemesis.faults = std::move(faults);
    nemesis.begin = Nemesis::Clock::now();
    nemesis.end = end;
    nemesis.patience = patience;
    nemesis.on_patience_over = [this] { ++patience_over_; };
    nemesis.say = [](const std::string&) {};
    nemesis_.emplace(*fleet_, *wires_, std::move(nemesis));
  }
  // How often a process with this among its arguments was started.
  std::size_t Starts(const std::string& part) {
    std::ifstream file(folder_ / "starts");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) count += line.find(part) != std::string::npos ? 1 : 0;
    return count;
  }
  char StateOfFirst() {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(file, text);  // no iterators: they throw when the process is gone between opening and reading
    return text.empty() ? ' ' : text[text.rfind(')') + 2];
  }

  test::TemporaryDirectory folder_;
  std::optional<Fleet> fleet_;
  std::unique_ptr<Wires> wires_;
  std::optional<Nemesis> nemesis_;
  std::atomic<int> patience_over_ = 0;
  pid_t pid_ = 0;
};

TEST_F(NemesisTest, KillsAndStartsAgainWithTheSameName) {
  Begin("", {{.kind = FaultKind::kKillWorker, .worker = 0}, {.kind = FaultKind::kKillBroker}});
  EXPECT_TRUE(Eventually([&] { return Starts("--worker-id w1 ") == 2 && Starts("--data-dir") == 2; }));
  const Nemesis::Story story = nemesis_->Rest();
  EXPECT_THAT(story.done, ElementsAre(1, 1, 0, 0, 0, 0, 0));
  ASSERT_EQ(story.deaths.size(), 2u);
  EXPECT_EQ(story.deaths[0].worker, "w1");
  EXPECT_EQ(story.deaths[1].worker, "");
  EXPECT_THAT(story.notes, IsEmpty());
  EXPECT_THAT(story.defects, IsEmpty());
  EXPECT_NE(fleet_->pid(1), pid_);
  EXPECT_EQ(Starts("--worker-id w2 "), 1u);
}

TEST_F(NemesisTest, StartsAtTheEndWhatIsStillGone) {
  Begin("", {{.kind = FaultKind::kKillWorker, .worker = 0, .lasts = hours(1)}});
  EXPECT_TRUE(Eventually([&] { return StateOfFirst() == ' '; }));
  nemesis_->Rest();
  EXPECT_TRUE(fleet_->runs(1));
  EXPECT_NE(fleet_->pid(1), pid_);
}

TEST_F(NemesisTest, ResumesAtTheEndWhatIsStillPaused) {
  Begin("", {{.kind = FaultKind::kPause, .worker = 0, .lasts = hours(1)}});
  EXPECT_TRUE(Eventually([&] { return StateOfFirst() == 'T'; }));
  nemesis_->Rest();
  EXPECT_TRUE(Eventually([&] { return StateOfFirst() == 'S'; }));
  EXPECT_EQ(fleet_->pid(1), pid_);
}

TEST_F(NemesisTest, AWorkerThatEndsByItselfIsStartedAgainAndNoted) {
  Begin("case \"$*\" in *'id w1 '*) ! is_first 'id w1 ' || exit 75 ;; esac", {});
  EXPECT_TRUE(Eventually([&] { return Starts("--worker-id w1 ") == 2; }));
  const Nemesis::Story story = nemesis_->Rest();
  EXPECT_THAT(story.notes, ElementsAre("w1 ended by itself, with exit code 75"));
  EXPECT_THAT(story.defects, IsEmpty());
  EXPECT_THAT(story.deaths, IsEmpty());
}

TEST_F(NemesisTest, ABrokerThatEndsByItselfIsADefectAndSoIsACrash) {
  Begin(
      "case \"$*\" in *data-dir*) ! is_first data-dir || exit 0 ;;"
      " *'id w2 '*) ! is_first 'id w2 ' || kill -SEGV $$ ;; esac",
      {});
  EXPECT_TRUE(Eventually([&] { return Starts("--data-dir") == 2 && Starts("--worker-id w2 ") == 2; }));
  EXPECT_THAT(nemesis_->Rest().defects,
              UnorderedElementsAre("the broker ended by itself, with exit code 0", "w2 ended by itself, of signal 11"));
}

TEST_F(NemesisTest, LosesItsPatienceOnce) {
  Begin("", {}, Duration::zero(), Duration::zero());
  EXPECT_TRUE(Eventually([&] { return patience_over_ > 0; }));
  nemesis_->Rest();
  EXPECT_EQ(patience_over_, 1);
}

TEST(Fleet, SaysWhoEndedAtItsStart) {
  const test::TemporaryDirectory folder;
  FleetOptions options;
  options.programs = {"/bin/true", "/bin/true"};
  options.folder = folder.path();
  options.work_dir = folder.path();
  options.hosts = {"127.77.8.1"};
  Fleet fleet(std::move(options));
  EXPECT_FALSE(*fleet.IsUp());
  ASSERT_TRUE(fleet.Start(1).ok());
  EXPECT_TRUE(Eventually([&] { return !fleet.IsUp().ok(); }));
  EXPECT_THAT(fleet.IsUp().status().message(), HasSubstr("w1 ended at its start; " + fleet.LogOf(1).string()));
}

TEST_F(NemesisTest, TheFleetIsGoneWithItsOwner) {
  Begin("", {});
  nemesis_.reset();
  fleet_.reset();
  EXPECT_EQ(StateOfFirst(), ' ');
}

}  // namespace
}  // namespace millrace::zmqctl
