// SPDX-License-Identifier: Apache-2.0
// What changes something: submit, cancel, drain.
#include <atomic>
#include <cstdio>
#include <map>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/report.h"
#include "millrace/yaml/pipeline.h"
#include "tools/zmqctl/commands.h"

namespace millrace::zmqctl {
namespace {

absl::StatusOr<int> Tell(Context& context, Command command, const std::string& done) {
  command.reason = context.arguments.reason.empty() ? "asked for with zmqctl" : context.arguments.reason;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, context.client.Tell(std::move(command)));
  for (const std::string& line : answer.lines) context.err.Write(line + "\n");
  if (context.arguments.json) {
    context.out.Write("{\"ok\": true}\n");
  } else {
    context.out.Write(done + "\n");
  }
  return host::kSucceeded;
}

// A run that is followed to its end, without its job.
host::RunRequest ToFollow(Context& context) {
  host::RunRequest request;
  request.options = context.options;
  request.console = context.err;
  request.quiet = context.arguments.quiet;
  request.interrupts = &context.interrupts;
  request.program = "zmqctl";
  request.look_ahead = true;
  return request;
}

}  // namespace

absl::StatusOr<int> Submit(Context& context) {
  MILLRACE_ASSIGN_OR_RETURN(JobSpec job, yaml::LoadPipeline(context.arguments.file));
  if (context.options.no_cache) job.use_cache = false;
  if (context.arguments.keep_going) job.fail_mode = FailMode::kKeepGoing;
  if (context.arguments.wait) {
    host::RunRequest request = ToFollow(context);
    request.job = std::move(job);
    return host::ReportEnd(host::RunOnBroker(std::move(request)), context.options, context.arguments.json);
  }
  MILLRACE_ASSIGN_OR_RETURN(const client::Submitted submitted, context.client.Submit(std::move(job)));
  for (const std::string& warning : submitted.warnings) {
    context.err.Write(context.err.Paint(host::Colour::kYellow, "warning: ") + host::Printable(warning) + "\n");
  }
  const std::string run = RunName(submitted.run);
  context.out.Write(context.arguments.json ? "{\"run\": \"" + run + "\"}\n" : run + "\n");
  return host::kSucceeded;
}

absl::StatusOr<int> Watch(Context& context) {
  RunId run;
  if (!context.arguments.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(run, ParseRunName(context.arguments.run));
  }
  return host::ReportEnd(host::WatchOnBroker(context.client, run, ToFollow(context)), context.options,
                         context.arguments.json);
}

absl::StatusOr<int> Cancel(Context& context) {
  Command command;
  command.kind = CommandKind::kCancelRun;
  MILLRACE_ASSIGN_OR_RETURN(command.run, ParseRunName(context.arguments.run));
  return Tell(context, std::move(command), "run " + context.arguments.run + " is being cancelled");
}

absl::StatusOr<int> DrainWorker(Context& context) {
  Command command;
  command.kind = CommandKind::kDrainWorker;
  command.target = context.arguments.worker;
  return Tell(context, std::move(command), "worker " + context.arguments.worker + " finishes what it runs, then ends");
}

}  // namespace millrace::zmqctl
