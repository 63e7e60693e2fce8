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

Mover::Mover(net::BlobAccess& blobs) : blobs_(blobs), thread_([this] { Run(); }) {}

Mover::~Mover() {
  stopping_ = true;
  jobs_.Push(Stop{});
  thread_.join();
}

bool Mover::NeedsFetching(const agent::Start& start) {
  return IsElsewhere(start.execute.inputs) ||
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
      if (auto* start = std::get_if<agent::Start>(&job)) {
        Do(std::move(*start));
      } else if (auto* said = std::get_if<agent::SlotSaid>(&job)) {
        Do(std::move(*said));
      }
    }
  }
}

void Mover::Do(agent::Start start) {
  SlotExecute& execute = start.execute;
  absl::Status status = Fetch(execute.inputs, "the inputs");
  for (SlotDependency& need : execute.needs) {
    if (status.ok()) status = Fetch(need.result, "the result of " + need.name);
    if (status.ok()) status = Fetch(need.inputs, "the inputs of " + need.name);
  }
  done_.Push(Fetched{std::move(start), std::move(status)});
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

void Mover::Do(agent::SlotSaid said) {
  auto& done = std::get<SlotDone>(said.message);
  const Digest digest = Sha256(done.result.bytes.view());
  absl::Status status;
  int pause_ms = kFirstPauseMs;
  for (int tried = 0; tried < kTries && !stopping_; ++tried) {
    if (tried > 0) {
      poll(nullptr, 0, pause_ms);
      pause_ms *= 2;
    }
    status = blobs_.Store(digest, done.result.bytes);
    if (status.ok()) break;
    log::Warning("storing a result of %d bytes (try %d of %d): %s", done.result.bytes.size(), tried + 1, kTries,
                 TextOf(status));
  }
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
  done_.Push(std::move(said));
}

}  // namespace millrace::serve
