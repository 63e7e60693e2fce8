// SPDX-License-Identifier: Apache-2.0
// zmqctl: submit pipelines to a broker, watch them, ask why.
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/flags.h"
#include "millrace/host/memory.h"
#include "millrace/host/plan.h"
#include "millrace/host/report.h"
#include "millrace/host/rerun.h"
#include "millrace/log/log.h"
#include "millrace/yaml/pipeline.h"
#include "modules/builtins.h"
#include "tools/zmqctl/chaos.h"
#include "tools/zmqctl/commands.h"
#include "tools/zmqctl/keys.h"

namespace {

using millrace::zmqctl::Arguments;
using millrace::zmqctl::Context;

struct Verb {
  millrace::host::Command* command;
  absl::StatusOr<int> (*run)(Context&);
};

millrace::host::Command& Add(millrace::host::FlagParser& parser, Arguments& arguments, const char* name,
                             const char* summary) {
  millrace::host::Command& command = parser.root().Add(name, summary);
  command.Setting("orchestrator_url").Setting("key_file").Setting("insecure_allow_plaintext_on");
  command.Setting("color").Setting("log_level");
  command.Flag("--json", &arguments.json, "Print the answer as JSON");
  return command;
}

constexpr char kRunHelp[] = "The run, as `zmqctl runs` shows it; the newest when it is left out";

// What adds a command that asks a broker.
class Declaring {
 public:
  Declaring(millrace::host::FlagParser& parser, Arguments& arguments, std::vector<Verb>& verbs)
      : parser_(parser), arguments_(arguments), verbs_(verbs) {}
  millrace::host::Command& operator()(const char* name, const char* summary, absl::StatusOr<int> (*run)(Context&)) {
    millrace::host::Command& command = Add(parser_, arguments_, name, summary);
    verbs_.push_back({&command, run});
    return command;
  }

 private:
  millrace::host::FlagParser& parser_;
  Arguments& arguments_;
  std::vector<Verb>& verbs_;
};

void DeclareRuns(Declaring add, Arguments& a) {
  namespace z = millrace::zmqctl;
  add("submit", "Hand a pipeline in YAML to the broker", z::Submit)
      .Argument("FILE", &a.file, "The pipeline, - for standard input")
      .Flag("-w,--wait", &a.wait, "Follow it to its end; exit 1 when it fails")
      .Flag("-k,--keep-going", &a.keep_going, "After a failure, run all that does not depend on it")
      .Flag("-q,--quiet", &a.quiet, "No progress, only the summary")
      .Setting("no_cache")
      .Setting("broker_lost_timeout")
      .Example("zmqctl submit pipeline.yaml --wait", "with progress, and a summary at the end")
      .Example("zmqctl submit pipeline.yaml", "prints the run's id and returns");
  add("status", "The broker: workers, slots, runs, tasks, warnings", z::Status)
      .Example("zmqctl status --json", "for a script");
  add("runs", "Every run that the broker remembers", z::Runs)
      .Example("zmqctl runs --json", "the newest and all before it, with their states");
  add("watch", "Follow a run to its end; an interrupt ends the watching, not the run", z::Watch)
      .Argument("RUN", &a.run, kRunHelp, false)
      .Flag("-q,--quiet", &a.quiet, "No progress, only the summary")
      .Setting("broker_lost_timeout")
      .Example("zmqctl watch", "the newest run: progress, how much longer it takes, the summary at the end")
      .Example("zmqctl watch 1.2 -q --json", "wait for its end; exit 1 when it failed");
  add("tasks", "The tasks of a run", z::Tasks)
      .Argument("RUN", &a.run, kRunHelp, false)
      .Example("zmqctl tasks", "of the newest run")
      .Example("zmqctl tasks 1.2", "of this one");
  add("history", "Runs that have ended, also those that the broker has forgotten", z::History)
      .Argument("RUN", &a.run, "All about this one: tasks, tries, attempts; a list of runs when left out", false)
      .Argument("TASK", &a.task, "Only this task of it: its tries, why it failed, how to run it again", false)
      .Option("--last", "N", &a.last, "The newest N runs at most; 0: all")
      .Option("--name", "PIPELINE", &a.name, "Only runs of this pipeline")
      .Option("--state", "STATE", &a.state, "Only those that ended so: succeeded, failed, cancelled")
      .Option("--since", "AGE", &a.since, "Only those that ended within it: 2h, 7d")
      .Option("--data-dir", "DIR", &a.data_dir, "Read it there and ask no broker; one may run meanwhile")
      .Flag("--estimates", &a.estimates,
            "What modules took in these runs (p50, p90), and how often that foretold when runs end")
      .Setting("max_payload_size")
      .Example("zmqctl history --name release --state failed --since 7d", "what went wrong this week")
      .Example("zmqctl history 3.17", "that run: each task with its outcome, tries, worker and time")
      .Example("zmqctl history 3.17 'test[shard=2]'", "one task: its tries, exit code or signal, last lines")
      .Example("zmqctl history --estimates --last 100", "how long modules take, and how good that is as a forecast")
      .Example("zmqctl history 3.17 --json | jq '.tasks[] | {name, result}'", "with results and every attempt")
      .Example("zmqctl history --data-dir /var/lib/millrace", "with no broker at hand");
}

void DeclareOthers(Declaring add, Arguments& a) {
  namespace z = millrace::zmqctl;
  add("workers", "The workers and what they offer", z::Workers)
      .Option("--wait-for", "N", &a.wait_for, "Return once N workers are there")
      .Example("zmqctl workers --wait-for 3", "in a script that has just started them");
  add("logs", "What tasks have printed", z::Logs)
      .Argument("TASK", &a.task, "Only this one", false)
      .Option("--run", "RUN", &a.run, kRunHelp)
      .Flag("-f,--follow", &a.follow, "Go on until the run ends")
      .Example("zmqctl logs -f", "the newest run, as it prints");
  add("result", "The result of a task, as JSON", z::Result)
      .Argument("TASK", &a.task, "By name")
      .Option("--run", "RUN", &a.run, kRunHelp)
      .Setting("max_payload_size")
      .Example("zmqctl result publish", "what publish gave in the newest run");
  add("artifacts", "What tasks have made, and the artifacts of one as a folder", z::Artifacts)
      .Argument("RUN", &a.run, kRunHelp, false)
      .Argument("TASK", &a.task, "Only those of this one", false)
      .Option("--get", "DIR", &a.get, "Make them there, where nothing is yet")
      .Option("--artifact", "NAME", &a.artifact, "With --get: only this artifact of the task")
      .Setting("store")
      .Setting("store_limit")
      .Example("zmqctl artifacts 1.2", "all of that run: paths, sizes, digests")
      .Example("zmqctl artifacts 1.2 build --get out", "those of build, as a folder");
  add("why", "Why a task is where it is, a reason a line", z::Why)
      .Argument("TASK", &a.task, "By name")
      .Option("--run", "RUN", &a.run, kRunHelp)
      .Example("zmqctl why 'test[shard=2]'", "what it waits for");
  add("cancel", "Cancel a run: what runs is stopped, teardown modules still run", z::Cancel)
      .Argument("RUN", &a.run, "As `zmqctl runs` shows it")
      .Option("--reason", "TEXT", &a.reason, "Shown in the run's summary")
      .Example("zmqctl cancel 1.2 --reason 'wrong branch'", "returns at once; zmqctl tasks shows how it ends");
  add("drain", "Let a worker finish what it runs, and end", z::DrainWorker)
      .Argument("WORKER", &a.worker, "As `zmqctl workers` shows it")
      .Option("--reason", "TEXT", &a.reason, "For the worker's log")
      .Example("zmqctl drain build-1", "before that machine is rebooted");
  add("health", "ok (exit 0) or degraded (exit 1), and why", z::Health)
      .Example("zmqctl health || echo 'look at it'", "in a script; exit 69 when no broker answers");
}

std::vector<Verb> Declare(millrace::host::FlagParser& parser, Arguments& arguments) {
  std::vector<Verb> verbs;
  DeclareRuns(Declaring(parser, arguments, verbs), arguments);
  DeclareOthers(Declaring(parser, arguments, verbs), arguments);
  return verbs;
}

struct OfflineVerb {
  millrace::host::Command* command;
  absl::StatusOr<int> (*run)(const Arguments&, const millrace::Options&);
};

OfflineVerb DeclareReport(millrace::host::FlagParser& parser, Arguments& a) {
  millrace::host::Command& report =
      parser.root().Add("report", "What became of a run and why it took so long: a text, or a file for others");
  report.Argument("RUN", &a.run, "One that has ended, as `zmqctl history` shows it; the last when left out", false)
      .Flag("--html", &a.html, "One page with graph, timeline and tables, which needs no network")
      .Flag("--json", &a.json, "All of it, as docs/schema/report.schema.json says")
      .Flag("--junit", &a.junit, "JUnit XML, for what shows tests")
      .Flag("--trace", &a.trace, "A timeline for ui.perfetto.dev or chrome://tracing: a lane per worker and slot")
      .Flag("--mermaid", &a.mermaid, "The dependency graph with how each task ended, for Markdown")
      .Flag("--dot", &a.dot, "The same for Graphviz")
      .Option("-o,--output", "FILE", &a.output, "Write it there, as a whole or not at all; else to standard output")
      .Setting("data_dir")
      .Setting("color")
      .Setting("log_level")
      .Example("zmqctl report --data-dir /var/lib/millrace", "the last run: what failed, where its time went")
      .Example("zmqctl report 3.17 --html -o run.html", "that one as a page to look at or to send")
      .Example("zmqctl report --junit -o results.xml", "for a CI system")
      .Example("zmqctl report --dot | dot -Tsvg > graph.svg", "the graph as a picture");
  return {&report, millrace::zmqctl::Report};
}

OfflineVerb DeclareSimulate(millrace::host::FlagParser& parser, Arguments& a) {
  millrace::host::Command& simulate =
      parser.root().Add("simulate", "What a run would have taken on other workers, by the real scheduler");
  a.workers = "1,2,4,8";
  simulate.Argument("RUN", &a.run, "One that has ended, as `zmqctl history` shows it; the last when left out", false)
      .Option("--workers", "N", &a.workers, "How many workers, or several such numbers (1,2,4,8)")
      .Option("--slots", "M", &a.slots, "Slots of each; as many as were busy at a time on one when left out")
      .Flag("--json", &a.json, "Print the answer as JSON")
      .Setting("data_dir")
      .Setting("color")
      .Setting("log_level")
      .Example("zmqctl simulate 3.17 --workers 1,2,4,8",
               "a table: makespan, speed-up, efficiency, and what is possible")
      .Example("zmqctl simulate --workers 4 --slots 8 --json | jq '.simulated[0].makespan_s'",
               "the last run, for a script");
  return {&simulate, millrace::zmqctl::Simulate};
}

std::vector<OfflineVerb> DeclareOffline(millrace::host::FlagParser& parser, Arguments& a) {
  namespace z = millrace::zmqctl;
  millrace::host::Command& journal =
      parser.root().Add("journal", "Check, print or repair the journal of a broker that does not run");
  journal.Example("zmqctl journal check", "of the default data directory");
  const auto add = [&](const char* name, const char* summary) -> millrace::host::Command& {
    return journal.Add(name, summary).Setting("data_dir").Setting("log_level");
  };
  return {{&add("check", "Read all of it: positions and counts, or the first damage (exit 74)")
                .Flag("--json", &a.json, "Print the answer as JSON")
                .Example("zmqctl journal check --data-dir /var/lib/millrace", "before a backup is trusted"),
           z::CheckJournal},
          {&add("dump", "Every record as a line of JSON")
                .Example("zmqctl journal dump --data-dir DIR | jq 'select(.kind == \"TaskEnded\")'", "what has ended"),
           z::DumpJournal},
          {&add("salvage", "A new journal with all before the damage; the old one stays beside it")
                .Flag("--json", &a.json, "Print the answer as JSON")
                .Example("zmqctl journal salvage --data-dir DIR", "when a broker refuses to start on it"),
           z::SalvageJournal},
          DeclareReport(parser, a),
          DeclareSimulate(parser, a)};
}

// Needs no broker: what is refused here would be refused there.
absl::StatusOr<int> Plan(const Arguments& arguments, const millrace::Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const millrace::JobSpec job, millrace::yaml::LoadPipeline(arguments.file));
  const millrace::host::Console out = millrace::host::ConsoleFor(stdout, options);
  out.Write(millrace::host::PlanText(job, options, out));
  return millrace::host::kSucceeded;
}

int Refuse(const absl::Status& status) {
  std::fprintf(stderr, "zmqctl: %s\n", millrace::TextOf(status).c_str());
  if (status.code() == absl::StatusCode::kCancelled) return millrace::host::kInterrupted;
  return millrace::host::ExitCodeOf(status);
}

int PrintVersion(bool json) {
  std::printf(json ? "{\"version\": \"%s\"}\n" : "zmqctl %s\n", millrace::host::Version().c_str());
  return millrace::host::kSucceeded;
}

// The commands that ask a broker.
int AskBroker(const std::vector<Verb>& verbs, const Arguments& arguments, const millrace::Options& options,
              millrace::host::Interrupts& interrupts) {
  millrace::net::SocketContext context;
  auto remote = millrace::host::Dial(context, options);
  if (!remote.ok()) return Refuse(remote.status());
  millrace::client::Client client(std::move(remote->link), *remote->blobs, millrace::host::ClientOptionsOf(options));
  interrupts.SetHandler([&client](int) { client.Interrupt(); });
  Context asked{client,
                options,
                arguments,
                millrace::host::ConsoleFor(stdout, options),
                millrace::host::ConsoleFor(stderr, options),
                interrupts};
  int code = millrace::host::kUsage;
  for (const Verb& verb : verbs) {
    if (!verb.command->chosen()) continue;
    const absl::StatusOr<int> done = verb.run(asked);
    code = done.ok() ? *done : Refuse(done.status());
  }
  interrupts.SetHandler({});
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  millrace::host::EndPlainlyWithoutMemory();
  Arguments arguments;
  millrace::host::FlagParser parser("zmqctl", "Submit pipelines to a broker, watch them, ask why",
                                    millrace::host::Version());
  parser.root()
      .Example("export ORCHESTRATOR_URL=tcp://127.0.0.1:8080", "which broker; or --orchestrator with each command")
      .Example("zmqctl submit pipeline.yaml --wait", "run a pipeline; exit 0 when it went well, 1 when it failed")
      .Example("zmqctl COMMAND --help", "what it takes; all exit codes are in docs/operations.md");
  std::vector<Verb> verbs = Declare(parser, arguments);
  millrace::host::Command& version = parser.root().Add("version", "The version of zmqctl");
  version.Flag("--json", &arguments.json, "Print the answer as JSON");
  millrace::host::Command& plan = parser.root().Add("plan", "Check a pipeline, and show its waves; asks no broker");
  plan.Argument("FILE", &arguments.file, "The pipeline, - for standard input")
      .Setting("color")
      .Example("zmqctl plan pipeline.yaml", "what is wrong with it, or what it would do");
  const std::vector<OfflineVerb> offline = DeclareOffline(parser, arguments);
  millrace::zmqctl::KeysArguments keys_arguments;
  const std::vector<millrace::zmqctl::KeysVerb> keys = millrace::zmqctl::DeclareKeys(parser, keys_arguments);
  millrace::zmqctl::ChaosArguments chaos_arguments;
  const millrace::host::Command& chaos = millrace::zmqctl::DeclareChaos(parser, chaos_arguments);
  millrace::host::RerunWords again;
  millrace::host::Command& rerun = millrace::host::DeclareRerun(parser.root(), again);
  rerun
      .Example("zmqctl rerun 'test[shard=2]' --run 3.17 --local",
               "in the current directory, with its output as it comes")
      .Example("zmqctl rerun build --local --data-dir DIR --dry-run", "what that would be; with no broker at hand");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  if (parser.root().chosen()) {
    std::fputs("zmqctl: which command? Try 'zmqctl --help'.\n", stderr);
    return millrace::host::kUsage;
  }
  if (version.chosen()) return PrintVersion(arguments.json);
  millrace::host::ResolvedOptions resolved;
  if (const auto code = parser.Resolve({}, std::nullopt, resolved)) return *code;
  millrace::log::Init("zmqctl", static_cast<millrace::log::Level>(resolved.options.log_level));
  std::optional<absl::StatusOr<int>> told;
  if (plan.chosen()) told = Plan(arguments, resolved.options);
  for (const OfflineVerb& verb : offline) {
    if (verb.command->chosen()) told = verb.run(arguments, resolved.options);
  }
  for (const millrace::zmqctl::KeysVerb& verb : keys) {
    if (verb.command->chosen()) told = verb.run(keys_arguments, resolved.options);
  }
  // Only the history has it.
  if (!arguments.data_dir.empty()) told = millrace::zmqctl::HistoryOnDisk(arguments, resolved.options);
  if (told) return told->ok() ? **told : Refuse(told->status());
  auto interrupts = millrace::host::Interrupts::Begin();
  if (!interrupts.ok()) return Refuse(interrupts.status());
  if (chaos.chosen()) {
    const absl::StatusOr<int> done = millrace::zmqctl::Chaos(chaos_arguments, resolved.options, **interrupts);
    return done.ok() ? *done : Refuse(done.status());
  }
  if (rerun.chosen()) {
    const absl::StatusOr<int> done =
        millrace::host::RerunFrom(again, millrace::modules::Builtins(), resolved.options, **interrupts);
    return done.ok() ? *done : Refuse(done.status());
  }
  return AskBroker(verbs, arguments, resolved.options, **interrupts);
}
