// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/cluster.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "millrace/api/host.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/net/bulk_client.h"
#include "millrace/net/remote_link.h"
#include "millrace/serve/process_watch.h"

namespace millrace::testing {
namespace {

template <class T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(TextOf(value.status()));
  return *std::move(value);
}

std::filesystem::path MakeScratch() {
  std::string name = (std::filesystem::temp_directory_path() / "millrace-conformance.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  return name;
}

}  // namespace

void WaitFor(const std::string& what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << "waited a minute for: " << what;
      throw std::runtime_error(what);
    }
    poll(nullptr, 0, 5);  // between looks at the condition
  }
}

const TaskView& Ran::task(const std::string& name) const {
  for (const TaskView& view : tasks) {
    if (view.name == name) return view;
  }
  ADD_FAILURE() << "no task " << name;
  throw std::runtime_error("no task " + name);
}

Cluster::Cluster(const ClusterOptions& options, const Registry& registry)
    : options_(options), registry_(registry), scratch_(MakeScratch()) {
  serve::BrokerOptions broker;
  broker.brain = options.brain;
  broker.cache = options.cache;
  broker.data_dir = scratch_ / "data";
  if (options.mode == Mode::kDistributed) {
    broker.network.emplace();
    broker.network->port = 0;
  }
  broker_ = Must(serve::Broker::Start(&context_, std::move(broker)));
  for (int i = 0; i < workers(); ++i) AddWorker({}, "w" + std::to_string(i + 1));
  client_ = MakeClient();
  WaitForWorkers(static_cast<std::size_t>(workers()));
}

Cluster::~Cluster() {
  client_.reset();
  workers_.clear();
  broker_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(scratch_, ignored);
}

serve::Worker& Cluster::AddWorker(Offer offer, std::string name, bool local) {
  serve::WorkerOptions worker;
  worker.brain = options_.agent;
  worker.brain.name = std::move(name);
  worker.brain.incarnation = Incarnation{EntropyFromSystem()};
  worker.brain.host = serve::HostName();
  worker.brain.pid = static_cast<std::uint32_t>(getpid());
  worker.brain.seed = EntropyFromSystem();
  worker.brain.work_dir = scratch_.string();
  worker.brain.offer = std::move(offer);
  worker.brain.offer.os = "linux";
  worker.brain.offer.arch = "x86_64";
  worker.brain.offer.cpus = options_.slots;
  worker.brain.offer.modules = registry_.Offered();
  worker.registry = &registry_;
  worker.host_args = {kModuleHostWord};
  worker.in_process = options_.in_process;
  if (local || options_.mode == Mode::kStandalone) {
    worker.brain.local = true;
    workers_.push_back(Must(serve::Worker::Start(std::move(worker), broker_->ConnectLocal(), broker_->local_blobs())));
    return *workers_.back();
  }
  blobs_.push_back(std::make_unique<net::BulkClient>(context_, Control()));
  workers_.push_back(Must(serve::Worker::Start(std::move(worker), Connect(), *blobs_.back())));
  return *workers_.back();
}

net::Endpoint Cluster::Control() const { return Must(net::ParseEndpoint(broker_->control_endpoint())); }

std::unique_ptr<net::Link> Cluster::Connect() {
  if (options_.mode == Mode::kStandalone) return broker_->ConnectLocal();
  return Must(net::ConnectRemote(context_, Control()));
}

std::unique_ptr<client::Client> Cluster::MakeClient() {
  client::ClientOptions client;
  client.version = "test";
  if (options_.mode == Mode::kStandalone) {
    return std::make_unique<client::Client>(Connect(), broker_->local_blobs(), client);
  }
  blobs_.push_back(std::make_unique<net::BulkClient>(context_, Control()));
  return std::make_unique<client::Client>(Connect(), *blobs_.back(), client);
}

void Cluster::WaitForWorkers(std::size_t count) {
  WaitFor(std::to_string(count) + " workers", [&] {
    Query query;
    query.kind = QueryKind::kWorkers;
    const auto answer = client_->Ask(query);
    std::size_t live = 0;
    if (!answer.ok()) return false;
    for (const WorkerView& worker : answer->workers) live += worker.state != WorkerState::kLost ? 1 : 0;
    return live >= count;
  });
}

client::Submitted Cluster::Submit(JobSpec job) { return Must(client_->Submit(std::move(job))); }
client::Submitted Cluster::Submit(const Pipeline& pipeline) { return Submit(Must(pipeline.ToJob())); }

void Cluster::Cancel(RunId run) {
  Command cancel;
  cancel.kind = CommandKind::kCancelRun;
  cancel.run = run;
  Must(client_->Tell(cancel));
}

Ran Cluster::Follow(RunId run) {
  Ran ran;
  ran.id = run;
  std::map<std::uint32_t, TaskView> tasks;
  WaitFor("the end of run " + RunName(run), [&] { return HasEnded(RunOf(run).state); });
  ran.run = Must(client_->Watch(
      run,
      [&](const RunView&, std::span<const TaskView> changed) {
        for (const TaskView& task : changed) tasks[task.index] = task;
      },
      std::chrono::minutes(1)));
  for (auto& [index, task] : tasks) ran.tasks.push_back(std::move(task));
  return ran;
}

Ran Cluster::Run(JobSpec job) {
  client::Submitted submitted = Submit(std::move(job));
  Ran ran = Follow(submitted.run);
  ran.warnings = std::move(submitted.warnings);
  return ran;
}

Ran Cluster::Run(const Pipeline& pipeline) { return Run(Must(pipeline.ToJob())); }

Answer Cluster::Ask(QueryKind kind, RunId run, const std::string& task) {
  Query query;
  query.kind = kind;
  query.run = run;
  query.task = task;
  return Must(client_->Ask(query));
}

WorkerView Cluster::WorkerNamed(const std::string& name) {
  for (const WorkerView& worker : Ask(QueryKind::kWorkers).workers) {
    if (worker.name == name) return worker;
  }
  throw std::runtime_error("no worker " + name);
}

std::string Cluster::Why(RunId run, const std::string& task) {
  std::string text;
  for (const std::string& line : Ask(QueryKind::kWhy, run, task).lines) text += line + "\n";
  return text;
}

void Cluster::Touch(const std::string& file) { std::ofstream(scratch_ / file) << "x"; }

std::vector<std::string> Cluster::Notes() {
  std::vector<std::string> notes;
  std::ifstream file(scratch_ / "steps");
  for (std::string line; std::getline(file, line);) notes.push_back(line);
  return notes;
}

std::vector<std::string> Cluster::Begun(const std::string& what) {
  std::vector<std::string> names;
  for (const std::string& note : Notes()) {
    if (note.substr(0, what.size()) == what) names.push_back(note.substr(note.rfind(' ') + 1));
  }
  return names;
}

void Cluster::WaitForStep(const std::string& name, const std::string& what) {
  WaitFor(name + " to " + what, [&] {
    const std::vector<std::string> names = Begun(what);
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

Bytes Cluster::Result(RunId run, const std::string& task) { return Must(client_->Result(run, task, 1u << 30)); }

}  // namespace millrace::testing
