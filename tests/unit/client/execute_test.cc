// SPDX-License-Identifier: Apache-2.0
// A job, its end and its result in one call: what is asked for, and what is asked again when it did not come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_broker.h"
#include "millrace/model/watch.h"
#include "millrace/wire/lz4.h"

namespace millrace::client {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr RunId kRun{77};

JobSpec OneTask() {
  JobSpec job;
  job.name = "one";
  job.tasks.emplace_back().name = "t";
  return job;
}

Payload Packed(std::string_view text) {
  Payload payload;
  payload.bytes = wire::PackPayload(Bytes(std::string(text)), wire::Compression::kOff);
  payload.size = payload.bytes.size();
  return payload;
}

class ExecuteTest : public testing::Test {
 protected:
  void Ended(Answer answer, RunState state = RunState::kSucceeded) {
    answer.run = kRun;
    RunView& view = answer.runs.emplace_back();
    view.run = kRun;
    view.state = state;
    view.tasks = 1;
    broker.Tell(std::move(answer));
  }
  void Accepted(std::uint64_t request) {
    Answer answer = AnswerTo(request);
    answer.run = kRun;
    broker.Tell(std::move(answer));
  }
  absl::StatusOr<Executed> Execute(JobSpec job = OneTask()) {
    Client client(broker.Link(), blobs, Patient());
    return client.Execute(std::move(job), 1000, kNever);
  }
  FakeBroker broker;
  FakeBlobs blobs;
};

TEST_F(ExecuteTest, OneMessageThereAndOneBack) {
  broker.On<Submit>([this](const Submit& submit) {
    EXPECT_TRUE(submit.watch);
    Answer answer = AnswerTo(submit.request);
    answer.result = Packed("result");
    Ended(std::move(answer));
  });
  const auto executed = Execute();
  ASSERT_TRUE(executed.ok()) << executed.status();
  EXPECT_EQ(executed->run.state, RunState::kSucceeded);
  EXPECT_EQ(executed->result, Bytes("result"));
  EXPECT_THAT(broker.Heard<Query>(), IsEmpty());
}

TEST_F(ExecuteTest, TheAcceptanceMayComeBefore) {
  broker.On<Submit>([this](const Submit& submit) {
    Accepted(submit.request);
    Answer answer = AnswerTo(submit.request);
    answer.result = Packed("result");
    Ended(std::move(answer));
  });
  const auto executed = Execute();
  ASSERT_TRUE(executed.ok()) << executed.status();
  EXPECT_EQ(executed->result, Bytes("result"));
  EXPECT_THAT(broker.Heard<Query>(), IsEmpty());
}

TEST_F(ExecuteTest, AResultThatWasTooLargeToComeIsAskedFor) {
  broker.on_message = [this](const Message& message) {
    if (const auto* submit = std::get_if<Submit>(&message)) {
      Answer answer = AnswerTo(submit->request);
      answer.result.size = 7;  // and no bytes
      Ended(std::move(answer));
    } else if (const auto* query = std::get_if<Query>(&message)) {
      EXPECT_EQ(query->kind, QueryKind::kResult);
      EXPECT_EQ(query->task, "t");
      Answer answer = AnswerTo(query->request);
      answer.result = Packed("result");
      broker.Tell(std::move(answer));
    }
  };
  const auto executed = Execute();
  ASSERT_TRUE(executed.ok()) << executed.status();
  EXPECT_EQ(executed->result, Bytes("result"));
}

TEST_F(ExecuteTest, OfARunThatFailedNoResultIsAskedFor) {
  broker.On<Submit>([this](const Submit& submit) { Ended(AnswerTo(submit.request), RunState::kFailed); });
  const auto executed = Execute();
  ASSERT_TRUE(executed.ok()) << executed.status();
  EXPECT_EQ(executed->run.state, RunState::kFailed);
  EXPECT_TRUE(executed->result.empty());
  EXPECT_THAT(broker.Heard<Query>(), IsEmpty());
}

TEST_F(ExecuteTest, OnANewConnectionTheEndIsAskedForAgain) {
  broker.on_message = [this](const Message& message) {
    if (const auto* submit = std::get_if<Submit>(&message)) {
      Accepted(submit->request);
      broker.Say({net::LinkDown{"cut", false}, net::LinkUp{}});
    } else if (const auto* query = std::get_if<Query>(&message)) {
      Answer answer = AnswerTo(query->request);
      if (query->kind == QueryKind::kResult) {
        answer.result = Packed("result");
        broker.Tell(std::move(answer));
      } else {
        Ended(std::move(answer));
      }
    }
  };
  const auto executed = Execute();
  ASSERT_TRUE(executed.ok()) << executed.status();
  EXPECT_EQ(executed->run.state, RunState::kSucceeded);
  EXPECT_EQ(executed->result, Bytes("result"));
  EXPECT_THAT(broker.Heard<Submit>(), SizeIs(1));
}

TEST_F(ExecuteTest, ARefusalIsItsError) {
  broker.On<Submit>([this](const Submit& submit) {
    Answer answer = AnswerTo(submit.request);
    answer.code = static_cast<std::int32_t>(absl::StatusCode::kInvalidArgument);
    answer.message = "no";
    broker.Tell(std::move(answer));
  });
  EXPECT_EQ(Execute().status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::client
