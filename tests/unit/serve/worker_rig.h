// SPDX-License-Identifier: Apache-2.0
// A real worker whose broker is the test: what the worker says is awaited, what it is told is written down here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/api/host.h"
#include "millrace/net/local_link.h"
#include "millrace/serve/worker.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {

class WorkerRig {
 public:
  struct Options {
    std::int64_t cpus = 2;
    bool in_process = true;
    Duration kill_grace = std::chrono::milliseconds(50);
    std::filesystem::path state_dir{};
  };
  explicit WorkerRig(Options options) {
    WorkerOptions worker;
    worker.brain.name = "w1";
    worker.brain.incarnation = Incarnation{7};
    worker.brain.host = "host-a";
    worker.brain.seed = 1;
    worker.brain.offer.cpus = options.cpus;
    worker.brain.offer.modules = TestModules().Offered();
    worker.brain.work_dir = folder_.path().string();
    worker.brain.kill_grace = options.kill_grace;
    worker.registry = &TestModules();
    worker.host_args = {kModuleHostWord};
    worker.in_process = options.in_process;
    worker.state_dir = options.state_dir;
    worker.store = {.folder = folder_ / "store", .limit_bytes = std::uint64_t{1} << 30};
    auto started = Worker::Start(std::move(worker), hub_.Connect(), blobs_);
    EXPECT_TRUE(started.ok()) << started.status();
    worker_ = *std::move(started);
  }
  WorkerRig() : WorkerRig(Options{}) {}

  // The next message of this type; others are taken in passing, and reports always answered.
  template <class M>
  M Await() {
    std::optional<M> found;
    EXPECT_TRUE(Eventually([&] {
      Take();
      for (auto message = said_.begin(); message != said_.end(); ++message) {
        if (auto* body = std::get_if<M>(&*message)) {
          found = std::move(*body);
          said_.erase(message);
          return true;
        }
      }
      return false;
    })) << "no such message, kind "
        << int{M::kKind};
    return found ? *std::move(found) : M{};
  }
  AttemptReport AwaitReport(AttemptId attempt) {
    const auto find = [&]() -> const AttemptReport* {
      Take();
      for (const AttemptReport& report : reports_) {
        if (report.attempt == attempt) return &report;
      }
      return nullptr;
    };
    EXPECT_TRUE(Eventually([&] { return find() != nullptr; })) << "no report of attempt " << attempt.value;
    const AttemptReport* report = find();
    return report == nullptr ? AttemptReport{} : *report;
  }
  bool HasReport(AttemptId attempt) {
    Take();
    for (const AttemptReport& report : reports_) {
      if (report.attempt == attempt) return true;
    }
    return false;
  }

  void Attach() {
    Await<Hello>();
    Greet();
  }
  void Greet() {
    millrace::Welcome welcome;
    welcome.session = kSession;
    welcome.epoch = 1;
    welcome.heartbeat_interval = std::chrono::seconds(5);
    welcome.lease = std::chrono::seconds(30);
    welcome.max_payload = 100u << 20;
    welcome.compression = false;  // sizes are then what they seem
    Say(std::move(welcome));
  }
  // A broker that answers no report.
  void SetDeaf(bool deaf) { deaf_ = deaf; }
  void Say(Message message) { hub_.Send(peer_, std::move(message)); }

  // Of `play`, which ends in the way that `how` says.
  AttemptId AssignPlay(const std::string& how, std::int64_t size = 0, std::int64_t cpus = 1) {
    Assignment task;
    task.inputs.bytes = PlayInputs(how, size);
    task.cpus = cpus;
    return Assign(std::move(task), "play", {});
  }
  // Of `sum`, which takes these results.
  AttemptId AssignSum(std::vector<Datum> data) {
    Assignment task;
    for (const Datum& datum : data) task.needs.push_back({datum.task.index, 0});
    return Assign(std::move(task), "sum", std::move(data));
  }
  // Of `play`, with the artifacts of another task in its work directory.
  AttemptId AssignConsumer(const ArtifactTree& artifacts) {
    Datum datum;
    datum.task = {RunId{1}, 1};
    datum.name = "make";
    datum.module = "play";
    datum.outcome = Outcome::kSucceeded;
    datum.artifacts = artifacts;
    Assignment task;
    task.inputs.bytes = PlayInputs("well", 0);
    task.needs.push_back({1, -1});
    return Assign(std::move(task), "play", {datum}, {{.from = "make"}});
  }
  // A result of `play` that is known by its digest.
  static Datum ElsewhereAt(std::uint32_t index, const Bytes& packed) {
    Datum datum;
    datum.task = {RunId{1}, index};
    datum.name = "play[" + std::to_string(index) + "]";
    datum.module = "play";
    datum.outcome = Outcome::kSucceeded;
    datum.result.digest = Sha256(packed.view());
    datum.result.size = packed.size();
    return datum;
  }
  void CancelAttempt(AttemptId attempt) {
    Cancel cancel;
    cancel.session = kSession;
    cancel.number = ++orders_;
    cancel.attempts = {attempt};
    Say(std::move(cancel));
  }

  std::filesystem::path work_dir() const { return folder_.path(); }
  FakeBlobs& blobs() { return blobs_; }
  Worker& worker() { return *worker_; }
  void DropWorker() { worker_.reset(); }
  net::LocalHub& hub() { return hub_; }

  static constexpr SessionId kSession{EpochQualified(1, 1)};

 private:
  AttemptId Assign(Assignment task, const std::string& module, std::vector<Datum> data,
                   std::vector<Consume> consumes = {}) {
    millrace::Assign assign;
    assign.session = kSession;
    assign.number = ++orders_;
    assign.modules.push_back({module, 0, ""});
    assign.policies.push_back({.timeout = std::chrono::minutes(10)});
    assign.policies.back().consumes = std::move(consumes);
    assign.data = std::move(data);
    task.attempt = AttemptId{EpochQualified(1, ++last_attempt_)};
    task.task = {RunId{1}, 1000 + last_attempt_};
    task.name = module;
    const AttemptId attempt = task.attempt;
    assign.tasks.push_back(std::move(task));
    Say(std::move(assign));
    return attempt;
  }
  void Take() {
    std::vector<net::LocalHub::Item> items;
    hub_.inbox().DrainInto(items);
    for (net::LocalHub::Item& item : items) {
      if (!item.message || item.on_heartbeat_channel) continue;
      peer_ = item.peer;
      if (auto* report = std::get_if<Report>(&*item.message)) {
        Recorded recorded;
        recorded.session = kSession;
        recorded.through = report->first_number + report->reports.size() - 1;
        if (!report->reports.empty() && !deaf_) Say(std::move(recorded));
        for (AttemptReport& one : report->reports) reports_.push_back(std::move(one));
      } else {
        said_.push_back(*std::move(item.message));
      }
    }
  }

  TemporaryDirectory folder_;
  FakeBlobs blobs_;
  net::LocalHub hub_;
  PeerId peer_;
  std::uint64_t orders_ = 0;
  bool deaf_ = false;
  std::uint32_t last_attempt_ = 0;
  std::vector<Message> said_;
  std::vector<AttemptReport> reports_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace millrace::serve
