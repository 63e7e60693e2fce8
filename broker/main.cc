// SPDX-License-Identifier: Apache-2.0
// millrace-broker: a long-lived orchestrator that workers and clients attach to; with --run, one for a single pipeline.
#include <cstdio>
#include <string>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/flags.h"
#include "millrace/host/main.h"
#include "millrace/host/memory.h"
#include "millrace/host/report.h"
#include "millrace/log/log.h"
#include "millrace/yaml/pipeline.h"
#include "modules/builtins.h"

namespace {

using millrace::host::OptionGroup;

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "millrace-broker: %s\n", millrace::TextOf(status).c_str());
  return millrace::host::ExitCodeOf(status);
}

}  // namespace

int main(int argc, char** argv) {
  millrace::host::EndPlainlyWithoutMemory();
  const millrace::Registry registry = millrace::modules::Builtins();
  if (const auto code = millrace::MaybeRunChild(argc, argv, registry)) return *code;
  std::string ready_file;
  std::string pipeline;
  bool json = false;
  millrace::host::FlagParser parser("millrace-broker", "Schedules pipelines over workers", millrace::host::Version());
  parser.root()
      .Settings({OptionGroup::kNetwork, OptionGroup::kBroker, OptionGroup::kRunning, OptionGroup::kOutput})
      .Option("--ready-file", "FILE", &ready_file, "Write the endpoint here once it listens")
      .Option("--run", "PIPELINE", &pipeline, "Run this pipeline, release the workers and end")
      .Flag("--json", &json, "With --run: print the summary as JSON on standard output")
      .Example("millrace-broker --port 8080",
               "loopback, heartbeats on 8081, events on 8082, bulk on 8083, HTTP on 8090")
      .Example("millrace-broker --run pipeline.yaml --expect-workers 3", "one run, then the end");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  millrace::host::ResolvedOptions resolved;
  if (const auto code = parser.Resolve({}, millrace::Mode::kOrchestrator, resolved)) return *code;
  millrace::log::Init("millrace-broker", static_cast<millrace::log::Level>(resolved.options.log_level));
  auto interrupts = millrace::host::Interrupts::Begin();
  if (!interrupts.ok()) return Refuse(interrupts.status());
  if (pipeline.empty()) {
    const absl::Status status = millrace::host::ServeBroker(resolved.options, ready_file, **interrupts);
    return status.ok() ? millrace::host::kSucceeded : Refuse(status);
  }
  auto job = millrace::yaml::LoadPipeline(pipeline);
  if (!job.ok()) return Refuse(job.status());
  millrace::host::RunRequest request;
  request.job = *std::move(job);
  request.job.use_cache = request.job.use_cache && !resolved.options.no_cache;
  request.registry = &registry;
  request.options = resolved.options;
  request.console = millrace::host::ConsoleFor(stderr, resolved.options);
  request.interrupts = interrupts->get();
  request.ready_file = ready_file;
  request.program = "zmqctl";  // which has the same modules
  request.look_ahead = true;
  return millrace::host::ReportEnd(millrace::host::RunOrchestrator(std::move(request)), resolved.options, json);
}
