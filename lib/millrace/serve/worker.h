// SPDX-License-Identifier: Apache-2.0
// A running worker: one thread that owns the agent, the link to the broker and the slots. In a program of its own, or
// beside a broker in the same process.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/agent/event.h"
#include "millrace/api/registry.h"
#include "millrace/exec/confinement.h"
#include "millrace/exec/secret_source.h"
#include "millrace/net/link.h"
#include "millrace/serve/artifact_courier.h"

namespace millrace::serve {

struct WorkerOptions {
  agent::Config brain;
  const Registry* registry = nullptr;  // must outlive the worker
  std::vector<std::string> host_args;  // after the program's name: what makes it a module host
  bool in_process = false;             // every module on a thread of this process, whatever its policy
  exec::Confinement confinement{};     // of all that modules run
  exec::SecretSource secrets{};
  // Private to this worker's id: outcomes that outlive this process are kept there. "" = none do.
  std::filesystem::path state_dir{};
  ArtifactStore store{};
};

class Worker {
 public:
  // `blobs` must outlive the worker.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(WorkerOptions options, std::unique_ptr<net::Link> link,
                                                       net::BlobAccess& blobs);
  // Stops at once, killing what runs, unless Wait has returned.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void AskStop(agent::StopKind kind);  // any thread
  // Readable once the worker has ended by itself or by being asked.
  int ended_fd() const;
  struct End {
    int code = 0;        // for exit(): see docs/operations.md
    std::string reason;  // "" after a normal end
  };
  End Wait();

 private:
  struct State;
  explicit Worker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
