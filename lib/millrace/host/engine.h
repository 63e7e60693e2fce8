// SPDX-License-Identifier: Apache-2.0
// The modes as functions: brokers, workers and clients put together from resolved options. Programs are thin over
// these.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/api/registry.h"
#include "millrace/client/client.h"
#include "millrace/host/console.h"
#include "millrace/host/interrupts.h"
#include "millrace/host/options.h"
#include "millrace/host/summary.h"
#include "millrace/model/job.h"

namespace millrace::host {

struct RunRequest {
  JobSpec job;
  const Registry* registry = nullptr;  // the modules of this program
  Options options;
  Console console;                   // where progress goes
  bool quiet = false;                // no progress
  Interrupts* interrupts = nullptr;  // none = Ctrl-C is somebody else's
  std::string ready_file;            // gets the control endpoint once it listens
  std::string program;               // this one, for the command that runs a failed task again; "" = say none
  bool look_ahead = false;           // say how much longer it will take, from earlier runs, and how tasks differed
};

// Everything in this process, no port opened.
absl::StatusOr<Summary> RunStandalone(RunRequest request);
// A broker for the length of this run; workers attach to it (and one in this process, when local execution is
// preferred), and are released at the end.
absl::StatusOr<Summary> RunOrchestrator(RunRequest request);
// On a broker that is up already.
absl::StatusOr<Summary> RunOnBroker(RunRequest request);
// The options with which another program finds the broker of these: "--orchestrator URL".
std::string BrokerWords(const Options& options);

// One that was submitted before, until it ends; an interrupt ends the watching only. `job` is not looked at.
absl::StatusOr<Summary> WatchOnBroker(client::Client& client, RunId run, RunRequest request);
// Hands it over and does not wait.
absl::StatusOr<RunId> SubmitToBroker(RunRequest request);

// A broker until it is told to stop. The status says why it could not go on.
absl::Status ServeBroker(const Options& options, const std::string& ready_file, Interrupts& interrupts);

// A worker until it is released, told to stop, or has lost its broker. The exit code.
int ServeWorker(const Options& options, const Registry& registry, Interrupts& interrupts);

}  // namespace millrace::host
