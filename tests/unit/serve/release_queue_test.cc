// SPDX-License-Identifier: Apache-2.0
// Nothing leaves before the record it rests on is durable, and nothing overtakes.
#include "millrace/serve/release_queue.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"

namespace millrace::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

sched::Action Say(std::string text, JournalPosition after = 0) {
  return {after, sched::Note{sched::Severity::kInfo, std::move(text)}};
}
std::string TextOfNote(const sched::Action& action) { return std::get<sched::Note>(action.body).text; }

Welcome WorkerWelcome() {
  Welcome welcome;
  welcome.session = SessionId{1};
  return welcome;
}

// Everything that may go now.
std::vector<std::string> Released(ReleaseQueue& queue) {
  std::vector<std::string> texts;
  queue.Release([&texts](const sched::Action& action) { texts.push_back(TextOfNote(action)); });
  return texts;
}

TEST(ReleaseQueueTest, WhatRestsOnNothingGoesAtOnceAndInOrder) {
  ReleaseQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.Add({Say("a"), Say("b"), Say("c")});
  EXPECT_FALSE(queue.empty());
  EXPECT_THAT(Released(queue), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(queue.empty());
  EXPECT_THAT(Released(queue), IsEmpty());
}

TEST(ReleaseQueueTest, PositionsAreCountedFromOne) {
  ReleaseQueue queue;
  EXPECT_EQ(queue.Advance(1), 1u);
  EXPECT_EQ(queue.Advance(3), 4u);
}

TEST(ReleaseQueueTest, AnActionWaitsForItsRecord) {
  ReleaseQueue queue;
  queue.Add({Say("welcome"), Say("accepted", 1), Say("assign", 2)});
  EXPECT_THAT(Released(queue), ElementsAre("welcome"));
  queue.SetDurable(1);
  EXPECT_THAT(Released(queue), ElementsAre("accepted"));
  EXPECT_FALSE(queue.empty());
  queue.SetDurable(2);
  EXPECT_THAT(Released(queue), ElementsAre("assign"));
  EXPECT_TRUE(queue.empty());
}

// "Recorded" to a worker rests on nothing, but must not arrive before the "Forget" said before it.
TEST(ReleaseQueueTest, WhatCouldGoWaitsBehindWhatCannot) {
  ReleaseQueue queue;
  queue.Add({Say("first", 3), Say("free"), Say("second", 1)});
  queue.SetDurable(2);
  EXPECT_THAT(Released(queue), IsEmpty());
  queue.Add({Say("late and free")});
  EXPECT_THAT(Released(queue), IsEmpty());
  queue.SetDurable(3);
  EXPECT_THAT(Released(queue), ElementsAre("first", "free", "second", "late and free"));
}

// A disk that is full for minutes must not look like a broker that is dead.
TEST(ReleaseQueueTest, SignsOfLifeAndAnswersThatRestOnNothingDoNotWait) {
  ReleaseQueue queue;
  queue.Add({Say("waits", 1),
             {0, sched::Broadcast{Beacon{}}},
             {0, sched::Broadcast{Changed{}}},
             {0, sched::Send{PeerId{1}, Pong{}}},
             {0, sched::Send{PeerId{1}, Ping{}}},
             {0, sched::Send{PeerId{1}, Recorded{}}},
             {0, sched::Send{PeerId{1}, Welcome{}}},
             {0, sched::Send{PeerId{1}, WorkerWelcome()}},
             {0, sched::Send{PeerId{1}, Answer{}}},
             {1, sched::Send{PeerId{1}, Answer{}}}});
  std::vector<std::size_t> kinds;
  const auto note = [&kinds](const sched::Action& action) {
    if (const auto* broadcast = std::get_if<sched::Broadcast>(&action.body))
      kinds.push_back(broadcast->message.index());
    if (const auto* send = std::get_if<sched::Send>(&action.body)) kinds.push_back(send->message.index());
  };
  queue.Release(note);
  const auto index = [](const Message& message) { return message.index(); };
  EXPECT_THAT(kinds, ElementsAre(index(Beacon{}), index(Pong{}), index(Ping{}), index(Welcome{}), index(Answer{})));
  EXPECT_FALSE(queue.empty());
  kinds.clear();
  queue.SetDurable(1);
  queue.Release(note);
  EXPECT_THAT(kinds, ElementsAre(index(Changed{}), index(Recorded{}), index(Welcome{}), index(Answer{})));
  EXPECT_TRUE(queue.empty());
}

// What still comes over a connection that was replaced must not be heard: the worker would seem to have gone back to
// it.
TEST(ReleaseQueueTest, AConnectionThatWasReplacedIsClosedAtOnce) {
  ReleaseQueue queue;
  queue.Add({Say("waits", 1), {0, sched::Disconnect{PeerId{1}}}});
  std::size_t closed = 0;
  queue.Release([&closed](const sched::Action& action) {
    closed += std::holds_alternative<sched::Disconnect>(action.body) ? 1 : 0;
  });
  EXPECT_EQ(closed, 1u);
  EXPECT_EQ(queue.size(), 1u);
}

sched::Action OrderTo(std::uint64_t peer, std::uint64_t session, std::uint64_t number) {
  return {1, sched::Send{PeerId{peer}, Cancel{.session = {session}, .number = number, .attempts = {}}}};
}

// Orders are said again while nobody answers, and nobody can while they wait here: a disk that is full for hours must
// not fill the memory.
TEST(ReleaseQueueTest, AnOrderWaitsOnlyOnceOnEachConnection) {
  ReleaseQueue queue;
  for (int again = 0; again < 100; ++again) {
    queue.Add({OrderTo(1, 1, 1), OrderTo(1, 1, 2), OrderTo(2, 1, 2), OrderTo(1, 2, 1)});
  }
  EXPECT_EQ(queue.size(), 4u);
  queue.SetDurable(1);
  std::size_t left = 0;
  queue.Release([&left](const sched::Action&) { ++left; });
  EXPECT_EQ(left, 4u);
  queue.Add({OrderTo(1, 1, 1)});
  EXPECT_EQ(queue.size(), 1u) << "what has left may be said again";
}

TEST(ReleaseQueueTest, ARecordThatBecomesDurableInTheMiddleLetsTheRestGo) {
  ReleaseQueue queue;
  queue.Add({Say("a", 1), Say("b", 2), Say("c", 3), Say("d", 4)});
  queue.SetDurable(1);
  std::vector<std::string> texts;
  queue.Release([&](const sched::Action& action) {
    texts.push_back(TextOfNote(action));
    if (texts.size() == 1) queue.SetDurable(3);
  });
  EXPECT_THAT(texts, ElementsAre("a", "b", "c"));
  queue.SetDurable(4);
  EXPECT_THAT(Released(queue), ElementsAre("d"));
}

TEST(ReleaseQueueTest, WhatIsAddedWhilePerformingComesLast) {
  ReleaseQueue queue;
  queue.Add({Say("a"), Say("b")});
  std::vector<std::string> texts;
  queue.Release([&](const sched::Action& action) {
    texts.push_back(TextOfNote(action));
    if (texts.size() == 1) queue.Add({Say("c"), Say("d", 1)});
  });
  EXPECT_THAT(texts, ElementsAre("a", "b", "c"));
  EXPECT_FALSE(queue.empty());
}

// Actions, records and commits in any order: what has left is always a prefix of what was added, all of it rests on
// durable records, and what stands first in the queue does not.
TEST(ReleaseQueueTest, HoldsForAnySequence) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    ReleaseQueue queue;
    std::vector<JournalPosition> added;
    std::size_t left = 0;
    JournalPosition appended = 0;
    JournalPosition durable = 0;
    for (int step = 0; step < 200; ++step) {
      switch (random.Below(4)) {
        case 0: appended = queue.Advance(1); break;
        case 1: {
          const JournalPosition after = random.Below(2) == 0 ? 0 : appended;
          queue.Add({Say(std::to_string(added.size()), after)});
          added.push_back(after);
          break;
        }
        case 2: queue.SetDurable(durable += random.Below(appended - durable + 1)); break;
        default:
          queue.Release([&](const sched::Action& action) {
            ASSERT_EQ(TextOfNote(action), std::to_string(left)) << "seed " << seed;
            ASSERT_LE(action.after, durable) << "seed " << seed;
            ++left;
          });
          ASSERT_EQ(queue.empty(), left == added.size()) << "seed " << seed;
          if (left < added.size()) {
            ASSERT_GT(added[left], durable) << "seed " << seed;
          }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::serve
