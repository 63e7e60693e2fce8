// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/mover.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"

namespace millrace::serve {
namespace {

constexpr int kTries = 5;  // of moving one payload; between them the link has time to come back
constexpr int kFirstPauseMs = 200;

bool IsElsewhere(const Payload& payload) { return payload.digest.has_value() && payload.bytes.empty(); }

}  // namespace

Mover::Mover(net::BlobAccess& blobs, ArtifactStore store)
    : blobs_(blobs), courier_(std::move(store), blobs, stopping_), thread_([this] { Run(); }) {}

Mover::~Mover() {
  stopping_ = true;
  jobs_.Push(Stop{});
  thread_.join();
}

bool Mover::NeedsFetching(const agent::Start& start) {
  return !start.consumed.empty() || IsElsewhere(start.execute.inputs) ||
         std::any_of(start.execute.needs.begin(), start.execute.needs.end(),
                     [](const SlotDependency& need) { return IsElsewhere(need.result) || IsElsewhere(need.inputs); });
}

bool Mover::NeedsStoring(const agent::SlotSaid& said) {
  const auto* done = std::get_if<SlotDone>(&said.message);
  return done != nullptr && !done->result.digest && done->result.bytes.size() > net::kInlineLimit;
}

void Mover::Run() {
  std::vector<Job> jobs;
  while (true) {
    jobs.clear();
    pollfd item{jobs_.fd(), POLLIN, 0};
    poll(&item, 1, -1);
    jobs_.DrainInto(jobs);
    for (Job& job : jobs) {
      if (stopping_) return;
      if (auto* fetch = std::get_if<ToFetch>(&job)) {
        Do(std::move(*fetch));
      } else if (auto* store = std::get_if<ToStore>(&job)) {
        Do(std::move(*store));
      }
    }
  }
}

void Mover::Do(ToFetch job) {
  agent::Start& start = job.start;
  SlotExecute& execute = start.execute;
  absl::Status status = Fetch(execute.inputs, "the inputs");
  for (SlotDependency& need : execute.needs) {
    if (status.ok()) status = Fetch(need.result, "the result of " + need.name);
    if (status.ok()) status = Fetch(need.inputs, "the inputs of " + need.name);
  }
  bool plain = false;
  if (status.ok() && !start.consumed.empty()) {
    status = courier_.Bring(start.consumed, execute.work_dir, [&] { return job.stage->Place(); });
    plain =
        status.code() == absl::StatusCode::kFailedPrecondition || status.code() == absl::StatusCode::kInvalidArgument;
  }
  done_.Push(Fetched{std::move(start), std::move(status), plain});
}

// Makes the payload inline, wherever it is.
absl::Status Mover::Fetch(Payload& payload, const std::string& what) {
  if (!IsElsewhere(payload)) return absl::OkStatus();
  auto bytes = blobs_.Fetch(*payload.digest, payload.size);
  if (!bytes.ok()) return Annotate(bytes.status(), absl::StrFormat("fetching %s (%d bytes)", what, payload.size));
  payload.bytes = *std::move(bytes);
  payload.digest.reset();
  return absl::OkStatus();
}

void Mover::Do(ToStore job) {
  auto& done = std::get<SlotDone>(job.said.message);
  if (!blobs_.stays_inline() && NeedsStoring(job.said)) StoreResult(done);
  if (done.outcome == Outcome::kSucceeded && !job.making.produces.empty()) StoreArtifacts(done, job.making);
  done_.Push(std::move(job.said));
}

absl::Status Mover::Store(const Digest& digest, const Bytes& bytes) {
  absl::Status status;
  int pause_ms = kFirstPauseMs;
  for (int tried = 0; tried < kTries && !stopping_; ++tried) {
    if (tried > 0) {
      poll(nullptr, 0, pause_ms);
      pause_ms *= 2;
    }
    status = blobs_.Store(digest, bytes);
    if (status.ok()) break;
    log::Warning("storing a result or artifact of %d bytes (try %d of %d): %s", bytes.size(), tried + 1, kTries,
                 TextOf(status));
  }
  return status;
}

void Mover::StoreResult(SlotDone& done) {
  const Digest digest = Sha256(done.result.bytes.view());
  const absl::Status status = Store(digest, done.result.bytes);
  if (status.ok()) {
    done.result.size = done.result.bytes.size();
    done.result.digest = digest;
    done.result.bytes = {};
  } else {
    done.failure = {};
    done.failure.message = absl::StrFormat("the result of %d bytes could not be handed over: %s",
                                           done.result.bytes.size(), TextOf(status));
    done.failure.transient = true;
    done.outcome = Outcome::kFailed;
    done.result = {};
  }
}

void Mover::StoreArtifacts(SlotDone& done, const Making& making) {
  const auto made =
      courier_.HandOver(making, [this](const Digest& digest, const Bytes& bytes) { return Store(digest, bytes); });
  if (made.ok()) {
    done.artifacts = *made;
    return;
  }
  const absl::StatusCode code = made.status().code();
  done.failure = {};
  done.failure.message = TextOf(made.status());
  done.failure.transient = code != absl::StatusCode::kNotFound && code != absl::StatusCode::kFailedPrecondition &&
                           code != absl::StatusCode::kInvalidArgument;
  done.outcome = Outcome::kFailed;
  done.result = {};
}

}  // namespace millrace::serve
