// SPDX-License-Identifier: Apache-2.0
// When the machine loses its power in the middle of anything, what the journal, the outbox and the history hold
// afterwards is what they held at some moment before, whole; and, where they promise it, nothing that was told is gone.
#include "power.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/store/compaction.h"
#include "millrace/store/history.h"
#include "millrace/store/journal.h"
#include "millrace/store/outbox.h"

namespace millrace::store {
namespace {

constexpr std::uint64_t kSeeds = 250;
constexpr int kLives = 3;                    // of each seed, on what the one before has left
constexpr std::uint64_t kMostChanges = 150;  // until the power goes

// What a store held after each step that came back, the newest one last; and what the step under way would have made
// of it, if there is one.
template <class State>
struct Past {
  std::vector<State> states = {State()};
  std::optional<State> under_way;

  void Begin(State next) { under_way = std::move(next); }
  void Done() {
    states.push_back(*std::move(under_way));
    under_way.reset();
  }
  bool CouldBe(const State& found, bool nothing_told_is_lost) const {
    if (under_way && found == *under_way) return true;
    if (nothing_told_is_lost) return found == states.back();
    return std::find(states.begin(), states.end(), found) != states.end();
  }
  void StartFrom(State found) {
    states = {std::move(found)};
    under_way.reset();
  }
};

PowerDisk::Loss LossOf(std::uint64_t number) { return static_cast<PowerDisk::Loss>(number % 3); }

// ---- the journal ----------------------------------------------------------------------------------------------------

using Records = std::vector<Record>;

class JournalLives {
 public:
  JournalLives(std::uint64_t seed, Sync sync) : sync_(sync), dice_(seed), disk_(seed) {}

  void Play() {
    for (int life = 0; life < kLives; ++life) {
      const PowerDisk::Loss loss = LossOf(dice_.Next());
      disk_.CutAt(1 + dice_.Below(kMostChanges), loss);
      Live();
      disk_.Restore();
      Check(sync_ == Sync::kFull || loss == PowerDisk::Loss::kNone);
      if (testing::Test::HasFailure()) return;
    }
  }
  std::size_t lost() const { return lost_; }

 private:
  void Live() {
    while (!disk_.dark() && !testing::Test::HasFailure()) {
      auto journal = Journal::Open(file_, sync_);
      EXPECT_TRUE(journal.ok() || disk_.dark()) << journal.status();
      while (journal.ok() && !disk_.dark() && dice_.Below(10) != 0) {
        if (dice_.Below(12) == 0) {
          Compact(*journal);
        } else {
          Append(*journal);
        }
      }
    }
  }
  void Append(Journal& journal) {
    std::vector<Journal::Batch> batches(1 + dice_.Below(3));
    Records next = past_.states.back();
    for (Journal::Batch& batch : batches) {
      for (std::uint64_t i = 1 + dice_.Below(3); i-- > 0;) {
        TaskEnded record;
        record.task = {RunId{1 + dice_.Below(5)}, 0};
        record.attempt = AttemptId{++attempts_};
        record.result.bytes = Bytes::Copy(std::string(dice_.Below(3000), 'r'));
        batch.push_back(record);
        next.push_back(record);
      }
    }
    past_.Begin(std::move(next));
    Step(journal.Append(batches));
  }
  void Compact(Journal& journal) {
    std::set<RunId> keep;
    for (std::uint64_t run = 1; run <= 5; ++run) {
      if (dice_.Below(2) == 0) keep.insert(RunId{run});
    }
    Records next;
    for (const Record& record : past_.states.back()) {
      if (keep.contains(RunOf(record))) next.push_back(record);
    }
    past_.Begin(std::move(next));
    Step(journal.Compact(keep));
  }
  void Step(const absl::Status& status) {
    EXPECT_TRUE(status.ok() || disk_.dark()) << status;
    if (status.ok()) past_.Done();
  }
  void Check(bool nothing_told_is_lost) {
    auto journal = Journal::Open(file_, sync_);
    ASSERT_TRUE(journal.ok()) << journal.status();
    Records found;
    const absl::Status end = journal->Replay([&found](JournalPosition, Record record) {
      found.push_back(std::move(record));
      return absl::OkStatus();
    });
    ASSERT_TRUE(end.ok()) << end;
    ASSERT_TRUE(past_.CouldBe(found, nothing_told_is_lost))
        << found.size() << " records are there, after " << past_.states.back().size();
    if (found != past_.states.back() && !(past_.under_way && found == *past_.under_way)) ++lost_;
    past_.StartFrom(std::move(found));
  }

  const Folder folder_;
  const std::filesystem::path file_ = folder_ / kJournalName;
  const Sync sync_;
  Random dice_;
  PowerDisk disk_;
  Past<Records> past_;
  std::uint64_t attempts_ = 0;
  std::size_t lost_ = 0;
};

TEST(PowerTest, A09_TheJournalLosesNothingThatItHasTold) {
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrFormat("seed %d", seed));
    JournalLives(seed, Sync::kFull).Play();
  }
}

TEST(PowerTest, A09_AJournalThatDoesNotWaitForTheDiskLosesOnlyItsEnd) {
  std::size_t lost = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrFormat("seed %d", seed));
    JournalLives lives(seed, Sync::kNormal);
    lives.Play();
    lost += lives.lost();
  }
  EXPECT_GT(lost, 0u) << "this disk takes nothing away: what the other tests here say is worth nothing";
}

// ---- the outbox -----------------------------------------------------------------------------------------------------

using Reports = std::map<std::uint64_t, AttemptReport>;

void PlayOutbox(std::uint64_t seed) {
  const Folder folder;
  const std::filesystem::path file = folder / kOutboxName;
  Random dice(seed);
  PowerDisk disk(seed);
  Past<Reports> past;
  std::uint64_t attempts = 0;
  for (int life = 0; life < kLives; ++life) {
    disk.CutAt(1 + dice.Below(kMostChanges), LossOf(dice.Next()));
    while (!disk.dark()) {
      Outbox::Content content;
      auto outbox = Outbox::Open(file, content);
      ASSERT_TRUE(outbox.ok() || disk.dark()) << outbox.status();
      while (outbox.ok() && !disk.dark() && dice.Below(10) != 0) {
        Reports next = past.states.back();
        absl::Status status;
        if (!next.empty() && dice.Below(3) == 0) {
          const AttemptId gone{next.begin()->first};
          next.erase(next.begin());
          past.Begin(std::move(next));
          status = outbox->Erase({{gone}});
        } else {
          AttemptReport report;
          report.attempt = AttemptId{++attempts};
          report.outcome = Outcome::kSucceeded;
          report.result.bytes = Bytes::Copy(std::string(dice.Below(3000), 'r'));
          report.result.size = report.result.bytes.size();
          next.emplace(attempts, report);
          past.Begin(std::move(next));
          status = outbox->Put(7, {{report}});
        }
        ASSERT_TRUE(status.ok() || disk.dark()) << status;
        if (status.ok()) past.Done();
      }
    }
    disk.Restore();
    Outbox::Content content;
    const auto outbox = Outbox::Open(file, content);
    ASSERT_TRUE(outbox.ok()) << outbox.status();
    ASSERT_EQ(content.damage, "");
    Reports found;
    for (AttemptReport& report : content.reports) found.emplace(report.attempt.value, std::move(report));
    ASSERT_TRUE(past.CouldBe(found, true)) << found.size() << " after " << past.states.back().size();
    past.StartFrom(std::move(found));
  }
}

TEST(PowerTest, A09_TheOutboxLosesNothingThatItHasTaken) {
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(absl::StrFormat("seed %d", seed));
    PlayOutbox(seed);
  }
}

// ---- the history ----------------------------------------------------------------------------------------------------

using TaskCounts = std::map<std::uint64_t, std::size_t>;  // by run

absl::StatusOr<TaskCounts> Counted(History& history) {
  MILLRACE_ASSIGN_OR_RETURN(const Page<PastRun> runs, history.Runs({}));
  TaskCounts counts;
  for (const PastRun& run : runs.rows) {
    MILLRACE_ASSIGN_OR_RETURN(const Page<PastTask> tasks, history.Tasks(run.view.run, 0, 0));
    counts[run.view.run.value] = tasks.rows.size();
  }
  return counts;
}

void PlayHistory(std::uint64_t seed) {
  const Folder folder;
  const std::filesystem::path file = folder / kHistoryName;
  Random dice(seed);
  PowerDisk disk(seed);
  Past<TaskCounts> past;
  std::uint64_t runs = 0;
  for (int life = 0; life < kLives; ++life) {
    disk.CutAt(1 + dice.Below(kMostChanges), LossOf(dice.Next()));
    while (!disk.dark()) {
      auto history = History::Open(file);
      ASSERT_TRUE(history.ok() || disk.dark()) << history.status();
      while (history.ok() && !disk.dark() && dice.Below(10) != 0) {
        PastRun run;
        run.view.run = RunId{++runs};
        run.ended_unix_ms = static_cast<std::int64_t>(runs);
        const auto tasks = static_cast<std::uint32_t>(1 + dice.Below(40));
        TaskCounts next = past.states.back();
        next[runs] = tasks;
        past.Begin(std::move(next));
        const absl::Status status = history->Write(run, tasks, [](std::uint32_t index) {
          PastTask task;
          task.view.index = index;
          task.view.name = absl::StrFormat("a task with a name of some length %d", index);
          return task;
        });
        ASSERT_TRUE(status.ok() || disk.dark()) << status;
        if (status.ok()) past.Done();
      }
    }
    disk.Restore();
    auto history = History::Open(file);
    ASSERT_TRUE(history.ok()) << history.status();
    auto found = Counted(*history);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_TRUE(past.CouldBe(*found, false)) << found->size() << " after " << past.states.back().size();
    past.StartFrom(*std::move(found));
  }
}

TEST(PowerTest, TheHistoryHoldsWholeRunsInOrder) {
  for (std::uint64_t seed = 1; seed <= kSeeds / 5 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(absl::StrFormat("seed %d", seed));
    PlayHistory(seed);
  }
}

}  // namespace
}  // namespace millrace::store
