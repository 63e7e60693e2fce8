// SPDX-License-Identifier: Apache-2.0
// The broker's disk thread: a question is answered exactly once, whatever the disk says.
#include "millrace/serve/store_thread.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/content/tree.h"
#include "millrace/wire/frame.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::HasSubstr;

constexpr PeerId kPeer{5};

Payload Inline(const std::string& text) {
  Payload payload;
  payload.bytes = Bytes::Copy(text);
  payload.size = text.size();
  return payload;
}

sched::Recall Question(const std::string& inputs) {
  sched::Recall recall;
  recall.task = {RunId{1}, 3};
  recall.module = {"build", 7, "1"};
  recall.inputs = Bytes::Copy(inputs);
  return recall;
}

constexpr std::uint64_t kMaxPayload = 1000;

class StoreThreadTest : public testing::Test {
 protected:
  void Start(bool cache = true, bool blobs = true) {
    std::optional<store::ResultCache> opened;
    if (cache) {
      auto file = store::ResultCache::Open(folder_ / "cache.sqlite");
      ASSERT_TRUE(file.ok()) << file.status();
      opened = *std::move(file);
    }
    if (blobs) {
      auto folder = store::BlobStore::Open(folder_ / "blobs");
      ASSERT_TRUE(folder.ok()) << folder.status();
      blobs_ = *std::move(folder);
    }
    store_ = std::make_unique<StoreThread>(std::move(opened), blobs_, kMaxPayload, answers_);
  }
  StoreAnswer NextAnswer() {
    std::vector<StoreAnswer> answers;
    EXPECT_TRUE(Eventually([&] { return answers_.DrainInto(answers) > 0; }));
    EXPECT_EQ(answers.size(), 1u);
    return answers.empty() ? StoreAnswer{} : std::move(answers.front());
  }
  sched::Recalled Recall(const std::string& inputs) {
    store_->Ask(Question(inputs));
    StoreAnswer answer = NextAnswer();
    EXPECT_TRUE(std::holds_alternative<sched::Recalled>(answer.body));
    return std::get<sched::Recalled>(std::move(answer.body));
  }
  void Remember(const Digest& key, Payload result) {
    sched::Remember remember;
    remember.key = key;
    remember.task = "build";
    remember.result = std::move(result);
    store_->Ask(std::move(remember));
  }
  // How a submission by this digest is refused.
  Answer Refusal(const Digest& digest) {
    Submit submit;
    submit.request = 9;
    submit.job_digest = digest;
    store_->Ask(LoadSubmission{kPeer, std::move(submit)});
    StoreAnswer answer = NextAnswer();
    auto* send = std::get_if<sched::Send>(&answer.body);
    if (send == nullptr) {
      ADD_FAILURE() << "it was not refused";
      return {};
    }
    EXPECT_EQ(send->peer, kPeer);
    Answer refusal = std::get<Answer>(send->message);
    EXPECT_EQ(refusal.request, 9u);
    return refusal;
  }

  TemporaryDirectory folder_;
  std::optional<store::BlobStore> blobs_;
  net::Mailbox<StoreAnswer> answers_;
  std::unique_ptr<StoreThread> store_;
};

TEST_F(StoreThreadTest, A38_WhatIsRememberedIsRecalledByTheSameQuestionOnly) {
  Start();
  const sched::Recalled miss = Recall("a");
  EXPECT_EQ(miss.task, (TaskRef{RunId{1}, 3}));
  EXPECT_EQ(miss.result, std::nullopt);
  const Payload result = Inline("the result");
  Remember(miss.key, result);
  EXPECT_EQ(Recall("a").result, result);
  EXPECT_EQ(Recall("b").result, std::nullopt);
}

TEST_F(StoreThreadTest, A38_ArtifactsAreRememberedAndRecalledWhileAllOfThemCanBeHad) {
  Start();
  const content::Tree tree{{{.path = "app", .kind = content::EntryKind::kDirectory},
                            {.path = "app/x", .size = 3, .digest = Sha256("elf")},
                            {.path = "app/y", .size = 0, .digest = Sha256("")}}};
  const std::string manifest = content::EncodeTree(tree);
  const ArtifactTree artifacts{.digest = Sha256(manifest), .size = manifest.size(), .bytes = 3, .files = 2};
  const auto ask = [&](std::vector<Produce> produces) {
    sched::Recall question = Question("a");
    question.produces = std::move(produces);
    store_->Ask(std::move(question));
    return std::get<sched::Recalled>(NextAnswer().body);
  };
  const sched::Recalled miss = ask({{.name = "app", .paths = {"x"}}});
  EXPECT_NE(miss.key, Recall("a").key) << "one that makes nothing is another task";
  store_->Ask(
      sched::Remember{.key = miss.key, .task = "build", .result = Inline("the result"), .artifacts = artifacts});
  EXPECT_EQ(ask({{.name = "app", .paths = {"x"}}}).result, std::nullopt) << "there is nothing of it";
  ASSERT_EQ(blobs_->Put(artifacts.digest, manifest), absl::OkStatus());
  EXPECT_EQ(ask({{.name = "app", .paths = {"x"}}}).result, std::nullopt) << "its file is not there";
  ASSERT_EQ(blobs_->Put(Sha256("elf"), "elf"), absl::OkStatus());
  const sched::Recalled hit = ask({{.name = "app", .paths = {"x"}}});
  EXPECT_EQ(hit.result, Inline("the result"));
  EXPECT_EQ(hit.artifacts, artifacts);
  EXPECT_EQ(ask({{.name = "app", .paths = {"x", "y"}}}).result, std::nullopt) << "it makes something else";
}

TEST_F(StoreThreadTest, WithoutACacheEverythingIsAMissWithItsKey) {
  Start(/*cache=*/false);
  const sched::Recalled miss = Recall("a");
  EXPECT_EQ(miss.result, std::nullopt);
  EXPECT_FALSE(miss.key.empty());
  Remember(miss.key, Inline("x"));
  EXPECT_EQ(Recall("a").result, std::nullopt);
}

TEST_F(StoreThreadTest, AnEntryWhoseBlobHasGoneIsAMiss) {
  Start();
  const Digest digest = Sha256("large");
  const sched::Recalled miss = Recall("a");
  Payload elsewhere;
  elsewhere.digest = digest;
  elsewhere.size = 5;
  Remember(miss.key, elsewhere);
  EXPECT_EQ(Recall("a").result, std::nullopt);
  ASSERT_TRUE(blobs_->Put(digest, "large").ok());
  ASSERT_TRUE(Recall("a").result.has_value());
  EXPECT_EQ(Recall("a").result->digest, digest);
}

TEST_F(StoreThreadTest, WhatWasAskedBeforeTheEndIsDone) {
  Start();
  const Digest key = Recall("a").key;
  for (int i = 0; i < 20; ++i) Remember(key, Inline(std::to_string(i)));
  store_.reset();
  Start();
  ASSERT_TRUE(Recall("a").result.has_value());
  EXPECT_EQ(Recall("a").result->bytes.view(), "19");
}

TEST_F(StoreThreadTest, ASubmissionByDigestComesBackWhole) {
  Start();
  JobSpec job;
  job.name = "release";
  job.modules.push_back({"build", 7, "1"});
  job.requirements.emplace_back();
  job.policies.emplace_back();
  job.tasks.emplace_back().name = "all";
  const std::string encoded = wire::EncodeJob(job);
  ASSERT_TRUE(blobs_->Put(Sha256(encoded), encoded).ok());
  Submit submit;
  submit.request = 9;
  submit.token = 11;
  submit.job_digest = Sha256(encoded);
  store_->Ask(LoadSubmission{kPeer, std::move(submit)});
  const StoreAnswer answer = NextAnswer();
  const auto* heard = std::get_if<sched::Heard>(&answer.body);
  ASSERT_NE(heard, nullptr);
  EXPECT_EQ(heard->peer, kPeer);
  const auto& loaded = std::get<Submit>(heard->message);
  EXPECT_EQ(loaded.token, 11u);
  ASSERT_NE(heard->prepared, nullptr);
  EXPECT_EQ(Unpack(*heard->prepared->job), job);
  EXPECT_EQ(heard->prepared->graph->waves, 1u);
}

TEST_F(StoreThreadTest, A48_ASubmissionThatIsNotThereOrRubbishIsRefusedWithTheReason) {
  Start();
  const Answer missing = Refusal(Sha256("never put"));
  EXPECT_EQ(missing.code, static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_THAT(missing.message, HasSubstr("not on the bulk plane"));
  for (const std::string rubbish : {"", "\xc1", "not a job at all", "\xdd\xff\xff\xff\xff"}) {
    ASSERT_TRUE(blobs_->Put(Sha256(rubbish), rubbish).ok());
    const Answer answer = Refusal(Sha256(rubbish));
    EXPECT_NE(answer.code, 0) << rubbish;
    EXPECT_THAT(answer.message, HasSubstr("the submitted job")) << rubbish;
  }
}

TEST_F(StoreThreadTest, A14_WhatCannotStartIsRefusedHereWithTheWordsOfTheScheduler) {
  Start();
  JobSpec job;
  job.modules.emplace_back();
  job.requirements.emplace_back();
  job.policies.emplace_back();
  for (const char* name : {"one", "other"}) job.tasks.emplace_back().name = name;
  job.tasks[0].needs = {{.task = 1}};
  job.tasks[1].needs = {{.task = 0}};
  const auto refusal = [this](const JobSpec& refused) {
    const std::string encoded = wire::EncodeJob(refused);
    EXPECT_TRUE(blobs_->Put(Sha256(encoded), encoded).ok());
    return Refusal(Sha256(encoded));
  };
  EXPECT_THAT(refusal(job).message, HasSubstr("in a circle: one -> other -> one"));
  job.tasks[1].needs.clear();
  job.tasks[1].inputs = Bytes(std::string(kMaxPayload + 1, 'x'));
  const Answer answer = refusal(job);
  EXPECT_EQ(answer.code, static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(answer.message, HasSubstr("at most 1000 are allowed"));
}

TEST_F(StoreThreadTest, WithoutBlobsASubmissionByDigestIsRefused) {
  Start(/*cache=*/true, /*blobs=*/false);
  const Answer answer = Refusal(Sha256("x"));
  EXPECT_EQ(answer.code, static_cast<int>(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace millrace::serve
