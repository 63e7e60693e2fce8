// SPDX-License-Identifier: Apache-2.0
// Following a run to its end: every change is seen once, whatever word is lost, and a broker that is gone is noticed.
#include <algorithm>
#include <map>
#include <string>
#include <thread>

#include "fake_broker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/model/watch.h"

namespace millrace::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr RunId kRun{(std::uint64_t{3} << 32) | 17};

// A run at a broker that keeps rows as the real one does: each with the number of the event that changed it last.
struct WatchedRun {
  FakeBroker broker;
  FakeBlobs blobs;
  std::uint64_t events = 0;
  std::map<std::string, std::uint64_t> rows;  // task -> event
  bool ended = false;
  std::uint32_t page = 1000;
  int rounds = 0;                            // of questions that were answered
  std::function<void(int)> after_a_round{};  // told how many there were
  std::vector<std::vector<std::string>> seen;

  WatchedRun() { Serve(); }

  void Change(const std::string& task) { rows[task] = ++events; }
  void End() {
    ended = true;
    ++events;
  }
  void TellOfAChange() { broker.Tell(Changed{.epoch = 3, .run = kRun, .changed = events, .ended = ended}); }
  void Serve() {
    broker.On<Query>([this](const Query& query) {
      Answer answer = AnswerTo(query.request);
      EXPECT_EQ(query.run, kRun);
      if (query.kind == QueryKind::kRun) {
        RunView& view = answer.runs.emplace_back();
        view.run = kRun;
        view.changed = events;
        view.state = ended ? RunState::kSucceeded : RunState::kRunning;
      } else {
        EXPECT_EQ(query.kind, QueryKind::kTasks);
        FillRows(query, answer);
      }
      broker.Tell(std::move(answer));
    });
  }
  void FillRows(const Query& query, Answer& answer) const {
    std::vector<std::pair<std::uint64_t, std::string>> sorted;
    for (const auto& [task, event] : rows) {
      if (event > query.since) sorted.emplace_back(event, task);
    }
    std::sort(sorted.begin(), sorted.end());
    answer.next = events;
    for (const auto& [event, task] : sorted) {
      if (answer.tasks.size() == page) {
        answer.more = true;
        break;
      }
      answer.tasks.emplace_back().name = task;
      answer.next = event;
    }
    if (!answer.more) answer.next = events;
  }

  absl::StatusOr<RunView> Watch(ClientOptions options, std::chrono::milliseconds broker_patience) {
    Client client(broker.Link(), blobs, std::move(options));
    return client.Watch(
        kRun,
        [this](const RunView&, std::span<const TaskView> tasks) {
          std::vector<std::string>& names = seen.emplace_back();
          for (const TaskView& task : tasks) names.push_back(task.name);
          if (after_a_round) after_a_round(++rounds);
        },
        broker_patience);
  }
};

Query OfTheRun() {
  Query query;
  query.kind = QueryKind::kRun;
  query.run = kRun;
  return query;
}

ClientOptions Looking() {
  ClientOptions options = Patient();
  options.look_again = kSoon;
  return options;
}

TEST(WatchTest, EveryChangeIsSeenOnceAndTheEndIsReturned) {
  WatchedRun run;
  run.Change("a");
  run.Change("b");
  run.after_a_round = [&](int round) {
    if (round == 1) run.Change("b");
    if (round == 2) run.Change("c");
    if (round == 3) run.End();
    run.TellOfAChange();
  };
  const auto end = run.Watch(Patient(), kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state, RunState::kSucceeded);
  EXPECT_THAT(run.seen, ElementsAre(ElementsAre("a", "b"), ElementsAre("b"), ElementsAre("c"), IsEmpty()));
}

TEST(WatchTest, WhoeverWantsNoRowsAsksForNone) {
  WatchedRun run;
  run.Change("a");
  run.End();
  Client client(run.broker.Link(), run.blobs, Patient());
  const auto end = client.Watch(kRun, nullptr, kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state, RunState::kSucceeded);
  ASSERT_THAT(run.broker.Heard<Query>(), SizeIs(1));
  EXPECT_EQ(run.broker.Heard<Query>()[0].kind, QueryKind::kRun);
}

// After a conversation, so that the connection is known to be there: the broker keeps the question until the end.
TEST(WatchTest, TheEndIsAskedForOnceAndAnsweredWhenItIsThere) {
  WatchedRun run;
  Client client(run.broker.Link(), run.blobs, Patient());
  ASSERT_TRUE(client.Ask(OfTheRun()).ok());
  run.broker.On<Query>([&run](const Query& query) {
    EXPECT_EQ(query.since, kUntilEnded);
    run.End();
    run.TellOfAChange();  // leads to no question
    Answer answer = AnswerTo(query.request);
    answer.runs.emplace_back().state = RunState::kFailed;
    run.broker.Tell(AnswerTo(query.request - 1));  // a late one
    run.broker.Tell(std::move(answer));
  });
  const auto end = client.Watch(kRun, nullptr, kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state, RunState::kFailed);
  EXPECT_THAT(run.broker.Heard<Query>(), SizeIs(2));
}

TEST(WatchTest, ABrokerThatAnswersBeforeTheEndIsAskedAgainAfterAChange) {
  WatchedRun run;
  Client client(run.broker.Link(), run.blobs, Patient());
  ASSERT_TRUE(client.Ask(OfTheRun()).ok());
  run.Serve();
  const auto serve = run.broker.on_message;
  run.broker.on_message = [&](const Message& message) {
    serve(message);
    if (run.broker.Heard<Query>().size() != 3) return;
    run.End();
    run.TellOfAChange();
  };
  const auto end = client.Watch(kRun, nullptr, kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state, RunState::kSucceeded);
  EXPECT_THAT(run.broker.Heard<Query>(), SizeIs(4)) << "for the end, for the run as it is, and again for the end";
}

TEST(WatchTest, AnEndThatIsNotAnsweredIsLookedFor) {
  WatchedRun run;
  Client client(run.broker.Link(), run.blobs, Looking());
  ASSERT_TRUE(client.Ask(OfTheRun()).ok());
  run.End();
  const auto serve = run.broker.on_message;
  run.broker.on_message = [&](const Message& message) {
    const auto* query = std::get_if<Query>(&message);
    if (query == nullptr || query->since != kUntilEnded) serve(message);
  };
  EXPECT_TRUE(client.Watch(kRun, nullptr, kNever).ok());
}

TEST(WatchTest, RowsThatDoNotFitOneAnswerComeInPages) {
  WatchedRun run;
  run.page = 3;
  for (int i = 0; i < 10; ++i) run.Change("t" + std::to_string(i));
  run.End();
  ASSERT_TRUE(run.Watch(Patient(), kNever).ok());
  ASSERT_THAT(run.seen, SizeIs(1));
  EXPECT_THAT(run.seen[0], ElementsAre("t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"));
  std::vector<std::uint64_t> since;
  for (const Query& query : run.broker.Heard<Query>()) {
    if (query.kind == QueryKind::kTasks) since.push_back(query.since);
  }
  EXPECT_THAT(since, ElementsAre(0, 3, 6, 9));
}

TEST(WatchTest, PagesThatDoNotAdvanceAreAnErrorAndNoEndlessLoop) {
  WatchedRun run;
  run.Change("a");
  run.broker.On<Query>([&](const Query& query) {
    Answer answer = AnswerTo(query.request);
    answer.runs.emplace_back().changed = 5;
    answer.next = std::min<std::uint64_t>(query.since + 1, 3);
    answer.more = true;
    run.broker.Tell(std::move(answer));
  });
  EXPECT_EQ(run.Watch(Patient(), kNever).status().code(), absl::StatusCode::kInternal);
}

TEST(WatchTest, ALostWordOfAChangeCostsALookAtMost) {
  WatchedRun run;
  run.after_a_round = [&](int round) {
    if (round == 1) run.Change("a");
    if (round == 2) run.End();
  };
  const auto end = run.Watch(Looking(), kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_THAT(run.seen, ElementsAre(IsEmpty(), ElementsAre("a"), IsEmpty()));
}

TEST(WatchTest, ABrokerWithNothingToSayIsNotTakenForGone) {
  WatchedRun run;
  run.after_a_round = [&](int round) {
    if (round == 5) run.End();
  };
  const auto end = run.Watch(Looking(), kSoon / 20);
  EXPECT_TRUE(end.ok()) << end.status();
}

TEST(WatchTest, G_ABrokerThatDiedIsUnavailableAfterThePatience) {
  for (const bool told : {true, false}) {
    WatchedRun run;
    std::chrono::steady_clock::time_point died;
    run.after_a_round = [&](int) {
      run.broker.on_message = [](const Message&) {};
      if (told) run.broker.Say({net::LinkDown{"the connection ended"}});
      died = std::chrono::steady_clock::now();
    };
    ClientOptions options = Looking();
    options.patience = kSoon;
    options.ask_again = kSoon / 4;
    const absl::Status status = run.Watch(options, 4 * kSoon).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(TextOf(status), AllOf(HasSubstr("nothing was heard of the broker for 80ms"), HasSubstr("goes on")));
    EXPECT_GE(std::chrono::steady_clock::now() - died, 4 * kSoon);
  }
}

TEST(WatchTest, ABrokerThatComesBackInTimeIsFollowedOn) {
  WatchedRun run;
  run.Change("a");
  run.after_a_round = [&](int round) {
    if (round != 1) return run.End();
    run.Change("b");
    run.broker.Say({net::LinkDown{"the connection ended"}});
    // It is away longer than a question is patient.
    int ignored = 0;
    run.broker.on_message = [&run, ignored](const Message& message) mutable {
      if (std::holds_alternative<Query>(message) && ++ignored == 3) run.Serve();
    };
    run.broker.Say({net::LinkUp{}});
  };
  ClientOptions options = Looking();
  options.patience = 2 * kSoon;
  options.ask_again = 2 * kSoon;
  const auto end = run.Watch(options, kNever);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_THAT(run.seen, ElementsAre(ElementsAre("a"), ElementsAre("b"), IsEmpty()));
}

TEST(WatchTest, AnInterruptIsCancelled) {
  WatchedRun run;
  Client client(run.broker.Link(), run.blobs, Patient());
  std::thread other;
  const auto on_change = [&](const RunView&, std::span<const TaskView>) {
    other = std::thread([&] { client.Interrupt(); });
  };
  EXPECT_EQ(client.Watch(kRun, on_change, kNever).status().code(), absl::StatusCode::kCancelled);
  other.join();
  run.End();  // and it can be watched again, from the start
  run.Change("a");
  std::vector<std::string> seen;
  const auto end = client.Watch(
      kRun,
      [&](const RunView&, std::span<const TaskView> tasks) {
        for (const TaskView& task : tasks) seen.push_back(task.name);
      },
      kNever);
  EXPECT_TRUE(end.ok()) << end.status();
  EXPECT_THAT(seen, ElementsAre("a"));
}

TEST(WatchTest, ARunThatNobodyKnowsIsTheBrokersError) {
  WatchedRun run;
  run.broker.On<Query>([&](const Query& query) {
    Answer answer = AnswerTo(query.request);
    answer.code = static_cast<std::int32_t>(absl::StatusCode::kNotFound);
    answer.message = "no run 3.17";
    run.broker.Tell(std::move(answer));
  });
  const absl::Status status = run.Watch(Patient(), kNever).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TextOf(status), "no run 3.17");
  EXPECT_THAT(run.seen, IsEmpty());
  WatchedRun empty;
  empty.broker.On<Query>([&](const Query& query) { empty.broker.Tell(AnswerTo(query.request)); });
  EXPECT_THAT(TextOf(empty.Watch(Patient(), kNever).status()), HasSubstr("3.17"));
}

}  // namespace
}  // namespace millrace::client
