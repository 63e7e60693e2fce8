// SPDX-License-Identifier: Apache-2.0
// Where a behaviour is tried out: standalone (one process, no port) or distributed (a broker and workers on loopback
// sockets). The same tests run in both.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "millrace/api/pipeline.h"
#include "millrace/api/registry.h"
#include "millrace/client/client.h"
#include "millrace/net/context.h"
#include "millrace/serve/broker.h"
#include "millrace/serve/worker.h"

namespace millrace::testing {

enum class Mode { kStandalone, kDistributed };

struct ClusterOptions {
  Mode mode = Mode::kStandalone;
  int workers = 2;  // distributed; standalone has one
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
  RunId Submit(JobSpec job);
  Ran Follow(RunId run);
  // Decoded from the result's bytes by its type.
  Bytes Result(RunId run, const std::string& task);

  client::Client& client() { return *client_; }
  std::unique_ptr<client::Client> MakeClient();
  serve::Broker& broker() { return *broker_; }
  const std::filesystem::path& scratch() const { return scratch_; }
  serve::Worker& worker(std::size_t index) { return *workers_.at(index); }
  // Another worker with this offer on top of the usual one.
  void AddWorker(Offer offer, std::string name);
  void WaitForWorkers(std::size_t count);

 private:
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
