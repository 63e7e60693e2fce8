// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/store_thread.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/serve/artifact_blobs.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/disk_thread.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/frame.h"

namespace millrace::serve {
namespace {

// What a task says of artifacts: a part of its key.
struct Rules {
  std::vector<Produce> produces;
  std::vector<Consume> consumes;
};
// What the cache holds of a task that makes some.
struct WithArtifacts {
  Payload result;
  ArtifactTree artifacts;
};

}  // namespace

StoreThread::StoreThread(std::optional<store::ResultCache> cache, std::optional<store::BlobStore> blobs,
                         std::uint64_t max_payload, net::Mailbox<StoreAnswer>& answers)
    : cache_(std::move(cache)), blobs_(std::move(blobs)), max_payload_(max_payload), answers_(answers), thread_([this] {
        Run();
      }) {}

StoreThread::~StoreThread() {
  jobs_.Push(Stop{});
  thread_.join();
}

void StoreThread::Run() {
  std::vector<Job> jobs;
  while (true) {
    AwaitJobs(jobs_, kNever, jobs);
    for (Job& job : jobs) {
      if (std::holds_alternative<Stop>(job)) return;
      std::visit(
          [this](auto& work) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(work)>, Stop>) Do(std::move(work));
          },
          job);
    }
  }
}

void StoreThread::Do(sched::Recall recall) {
  sched::Recalled answer;
  answer.task = recall.task;
  answer.key = store::CacheKey(recall.module, recall.inputs.view(), recall.env, recall.data);
  if (!recall.produces.empty() || !recall.consumes.empty()) {
    const std::string rules = wire::Encode<wire::Layout::kPositional>(Rules{recall.produces, recall.consumes});
    answer.key = Sha256(absl::StrCat(Av(answer.key.view()), rules));
  }
  if (cache_) {
    auto found = cache_->Look(answer.key);
    if (!found.ok()) {
      log::Warning("cache: %s; the task runs as if nothing were remembered", TextOf(found.status()));
    } else {
      answer.result = *std::move(found);
    }
  }
  // One that makes artifacts is remembered together with them, and is as good as all of their blobs.
  if (answer.result && !recall.produces.empty()) TakeArtifacts(answer);
  // An entry by digest is as good as its blob.
  if (answer.result && answer.result->digest && !(blobs_ && blobs_->Has(*answer.result->digest))) answer.result.reset();
  answers_.Push({std::move(answer)});
}

void StoreThread::TakeArtifacts(sched::Recalled& answer) const {
  auto both = wire::Decode<WithArtifacts, wire::Layout::kPositional>(answer.result->bytes);
  answer.result.reset();
  if (!both.ok() || !blobs_ || !HasAll(*blobs_, both->artifacts)) return;
  answer.result = std::move(both->result);
  answer.artifacts = both->artifacts;
}

void StoreThread::Do(sched::Remember remember) {
  if (!cache_) return;
  if (remember.artifacts) {
    const Bytes both(wire::Encode<wire::Layout::kPositional>(WithArtifacts{remember.result, *remember.artifacts}));
    remember.result = {.bytes = both, .digest = {}, .size = both.size()};
  }
  const absl::Status status = cache_->Remember(remember.key, remember.task, remember.result, UnixMs());
  if (!status.ok()) log::Warning("cache: cannot remember %s: %s", remember.task, TextOf(status));
}

void StoreThread::Do(LoadSubmission submission) {
  const auto refuse = [&](const absl::Status& status) {
    Answer answer;
    answer.request = submission.submit.request;
    answer.code = static_cast<std::int32_t>(status.code());
    answer.message = TextOf(status);
    answers_.Push({sched::Send{submission.peer, std::move(answer)}});
  };
  const Digest digest = *submission.submit.job_digest;
  const auto bytes = blobs_ ? blobs_->Get(digest) : FailedPrecondition("this broker has no blob store");
  if (!bytes.ok()) return refuse(Annotate(bytes.status(), "the submitted job is not on the bulk plane"));
  auto job = wire::DecodeJob(*bytes);
  if (!job.ok()) return refuse(Annotate(job.status(), "the submitted job"));
  auto prepared = sched::PrepareJob(*std::move(job), max_payload_);
  if (!prepared.ok()) return refuse(prepared.status());
  answers_.Push({sched::Heard{.peer = submission.peer,
                              .message = std::move(submission.submit),
                              .on_heartbeat_channel = false,
                              .caller = nullptr,
                              .prepared = std::make_shared<const sched::PreparedJob>(*std::move(prepared))}});
}

}  // namespace millrace::serve
