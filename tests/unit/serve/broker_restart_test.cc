// SPDX-License-Identifier: Apache-2.0
// One broker after the other on a data directory, whichever way the first one ended: what was acknowledged holds.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/serve/broker.h"
#include "millrace/store/blobs.h"
#include "millrace/store/compaction.h"
#include "millrace/store/journal.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A peer in this process that says what it likes.
class Peer {
 public:
  explicit Peer(Broker& broker) : link_(broker.ConnectLocal()) {}

  void Say(Message message) { link_->Send(std::move(message)); }
  template <class M>
  std::optional<M> TryHear() {
    std::vector<net::LinkEvent> events;
    link_->Receive(events);
    for (net::LinkEvent& event : events) {
      auto* said = std::get_if<net::LinkHeard>(&event);
      if (said != nullptr && !said->on_heartbeat_channel) heard_.push_back(std::move(said->message));
    }
    for (auto message = heard_.begin(); message != heard_.end(); ++message) {
      auto* body = std::get_if<M>(&*message);
      if (body == nullptr) continue;
      M found = std::move(*body);
      heard_.erase(message);
      return found;
    }
    return std::nullopt;
  }
  template <class M>
  M Hear() {
    std::optional<M> found;
    EXPECT_TRUE(Eventually([&] { return (found = TryHear<M>()).has_value(); })) << "kind " << int{M::kKind};
    return found ? *std::move(found) : M{};
  }

  // As the worker w1, with what it holds.
  Welcome Attach(std::vector<AttemptId> held = {}, std::uint64_t first_report = 1) {
    Hello hello;
    hello.role = Role::kWorker;
    hello.name = "w1";
    hello.incarnation = Incarnation{7};
    hello.host = "elsewhere";
    hello.offer.cpus = 2;
    hello.offer.modules.emplace_back().name = "work";
    hello.first_report = first_report;
    for (const AttemptId attempt : held) hello.held.push_back({.attempt = attempt});
    Say(hello);
    Welcome welcome = Hear<Welcome>();
    session_ = welcome.session;
    return welcome;
  }
  std::vector<Assignment> Assigned(std::size_t count) {
    std::vector<Assignment> tasks;
    while (tasks.size() < count && !testing::Test::HasFailure()) {
      Assign assign = Hear<Assign>();
      through_ = assign.number;
      for (Assignment& task : assign.tasks) tasks.push_back(std::move(task));
    }
    return tasks;
  }
  void Finish(AttemptId attempt, std::uint64_t number, Payload result = {}) {
    Report report;
    report.session = session_;
    report.orders_through = through_;
    report.first_number = number;
    AttemptReport& end = report.reports.emplace_back();
    end.attempt = attempt;
    end.outcome = Outcome::kSucceeded;
    end.result = std::move(result);
    Say(report);
  }
  Answer Submit(std::uint64_t token, JobSpec job) {
    millrace::Submit submit;
    submit.request = ++requests_;
    submit.token = token;
    submit.job = std::move(job);
    Say(submit);
    return Hear<Answer>();
  }
  Answer Ask(QueryKind kind, RunId run = {}) {
    Query query;
    query.request = ++requests_;
    query.kind = kind;
    query.run = run;
    Say(query);
    return Hear<Answer>();
  }

 private:
  std::unique_ptr<net::Link> link_;
  std::vector<Message> heard_;
  SessionId session_;
  std::uint64_t through_ = 0;
  std::uint64_t requests_ = 0;
};

// a and b, then c.
JobSpec Three() {
  JobSpec job;
  job.name = "three";
  job.modules.push_back({"work", 0, "1"});
  job.requirements.emplace_back();
  job.policies.emplace_back();
  for (const char* name : {"a", "b", "c"}) job.tasks.emplace_back().name = name;
  job.tasks[2].needs = {{0}, {1}};
  return job;
}

// `kill`: the broker's data directory is copied while it lives, and the copy is what the next one finds: as if the
// first one had died at that moment. Otherwise it is stopped first.
class BrokerRestartTest : public testing::TestWithParam<bool> {
 protected:
  BrokerOptions OptionsOn(const std::filesystem::path& folder) const {
    BrokerOptions options;
    options.data_dir = folder;
    options.network.emplace();
    options.network->port = 0;
    options.network->http = false;
    options.durability = durability_;
    options.brain.runs_kept = runs_kept_;
    options.on_disk_failure = [this](const absl::Status&) { ++disk_failures_; };
    return options;
  }
  void Start() {
    auto broker = Broker::Start(&TestContext(), OptionsOn(data_));
    ASSERT_TRUE(broker.ok()) << broker.status();
    broker_ = *std::move(broker);
  }
  void Restart() {
    if (GetParam()) {
      const std::filesystem::path copy = folder_ / ("life" + std::to_string(++lives_));
      std::filesystem::copy(data_, copy, std::filesystem::copy_options::recursive);
      data_ = copy;
    }
    broker_.reset();
    Start();
  }
  std::vector<std::string> States(Peer& client, RunId run) const {
    std::vector<std::string> states;
    for (const TaskView& task : client.Ask(QueryKind::kTasks, run).tasks) {
      states.push_back(task.name + (task.state == TaskState::kEnded ? " ended" : " open"));
    }
    return states;
  }

  TemporaryDirectory folder_;
  std::filesystem::path data_ = folder_ / "data";
  Durability durability_ = Durability::kSync;
  std::uint32_t runs_kept_ = 1000;
  mutable std::atomic<int> disk_failures_ = 0;
  int lives_ = 0;
  std::unique_ptr<Broker> broker_;
};

TEST_P(BrokerRestartTest, A09_WhatHasEndedStaysEndedWhatRunsIsAdoptedAndTheRestGoesOn) {
  Start();
  RunId run;
  std::vector<Assignment> tasks;
  {
    Peer client(*broker_);
    Peer worker(*broker_);
    worker.Attach();
    run = client.Submit(1, Three()).run;
    tasks = worker.Assigned(2);
    ASSERT_THAT(tasks, SizeIs(2));
    worker.Finish(tasks[0].attempt, 1);
    EXPECT_EQ(worker.Hear<Recorded>().through, 1u);
    Restart();
  }
  Peer client(*broker_);
  EXPECT_THAT(States(client, run), ElementsAre("a ended", "b open", "c open"));
  Peer worker(*broker_);
  const Welcome welcome = worker.Attach({tasks[1].attempt}, 2);
  EXPECT_THAT(welcome.keep, ElementsAre(tasks[1].attempt));
  EXPECT_THAT(welcome.drop, IsEmpty());
  worker.Finish(tasks[1].attempt, 2);
  EXPECT_EQ(worker.Hear<Recorded>().through, 2u);
  const std::vector<Assignment> rest = worker.Assigned(1);
  ASSERT_THAT(rest, SizeIs(1));  // neither a nor b again
  EXPECT_EQ(rest[0].name, "c");
  EXPECT_GT(rest[0].attempt, tasks[1].attempt);
  worker.Finish(rest[0].attempt, 3);
  EXPECT_TRUE(Eventually([&] { return client.Ask(QueryKind::kRun, run).runs.at(0).state == RunState::kSucceeded; }));
  Restart();
  Peer later(*broker_);
  EXPECT_EQ(later.Ask(QueryKind::kRun, run).runs.at(0).state, RunState::kSucceeded);
  EXPECT_THAT(States(later, run), ElementsAre("a ended", "b ended", "c ended"));
}

TEST_P(BrokerRestartTest, A09_AnAcceptedSubmissionIsThereAndNotDoubledByItsToken) {
  Start();
  RunId run;
  {
    Peer client(*broker_);
    run = client.Submit(42, Three()).run;
    EXPECT_TRUE(run.valid());
  }
  for (int i = 0; i < 2; ++i) {
    Restart();
    Peer client(*broker_);
    EXPECT_EQ(client.Submit(42, Three()).run, run);
    EXPECT_THAT(client.Ask(QueryKind::kRuns).runs, SizeIs(1));
  }
  Peer client(*broker_);
  EXPECT_NE(client.Submit(43, Three()).run, run);
  EXPECT_THAT(client.Ask(QueryKind::kRuns).runs, SizeIs(2));
}

// What a watcher has seen before it can never hide what happens after.
TEST_P(BrokerRestartTest, A09_EventNumbersRiseOverARestart) {
  Start();
  std::uint64_t before = 0;
  RunId run;
  {
    Peer client(*broker_);
    run = client.Submit(1, Three()).run;
    before = client.Ask(QueryKind::kRun, run).runs.at(0).changed;
  }
  Restart();
  Peer client(*broker_);
  // However much a life has counted that its journal does not tell.
  EXPECT_GT(EpochOf(client.Ask(QueryKind::kRun, run).runs.at(0).changed), EpochOf(before));
  for (const TaskView& task : client.Ask(QueryKind::kTasks, run).tasks) EXPECT_GT(task.changed, before);
}

TEST_P(BrokerRestartTest, A09_AResultOnTheBulkPlaneIsStillThereAndNotTidiedAway) {
  Start();
  const std::string big(300'000, 'b');
  const Digest digest = Sha256(big);
  RunId run;
  {
    Peer client(*broker_);
    Peer worker(*broker_);
    worker.Attach();
    run = client.Submit(1, Three()).run;
    const auto tasks = worker.Assigned(2);
    ASSERT_THAT(tasks, SizeIs(2));
    ASSERT_TRUE(broker_->local_blobs().Store(digest, Bytes(big)).ok());
    worker.Finish(tasks[0].attempt, 1, {.bytes = {}, .digest = digest, .size = big.size()});
    worker.Hear<Recorded>();
    for (const std::string unnamed : {"unnamed", "just handed over"}) {
      ASSERT_TRUE(broker_->local_blobs().Store(Sha256(unnamed), Bytes(unnamed)).ok());
    }
  }
  const std::string old = Sha256("unnamed").Hex();
  std::filesystem::last_write_time(data_ / "blobs" / old.substr(0, 2) / old,
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  const auto blobs = [this] { return store::BlobStore::Open(data_ / "blobs").value(); };
  ASSERT_TRUE(blobs().Has(digest));
  BrokerOptions options = OptionsOn(data_);
  options.blob_limit = 0;
  broker_.reset();
  auto broker = Broker::Start(&TestContext(), std::move(options));
  ASSERT_TRUE(broker.ok()) << broker.status();
  EXPECT_TRUE(blobs().Has(digest));
  EXPECT_FALSE(blobs().Has(Sha256("unnamed")));
  EXPECT_TRUE(blobs().Has(Sha256("just handed over"))) << "a report may name it yet";
}

TEST_P(BrokerRestartTest, WithoutAJournalRunsAreForgottenAndAnOldJournalIsLeftAlone) {
  Start();
  {
    Peer client(*broker_);
    client.Submit(1, Three());
  }
  durability_ = Durability::kOff;
  Restart();
  {
    Peer client(*broker_);
    EXPECT_THAT(client.Ask(QueryKind::kRuns).runs, IsEmpty());
    client.Submit(2, Three());
  }
  Restart();
  {
    Peer client(*broker_);
    EXPECT_THAT(client.Ask(QueryKind::kRuns).runs, IsEmpty());
  }
  durability_ = Durability::kAsync;
  Restart();
  Peer client(*broker_);
  EXPECT_THAT(client.Ask(QueryKind::kRuns).runs, SizeIs(1));
}

TEST_P(BrokerRestartTest, RunsThatAreNotKeptAnyLongerLeaveTheJournal) {
  runs_kept_ = 2;
  Start();
  {
    Peer client(*broker_);
    Peer worker(*broker_);
    worker.Attach();
    std::uint64_t number = 0;
    for (std::uint64_t token = 1; token <= 5; ++token) {
      JobSpec job = Three();
      job.tasks.resize(1);
      client.Submit(token, std::move(job));
      const auto tasks = worker.Assigned(1);
      ASSERT_THAT(tasks, SizeIs(1));
      worker.Finish(tasks[0].attempt, ++number);
      EXPECT_EQ(worker.Hear<Recorded>().through, number);
    }
    // Answered with all five written; while the history is behind, the journal keeps what it lacks.
    EXPECT_THAT(client.Ask(QueryKind::kPastRuns).past_runs, SizeIs(5));
  }
  Restart();  // replays five runs, and compacts
  std::vector<RunView> kept;
  {
    Peer client(*broker_);
    kept = client.Ask(QueryKind::kRuns).runs;
    EXPECT_THAT(kept, SizeIs(2));
  }
  broker_.reset();  // the compaction is done by then
  auto journal = store::Journal::Open(data_ / "journal.sqlite", store::Sync::kFull);
  ASSERT_TRUE(journal.ok()) << journal.status();
  std::set<RunId> runs;
  ASSERT_TRUE(journal
                  ->Replay([&](JournalPosition, const Record& record) {
                    runs.insert(store::RunOf(record));
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_THAT(runs, ElementsAre(kept[0].run, kept[1].run));
}

INSTANTIATE_TEST_SUITE_P(Ways, BrokerRestartTest, testing::Bool(),
                         [](const auto& way) { return way.param ? "Killed" : "Stopped"; });

// ---- trouble --------------------------------------------------------------------------------------------------------

using BrokerJournalTest = BrokerRestartTest;
INSTANTIATE_TEST_SUITE_P(Once, BrokerJournalTest, testing::Values(false));

TEST_P(BrokerJournalTest, ADamagedJournalIsRefusedWithItsPositionAndNothingIsBound) {
  Start();
  {
    Peer client(*broker_);
    client.Submit(1, Three());
  }
  broker_.reset();
  std::filesystem::resize_file(data_ / "journal.sqlite", 5000);
  const auto refused = Broker::Start(&TestContext(), OptionsOn(data_));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << refused.status();
  EXPECT_THAT(TextOf(refused.status()), HasSubstr("zmqctl journal salvage --data-dir " + data_.string()));
}

TEST_P(BrokerJournalTest, WhatTheDiskHasNotTakenIsNotAcknowledgedAndTheFailureIsTold) {
  Start();
  Peer client(*broker_);
  Peer worker(*broker_);
  worker.Attach();
  const RunId run = client.Submit(1, Three()).run;
  const auto tasks = worker.Assigned(2);
  ASSERT_THAT(tasks, SizeIs(2));
  const Digest digest = Sha256("x");
  const std::filesystem::path blob = data_ / "blobs" / digest.Hex().substr(0, 2) / digest.Hex();
  std::filesystem::create_directories(blob.parent_path());
  std::filesystem::create_symlink("/dev/null", blob);  // opens, but does not sync
  worker.Finish(tasks[0].attempt, 1, {.bytes = {}, .digest = digest, .size = 1});
  EXPECT_TRUE(Eventually([&] { return disk_failures_ == 1; }));
  EXPECT_THAT(client.Submit(2, Three()).message, HasSubstr("journal"));  // refused
  EXPECT_FALSE(worker.TryHear<Recorded>().has_value());
  Answer status = client.Ask(QueryKind::kBroker);
  ASSERT_THAT(status.broker, SizeIs(1));
  ASSERT_THAT(status.broker[0].warnings, testing::Not(IsEmpty()));
  EXPECT_THAT(status.broker[0].warnings[0], HasSubstr("journal"));
  Restart();
  Peer later(*broker_);
  EXPECT_THAT(States(later, run), ElementsAre("a open", "b open", "c open"));
}

}  // namespace
}  // namespace millrace::serve
