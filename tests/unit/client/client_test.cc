// SPDX-License-Identifier: Apache-2.0
// Questions, submissions and results, against a broker that may lose, double and refuse.
#include "millrace/client/client.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_broker.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/random.h"
#include "millrace/wire/frame.h"
#include "millrace/wire/lz4.h"

namespace millrace::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Clock = std::chrono::steady_clock;

Query About(QueryKind kind, std::string task = {}) {
  Query query;
  query.kind = kind;
  query.task = std::move(task);
  return query;
}
JobSpec SmallJob() {
  JobSpec job;
  job.name = "release";
  job.tasks.emplace_back().name = "build";
  return job;
}
// Of inputs that compression makes no smaller.
JobSpec LargeJob() {
  JobSpec job = SmallJob();
  Random random(1);
  std::string inputs("\x81\xa1i\xc6");
  while (inputs.size() <= net::kSubmissionInlineLimit) inputs.push_back(static_cast<char>(random.Next()));
  job.tasks.front().inputs = Bytes(std::move(inputs));
  return job;
}

TEST(ClientTest, SaysHelloBeforeItAsks) {
  FakeBroker broker;
  FakeBlobs blobs;
  broker.On<Query>([&](const Query& query) { broker.Tell(AnswerTo(query.request)); });
  Client client(broker.Link(), blobs, Patient());
  ASSERT_TRUE(client.Ask(About(QueryKind::kRuns)).ok());
  ASSERT_THAT(broker.heard, SizeIs(2));
  const auto& hello = std::get<Hello>(broker.heard[0]);
  EXPECT_EQ(hello.role, Role::kClient);
  EXPECT_EQ(hello.pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(hello.version, "1.2.3");
  EXPECT_EQ(std::get<Query>(broker.heard[1]).kind, QueryKind::kRuns);
}

TEST(ClientTest, AQuestionWithoutAnAnswerIsAskedAgain) {
  FakeBroker broker;
  FakeBlobs blobs;
  int asked = 0;
  broker.On<Query>([&](const Query& query) {
    if (++asked == 3) broker.Tell(AnswerTo(query.request));
  });
  ClientOptions options = Patient();
  options.ask_again = kSoon;
  Client client(broker.Link(), blobs, options);
  const auto start = Clock::now();
  ASSERT_TRUE(client.Ask(About(QueryKind::kWhy, "build")).ok());
  EXPECT_GE(Clock::now() - start, 2 * kSoon);
  const std::vector<Query> queries = broker.Heard<Query>();
  ASSERT_THAT(queries, SizeIs(3));
  EXPECT_EQ(queries[0], queries[2]);
}

TEST(ClientTest, AQuestionIsAskedAgainOnANewConnectionHoweverShortTheOldOneWasAway) {
  const std::vector<std::vector<FakeBroker::Batch>> stories = {
      {{net::LinkDown{"lost"}}, {net::LinkUp{}}},
      {{net::LinkDown{"lost"}, net::LinkUp{}}},
      {{net::LinkUp{}}},  // the end of the old one was not even seen
  };
  for (const auto& story : stories) {
    FakeBroker broker;
    FakeBlobs blobs;
    int asked = 0;
    broker.On<Query>([&](const Query& query) {
      if (++asked == 2) return broker.Tell(AnswerTo(query.request));
      for (const FakeBroker::Batch& batch : story) broker.Say(batch);
    });
    ClientOptions options = Patient();
    options.patience = std::chrono::seconds(20);
    Client client(broker.Link(), blobs, options);
    const auto answer = client.Ask({});
    EXPECT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(broker.Heard<Query>(), SizeIs(2));
    EXPECT_THAT(broker.Heard<Hello>(), SizeIs(2));
    EXPECT_TRUE(std::holds_alternative<Hello>(broker.heard[2]));
  }
}

TEST(ClientTest, NothingIsAskedWhileTheConnectionIsDown) {
  FakeBroker broker(false);
  FakeBlobs blobs;
  ClientOptions options = Patient();
  options.patience = 3 * kSoon;
  options.ask_again = std::chrono::milliseconds(1);
  Client client(broker.Link(), blobs, options);
  EXPECT_EQ(client.Ask({}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(broker.heard, IsEmpty());
}

TEST(ClientTest, AnswersToOtherQuestionsAreIgnored) {
  FakeBroker broker;
  FakeBlobs blobs;
  ClientOptions options = Patient();
  options.patience = kSoon;
  Client client(broker.Link(), blobs, options);
  std::uint64_t given_up = 0;
  broker.On<Query>([&](const Query& query) { given_up = query.request; });
  EXPECT_EQ(client.Ask({}).status().code(), absl::StatusCode::kUnavailable);
  broker.On<Query>([&](const Query& query) {
    EXPECT_NE(query.request, given_up);
    Answer late = AnswerTo(given_up);
    late.message = "late";
    late.code = static_cast<std::int32_t>(absl::StatusCode::kNotFound);
    Answer right = AnswerTo(query.request);
    right.message = "right";
    broker.Say({net::LinkHeard{late}, net::LinkHeard{AnswerTo(query.request + 1)}, net::LinkHeard{right}});
  });
  const auto answer = client.Ask({});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->message, "right");
}

TEST(ClientTest, TheBrokersErrorIsTheStatus) {
  FakeBroker broker;
  FakeBlobs blobs;
  Client client(broker.Link(), blobs, Patient());
  for (const auto& [code, expected] :
       {std::pair{5, absl::StatusCode::kNotFound}, std::pair{3, absl::StatusCode::kInvalidArgument},
        std::pair{12345, absl::StatusCode::kUnknown}, std::pair{-1, absl::StatusCode::kUnknown}}) {
    broker.On<Command>([&, code = code](const Command& command) {
      Answer answer = AnswerTo(command.request);
      answer.code = code;
      answer.message = "no such worker: w7";
      broker.Tell(std::move(answer));
    });
    Command drain;
    drain.kind = CommandKind::kDrainWorker;
    drain.target = "w7";
    const absl::Status status = client.Tell(drain).status();
    EXPECT_EQ(broker.Heard<Command>().back().target, "w7");
    EXPECT_EQ(status.code(), expected);
    EXPECT_EQ(status.message(), "no such worker: w7");
  }
}

TEST(ClientTest, ARefusalEndsTheQuestionWithItsReasonUnlessItPasses) {
  FakeBroker broker;
  FakeBlobs blobs;
  Client client(broker.Link(), blobs, Patient());
  broker.On<Query>([&](const Query&) {
    broker.Tell(Refused{RefusalCode::kVersion, "protocol 9 is wanted, 1 to 2 are spoken", false});
  });
  const absl::Status refused = client.Ask({}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused), HasSubstr("protocol 9 is wanted, 1 to 2 are spoken"));
  broker.On<Query>([&](const Query& query) {
    broker.Tell(Refused{RefusalCode::kUnknownSession, "who are you?", true});
    broker.Tell(AnswerTo(query.request));
  });
  EXPECT_TRUE(client.Ask({}).ok());
}

TEST(ClientTest, WithoutABrokerItIsUnavailableAfterThePatienceAndSaysWhy) {
  FakeBroker broker(false);
  FakeBlobs blobs;
  ClientOptions options = Patient();
  options.patience = 3 * kSoon;
  Client client(broker.Link(), blobs, options);
  auto start = Clock::now();
  EXPECT_THAT(TextOf(client.Ask({}).status()), HasSubstr("no broker answered within 60ms; is it running"));
  EXPECT_GE(Clock::now() - start, options.patience);
  broker.Say({net::LinkDown{"the first reason"}, net::LinkDown{"the last reason"}});
  const absl::Status status = client.Submit(SmallJob()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(status),
              AllOf(HasSubstr("no broker answered within 60ms: the last reason"), testing::Not(HasSubstr("first"))));
  broker.Say({net::LinkUp{}});
  EXPECT_THAT(TextOf(client.Ask({}).status()), HasSubstr("the broker did not answer within 60ms"));
}

TEST(ClientTest, AnInterruptCancelsOneCall) {
  FakeBroker broker;
  FakeBlobs blobs;
  Client client(broker.Link(), blobs, Patient());
  std::thread other;
  broker.On<Query>([&](const Query&) { other = std::thread([&] { client.Interrupt(); }); });
  EXPECT_EQ(client.Ask({}).status().code(), absl::StatusCode::kCancelled);
  other.join();
  broker.On<Query>([&](const Query& query) { broker.Tell(AnswerTo(query.request)); });
  EXPECT_TRUE(client.Ask({}).ok());
}

TEST(ClientTest, TheEndLeavesTimeForTheLastWord) {
  FakeBroker broker;
  FakeBlobs blobs;
  { const Client client(broker.Link(), blobs, Patient()); }
  EXPECT_EQ(broker.closed, 1);
}

TEST(SubmitTest, EveryRepetitionOfOneSubmissionHasItsToken) {
  FakeBroker broker;
  FakeBlobs blobs;
  int said = 0;
  broker.On<Submit>([&](const Submit& submit) {
    if (++said < 4) return broker.Say({net::LinkDown{"lost"}, net::LinkUp{}});
    Answer answer = AnswerTo(submit.request);
    answer.run = RunId{77};
    answer.lines = {"no known worker can run build"};
    broker.Tell(std::move(answer));
  });
  Client client(broker.Link(), blobs, Patient());
  const auto submitted = client.Submit(SmallJob());
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  EXPECT_EQ(submitted->run, RunId{77});
  EXPECT_THAT(submitted->warnings, ElementsAre("no known worker can run build"));
  const std::vector<Submit> submits = broker.Heard<Submit>();
  ASSERT_THAT(submits, SizeIs(4));
  for (const Submit& submit : submits) EXPECT_EQ(submit, submits.front());
  EXPECT_EQ(submits.front().job, SmallJob());
  EXPECT_NE(submits.front().token, 0U);
  ASSERT_TRUE(client.Submit(SmallJob()).ok());
  EXPECT_NE(broker.Heard<Submit>().back().token, submits.front().token);
  EXPECT_NE(broker.Heard<Submit>().back().request, submits.front().request);
}

TEST(SubmitTest, ALargeOneGoesToTheBlobsFirstOnceTheirAddressIsKnown) {
  FakeBroker broker;
  FakeBlobs blobs;
  Planes planes;
  planes.bulk = "tcp://127.0.0.1:8083";
  broker.on_message = [&](const Message& message) {
    if (std::holds_alternative<Hello>(message)) {
      Welcome welcome;
      welcome.planes = planes;
      broker.Tell(std::move(welcome));
    } else if (const auto* query = std::get_if<Query>(&message)) {
      EXPECT_THAT(blobs.kept, IsEmpty());
      broker.Tell(AnswerTo(query->request));
    } else if (const auto* submit = std::get_if<Submit>(&message)) {
      EXPECT_EQ(blobs.planes, planes);
      EXPECT_THAT(blobs.kept, SizeIs(1));
      broker.Tell(AnswerTo(submit->request));
    }
  };
  Client client(broker.Link(), blobs, Patient());
  const auto submitted = client.Submit(LargeJob());
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  const std::vector<Submit> submits = broker.Heard<Submit>();
  ASSERT_THAT(submits, SizeIs(1));
  EXPECT_EQ(submits[0].job, JobSpec());
  const std::string encoded = wire::EncodeJob(LargeJob());
  ASSERT_EQ(submits[0].job_digest, Sha256(encoded));
  EXPECT_TRUE(blobs.kept.at(*submits[0].job_digest).view() == encoded);
}

TEST(SubmitTest, A34_InputsAreCompressedWhereThatHelpsAndIsWanted) {
  JobSpec job = SmallJob();
  job.tasks.front().inputs = Bytes("\x81\xa1i\xdb" + std::string(5000, 'i'));
  for (const bool compression : {true, false}) {
    FakeBroker broker;
    FakeBlobs blobs;
    broker.On<Submit>([&](const Submit& submit) { broker.Tell(AnswerTo(submit.request)); });
    ClientOptions options = Patient();
    options.compression = compression;
    Client client(broker.Link(), blobs, options);
    ASSERT_TRUE(client.Submit(job).ok());
    const Bytes sent = broker.Heard<Submit>().at(0).job.tasks.front().inputs;
    EXPECT_EQ(sent.size() < 200, compression);
    EXPECT_EQ(wire::UnpackInputs(sent, 10'000).value(), job.tasks.front().inputs);
  }
}

TEST(SubmitTest, ALargeOneThatCannotBeHandedOverIsNotSubmitted) {
  FakeBroker broker;
  FakeBlobs blobs;
  blobs.store_status = Unavailable("the disk is full");
  broker.On<Query>([&](const Query& query) { broker.Tell(AnswerTo(query.request)); });
  Client client(broker.Link(), blobs, Patient());
  const absl::Status status = client.Submit(LargeJob()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(TextOf(status), AllOf(HasSubstr("handing over the pipeline"), HasSubstr("the disk is full")));
  EXPECT_THAT(broker.Heard<Submit>(), IsEmpty());
}

TEST(SubmitTest, WhereNoWireIsInBetweenALargeOneStaysInTheMessage) {
  FakeBroker broker;
  FakeBlobs blobs;
  blobs.inlines = true;
  broker.On<Submit>([&](const Submit& submit) { broker.Tell(AnswerTo(submit.request)); });
  Client client(broker.Link(), blobs, Patient());
  ASSERT_TRUE(client.Submit(LargeJob()).ok());
  EXPECT_EQ(broker.Heard<Submit>().at(0).job, LargeJob());
  EXPECT_THAT(broker.Heard<Query>(), IsEmpty());
  EXPECT_THAT(blobs.kept, IsEmpty());
}

// Asks for the result of a task that has this payload.
struct ResultOf {
  FakeBroker broker;
  FakeBlobs blobs;
  absl::StatusOr<Bytes> Get(const Payload& payload, std::uint64_t max_size) {
    broker.On<Query>([&](const Query& query) {
      EXPECT_EQ(query.kind, QueryKind::kResult);
      EXPECT_EQ(query.run, RunId{7});
      EXPECT_EQ(query.task, "build");
      Answer answer = AnswerTo(query.request);
      answer.result = payload;
      broker.Tell(std::move(answer));
    });
    return Client(broker.Link(), blobs, Patient()).Result(RunId{7}, "build", max_size);
  }
};
Payload Packed(const std::string& raw) {
  const Bytes packed = wire::PackPayload(Bytes(raw));
  return {.bytes = packed, .digest = std::nullopt, .size = packed.size()};
}

TEST(ResultTest, ComesUnpackedFromTheAnswerOrByDigest) {
  for (const std::string& raw : {std::string("short"), std::string(100'000, 'x')}) {
    EXPECT_TRUE(ResultOf().Get(Packed(raw), raw.size()).value().view() == raw);
    ResultOf test;
    Payload payload = Packed(raw);
    payload.digest = Sha256(payload.bytes.view());
    test.blobs.kept[*payload.digest] = std::exchange(payload.bytes, {});
    EXPECT_TRUE(test.Get(payload, raw.size()).value().view() == raw);
    EXPECT_THAT(test.blobs.fetched_up_to, ElementsAre(payload.size));
  }
  EXPECT_TRUE(ResultOf().Get({}, 100).value().empty());
}

TEST(ResultTest, A34_OverTheLimitItIsRefusedWithBothSizesAndNotFetched) {
  for (const std::string& raw : {std::string("five!"), std::string(100'000, 'x')}) {
    const absl::Status refused = ResultOf().Get(Packed(raw), raw.size() - 1).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(TextOf(refused),
                AllOf(HasSubstr(std::to_string(raw.size())), HasSubstr(std::to_string(raw.size() - 1))));
  }
  ResultOf test;
  const Payload claimed{.bytes = {}, .digest = Sha256("huge"), .size = std::uint64_t{1} << 40};
  const absl::Status refused = test.Get(claimed, 1000).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr("build"), HasSubstr("1099511627775"), HasSubstr("1000")));
  EXPECT_THAT(test.blobs.fetched_up_to, IsEmpty());
}

TEST(ResultTest, WhatIsGoneOrDamagedIsAnError) {
  EXPECT_EQ(ResultOf().Get({.bytes = {}, .digest = Sha256("gone"), .size = 4}, 1000).status().code(),
            absl::StatusCode::kNotFound);
  for (const std::string_view damaged : {"\x07what?", "\x01shrt",
                                         "\x01\xff\xff\xff\x7f"
                                         "1234"
                                         "x"}) {
    const auto result = ResultOf().Get({.bytes = Bytes::Copy(damaged), .digest = {}, .size = damaged.size()}, 1000);
    EXPECT_FALSE(result.ok());
    EXPECT_FALSE(TextOf(result.status()).empty());
  }
}

}  // namespace
}  // namespace millrace::client
