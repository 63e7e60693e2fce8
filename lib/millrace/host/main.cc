// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/main.h"

#include <cstdio>
#include <utility>

#include "millrace/api/host.h"
#include "millrace/base/status.h"
#include "millrace/exec/supervisor.h"
#include "millrace/host/assemble.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/flags.h"
#include "millrace/host/memory.h"
#include "millrace/host/plan.h"
#include "millrace/host/report.h"
#include "millrace/host/rerun.h"
#include "millrace/log/log.h"

namespace millrace {
namespace {

using host::Command;
using host::OptionGroup;

struct Modes {
  Command* run = nullptr;
  Command* orchestrator = nullptr;
  Command* worker = nullptr;
  Command* submit = nullptr;
  Command* plan = nullptr;
  Command* rerun = nullptr;
  host::RerunWords again;
  bool no_wait = false;
  bool json = false;
  bool quiet = false;
  bool keep_going = false;
  std::string ready_file;
};

void Declare(host::FlagParser& parser, const std::string& program, Modes& modes) {
  Command& root = parser.root();
  modes.run = &root.Add("run", "Run the pipeline in this process; no port is opened");
  modes.run->Settings({OptionGroup::kRunning, OptionGroup::kOutput})
      .Setting("data_dir")
      .Setting("max_parallel_modules");
  modes.run->Example(program + " run", "everything here");
  modes.run->Example(program + " run --in-process", "modules on threads of this process, for a debugger");
  modes.orchestrator = &root.Add("orchestrator", "Run the pipeline on workers that attach to this process");
  modes.orchestrator->Settings(
      {OptionGroup::kNetwork, OptionGroup::kBroker, OptionGroup::kRunning, OptionGroup::kOutput});
  modes.orchestrator->Option("--ready-file", "FILE", &modes.ready_file, "Write the endpoint here once it listens");
  modes.orchestrator->Example(program + " orchestrator --port 8080 --prefer-local", "this machine first, then workers");
  modes.worker = &root.Add("worker", "Work for an orchestrator, with the modules of this program");
  modes.worker->Settings({OptionGroup::kNetwork, OptionGroup::kWorker, OptionGroup::kRunning, OptionGroup::kOutput});
  modes.worker->Example(program + " worker --orchestrator tcp://build-1:8080 --slots 4", "four modules at once");
  modes.submit = &root.Add("submit", "Hand the pipeline to a broker that is already up, and follow it");
  modes.submit->Settings({OptionGroup::kNetwork, OptionGroup::kOutput}).Setting("no_cache");
  modes.submit->Flag("--no-wait", &modes.no_wait, "Print the run's id and do not wait for its end");
  modes.submit->Example(program + " submit --orchestrator tcp://build-1:8080", "and wait for the end");
  modes.plan = &root.Add("plan", "Show waves, requirements and what would come from the cache; runs nothing");
  modes.plan->Setting("data_dir").Setting("no_cache").Setting("color");
  modes.rerun = &host::DeclareRerun(root, modes.again);
  modes.rerun->Example(program + " rerun 'test[shard=2]' --run 3.17 --local --data-dir DIR", "as the summary says it");
  for (Command* mode : {modes.run, modes.orchestrator, modes.submit}) {
    mode->Flag("--json", &modes.json, "Print the summary as JSON on standard output");
    mode->Flag("-q,--quiet", &modes.quiet, "No progress, only the summary");
    mode->Flag("-k,--keep-going", &modes.keep_going, "After a failure, run all that does not depend on it");
  }
}

// Wrong options and pipelines end here, before anything has started.
int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", TextOf(status).c_str());
  return host::ExitCodeOf(status);
}

Mode ModeOf(const Modes& modes) {
  if (modes.orchestrator->chosen()) return Mode::kOrchestrator;
  if (modes.worker->chosen()) return Mode::kWorker;
  return Mode::kStandalone;
}

absl::StatusOr<Summary> Start(const Modes& modes, host::RunRequest request) {
  if (modes.orchestrator->chosen()) return host::RunOrchestrator(std::move(request));
  if (modes.submit->chosen()) return host::RunOnBroker(std::move(request));
  return host::RunStandalone(std::move(request));
}

}  // namespace

std::optional<int> MaybeRunChild(int argc, char** argv, const Registry& registry) {
  if (const auto code = exec::MaybeRunSupervisor(argc, argv)) return code;
  return MaybeRunModuleHost(argc, argv, registry);
}

int Main(int argc, char** argv, const Pipeline& pipeline, const Options& options) {
  host::EndPlainlyWithoutMemory();
  if (const auto code = MaybeRunChild(argc, argv, pipeline.registry())) return *code;
  Modes modes;
  host::FlagParser parser(pipeline.name(), "The pipeline '" + pipeline.name() + "'", host::Version());
  Declare(parser, pipeline.name(), modes);
  if (const auto code = parser.Parse(argc, argv)) return *code;
  host::ResolvedOptions resolved;
  if (const auto code = parser.Resolve(options, ModeOf(modes), resolved)) return *code;
  // Who watches a run sees its progress; the log is for what goes wrong.
  if (!modes.worker->chosen() && resolved.origins["log_level"] == "default") {
    resolved.options.log_level = host::LogLevel::kWarning;
  }
  log::Init(pipeline.name(), static_cast<log::Level>(resolved.options.log_level));
  auto interrupts = host::Interrupts::Begin();
  if (!interrupts.ok()) return Refuse(interrupts.status());
  if (modes.worker->chosen()) return host::ServeWorker(resolved.options, pipeline.registry(), **interrupts);
  if (modes.rerun->chosen()) {
    const auto done = host::RerunFrom(modes.again, pipeline.registry(), resolved.options, **interrupts);
    return done.ok() ? *done : Refuse(done.status());
  }
  auto job = pipeline.ToJob();
  if (!job.ok()) return Refuse(job.status());
  if (modes.keep_going) job->fail_mode = FailMode::kKeepGoing;
  job->use_cache = !resolved.options.no_cache;
  if (modes.plan->chosen()) {
    std::fputs(host::PlanText(*job, resolved.options, host::ConsoleFor(stdout, resolved.options)).c_str(), stdout);
    return host::kSucceeded;
  }
  host::RunRequest request;
  request.job = *std::move(job);
  request.registry = &pipeline.registry();
  request.options = resolved.options;
  request.console = host::ConsoleFor(stderr, resolved.options);
  request.quiet = modes.quiet;
  request.interrupts = interrupts->get();
  request.ready_file = modes.ready_file;
  request.program = argv[0];
  request.look_ahead = !modes.run->chosen();  // a standalone run keeps no history
  if (modes.submit->chosen() && modes.no_wait) {
    const auto run = host::SubmitToBroker(std::move(request));
    if (!run.ok()) return Refuse(run.status());
    std::printf("%s\n", RunName(*run).c_str());
    return host::kSucceeded;
  }
  return host::ReportEnd(Start(modes, std::move(request)), resolved.options, modes.json);
}

absl::StatusOr<Summary> Run(const Pipeline& pipeline, const Options& options) {
  host::RunRequest request;
  MILLRACE_ASSIGN_OR_RETURN(request.job, pipeline.ToJob());
  request.job.use_cache = !options.no_cache;
  request.registry = &pipeline.registry();
  request.quiet = true;
  host::OptionSources sources;
  sources.code = options;
  sources.environment = host::ProcessEnvironment;
  MILLRACE_ASSIGN_OR_RETURN(const host::ResolvedOptions resolved, host::ResolveOptions(sources));
  request.options = resolved.options;
  if (request.options.mode == Mode::kOrchestrator) return host::RunOrchestrator(std::move(request));
  return host::RunStandalone(std::move(request));
}

int RunWorker(const Registry& registry, const Options& options) {
  auto interrupts = host::Interrupts::Begin();
  if (!interrupts.ok()) return Refuse(interrupts.status());
  return host::ServeWorker(options, registry, **interrupts);
}

}  // namespace millrace
