// SPDX-License-Identifier: Apache-2.0
// Where a behaviour is tried out: standalone (one process, no port) or distributed (a broker and workers on loopback
// sockets). The same tests run in both.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "millrace/api/pipeline.h"
#include "millrace/api/registry.h"
#include "millrace/client/client.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/serve/broker.h"
#include "millrace/serve/worker.h"

namespace millrace::testing {

enum class Mode { kStandalone, kDistributed };

struct ClusterOptions {
  Mode mode = Mode::kStandalone;
  int workers = 2;  // at the start; standalone has one at most
  int slots = 2;    // of each
  sched::Config brain;
  agent::Config agent;
  bool cache = false;
  bool in_process = false;
};

// What a run came to.
struct Ran {
  RunId id;
  RunView run;
  std::vector<TaskView> tasks;
  std::vector<std::string> warnings;

  const TaskView& task(const std::string& name) const;  // fails the test when there is none
};

class Cluster {
 public:
  Cluster(const ClusterOptions& options, const Registry& registry);
  ~Cluster();

  // Submits and follows until the end.
  Ran Run(const Pipeline& pipeline);
  Ran Run(JobSpec job);
  client::Submitted Submit(JobSpec job);
  client::Submitted Submit(const Pipeline& pipeline);
  Ran Follow(RunId run);
  void Cancel(RunId run);
  // Decoded from the result's bytes by its type.
  Bytes Result(RunId run, const std::string& task);

  client::Client& client() { return *client_; }
  std::unique_ptr<client::Client> MakeClient();
  serve::Broker& broker() { return *broker_; }
  // A connection to the broker that nobody speaks on yet.
  std::unique_ptr<net::Link> Connect();

  // Another worker with this offer on top of the usual one; `local`: in the broker's own process, whatever the mode.
  serve::Worker& AddWorker(Offer offer, std::string name, bool local = false);
  void StopWorker(std::size_t index) { workers_.at(index).reset(); }
  serve::Worker& worker(std::size_t index) { return *workers_.at(index); }
  // Of this mode, before any was added.
  int workers() const { return options_.mode == Mode::kStandalone ? std::min(options_.workers, 1) : options_.workers; }
  void WaitForWorkers(std::size_t count);

  // What the broker says now.
  Answer Ask(QueryKind kind, RunId run = {}, const std::string& task = {});
  BrokerView Status() { return Ask(QueryKind::kBroker).broker.at(0); }
  WorkerView WorkerNamed(const std::string& name);
  RunView RunOf(RunId run) { return Ask(QueryKind::kRun, run).runs.at(0); }
  TaskView TaskOf(RunId run, const std::string& task) { return Ask(QueryKind::kTasks, run, task).tasks.at(0); }
  std::string Why(RunId run, const std::string& task);

  // Where modules run.
  const std::filesystem::path& scratch() const { return scratch_; }
  void Touch(const std::string& file);
  // What Steps have noted, in its order: "begin 1.1 build".
  std::vector<std::string> Notes();
  // The names of the steps that have begun (or ended), in their order.
  std::vector<std::string> Begun(const std::string& what = "begin");
  void WaitForStep(const std::string& name, const std::string& what = "begin");

 private:
  net::Endpoint Control() const;

  ClusterOptions options_;
  const Registry& registry_;
  std::filesystem::path scratch_;
  net::SocketContext context_;
  std::unique_ptr<serve::Broker> broker_;
  std::vector<std::unique_ptr<net::BlobAccess>> blobs_;
  std::vector<std::unique_ptr<serve::Worker>> workers_;
  std::unique_ptr<client::Client> client_;
};

// Waits until `condition` holds, at most a minute, and fails the test otherwise.
void WaitFor(const std::string& what, const std::function<bool()>& condition);

}  // namespace millrace::testing
