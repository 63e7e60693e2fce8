// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/rerun.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/api/runner.h"
#include "millrace/base/fields.h"
#include "millrace/base/status.h"
#include "millrace/exec/secret_source.h"
#include "millrace/host/assemble.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/report.h"
#include "millrace/host/summary.h"
#include "millrace/wire/json.h"
#include "millrace/wire/lz4.h"

namespace millrace::host {
namespace {

using Json = nlohmann::ordered_json;

absl::Status CheckModule(const RerunRequest& request, const ModuleSpec& module, Rebuilt& rebuilt) {
  const absl::StatusOr<const ModuleEntry*> entry = request.registry->Find(module.name);
  if (!entry.ok()) {
    return NotFound("%s; a task runs again in the program that has its module (PROGRAM rerun ...)",
                    TextOf(entry.status()));
  }
  if (module.fingerprint != 0 && module.fingerprint != (*entry)->fingerprint) {
    return FailedPrecondition(
        "the module '%s' of this program has other inputs, needs or results than the one that ran; use the program of "
        "then",
        module.name);
  }
  const std::string version((*entry)->version);
  if (!version.empty() && version != module.version) {
    rebuilt.notes.push_back(
        absl::StrFormat("the module '%s' had version %s then, and has %s now", module.name, module.version, version));
  }
  return absl::OkStatus();
}

absl::StatusOr<SlotDependency> NeedOf(const PastSource& source, RunId run, const Dependency& need) {
  Query query;
  query.kind = QueryKind::kPastTasks;
  query.run = run;
  query.since = need.task;
  query.limit = 1;
  MILLRACE_ASSIGN_OR_RETURN(const Answer row, source.ask(query));
  if (row.past_tasks.empty() || row.past_tasks.front().view.index != need.task) {
    return Error(absl::StatusCode::kDataLoss, "the history has no task number %d of run %s", need.task, RunName(run));
  }
  const std::string name = row.past_tasks.front().view.name;
  MILLRACE_ASSIGN_OR_RETURN(const PastTaskAndWork past, FindPastTask(source, run, name));
  SlotDependency dependency{.name = name,
                            .module = past.task.view.module,
                            .parameter = need.parameter,
                            .outcome = past.task.view.outcome,
                            .result = {},
                            .failure = past.task.view.failure,
                            .inputs = {}};
  if (past.work && past.work->inputs_left_out == 0) dependency.inputs.bytes = past.work->job.tasks.front().inputs;
  if (!IsGood(dependency.outcome)) return dependency;
  query = {};
  query.kind = QueryKind::kPastResult;
  query.run = run;
  query.task = name;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, source.ask(query));
  absl::StatusOr<Bytes> result = source.unpack(answer, name);
  if (!result.ok()) return Annotate(result.status(), absl::StrFormat("it needs '%s'", name));
  if (!result->empty()) {
    dependency.result.bytes = wire::PackPayload(*result);
    dependency.result.size = dependency.result.bytes.size();
  }
  return dependency;
}

// A task of the scheduler is named by the pipeline; what never ran has no try.
absl::Status CheckKept(const PastTaskAndWork& past) {
  const std::string name = "'" + past.task.view.name + "' of run " + RunName(past.run);
  if (!past.work) {
    return FailedPrecondition("%s cannot be run again: an older Millrace has kept it, without its inputs", name);
  }
  if (past.work->inputs_left_out > 0) {
    return FailedPrecondition("%s cannot be run again: its inputs had %d bytes; the history keeps 256 KiB of a task",
                              name, past.work->inputs_left_out);
  }
  if (past.work->needs_left_out > 0) {
    return FailedPrecondition("%s cannot be run again: %d of its needs are not kept", name, past.work->needs_left_out);
  }
  return absl::OkStatus();
}

std::string JsonOf(const Bytes& packed, bool inputs) {
  const absl::StatusOr<Bytes> bytes =
      inputs ? wire::UnpackInputs(packed, packed.size() * 256 + 1024) : wire::UnpackPayload(packed, SIZE_MAX);
  if (packed.empty() || !bytes.ok() || bytes->empty()) return inputs ? "{}" : "null";
  return wire::MsgpackToJson(bytes->view(), wire::JsonStyle::kCompact).value_or("(no JSON)");
}

Json ToJson(const Rebuilt& rebuilt) {
  const SlotExecute& execute = rebuilt.execute;
  Json needs = Json::array();
  for (const SlotDependency& need : execute.needs) {
    needs.push_back({{"name", need.name},
                     {"module", need.module},
                     {"outcome", EnumName(need.outcome)},
                     {"result", Json::parse(JsonOf(need.result.bytes, false), nullptr, false)}});
  }
  Json secrets = Json::object();
  for (const auto& [variable, name] : rebuilt.secrets) secrets[variable] = name;
  return {{"run", RunName(rebuilt.run)},  {"task", execute.name},
          {"module", execute.module},     {"inputs", Json::parse(JsonOf(execute.inputs.bytes, true), nullptr, false)},
          {"env", execute.env},           {"secrets", std::move(secrets)},
          {"work_dir", execute.work_dir}, {"needs", std::move(needs)},
          {"notes", rebuilt.notes}};
}

std::string Shown(std::string text) {
  constexpr std::size_t kColumns = 200;
  return Clip(Printable(std::move(text)), kColumns);
}

std::string Text(const Rebuilt& rebuilt) {
  const SlotExecute& execute = rebuilt.execute;
  std::string text = absl::StrFormat("%s of run %s, module %s, in %s\n", Printable(execute.name), RunName(rebuilt.run),
                                     Printable(execute.module), Printable(execute.work_dir));
  text += "  inputs   " + Shown(JsonOf(execute.inputs.bytes, true)) + "\n";
  for (const auto& [name, value] : execute.env) text += "  env      " + Shown(name + "=" + value) + "\n";
  for (const auto& [variable, name] : rebuilt.secrets) {
    text += absl::StrFormat("  secret   %s, in %s\n", Printable(name), Printable(variable));
  }
  for (const SlotDependency& need : execute.needs) {
    text += absl::StrFormat("  needs    %s (%s) %s\n", Printable(need.name), EnumName(need.outcome),
                            Shown(JsonOf(need.result.bytes, false)));
  }
  return text;
}

std::string Dump(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; }

void Tell(const RerunRequest& request, const Rebuilt& rebuilt, const SlotDone& done) {
  TaskView view;
  view.name = rebuilt.execute.name;
  view.state = TaskState::kEnded;
  view.outcome = done.outcome;
  view.execution = done.execution;
  view.failure = done.failure;
  view.failure.output.clear();  // it was shown as it came
  if (request.json) {
    const Failure& failure = done.failure;
    request.out.Write(
        Dump({{"task", view.name},
              {"run", RunName(rebuilt.run)},
              {"outcome", EnumName(done.outcome)},
              {"execution_s", std::chrono::duration<double>(done.execution).count()},
              {"result", Json::parse(JsonOf(done.result.bytes, false), nullptr, false)},
              {"failure", done.outcome == Outcome::kSucceeded ? Json(nullptr)
                                                              : Json{{"message", failure.message},
                                                                     {"exit_code", failure.exit_code},
                                                                     {"signal", failure.signal},
                                                                     {"exception", failure.exception},
                                                                     {"out_of_memory", failure.out_of_memory}}}}));
  }
  if (done.outcome == Outcome::kSucceeded) {
    request.err.Write(request.err.Paint(Colour::kGreen, "succeeded") +
                      absl::StrFormat(" %s in %s\n", Printable(view.name), FormatDuration(done.execution)));
  } else if (done.outcome == Outcome::kFailed) {
    request.err.Write(FailureText(view, request.err));
  } else {
    request.err.Write(
        absl::StrFormat("%s %s: %s\n", StateText(view), Printable(view.name), Printable(done.failure.message)));
  }
}

}  // namespace

absl::StatusOr<Rebuilt> Rebuild(const PastSource& source, const RerunRequest& request) {
  MILLRACE_ASSIGN_OR_RETURN(const PastTaskAndWork past, FindPastTask(source, request.run, request.task));
  MILLRACE_RETURN_IF_ERROR(CheckKept(past));
  const JobSpec& job = past.work->job;
  const TaskSpec& spec = job.tasks.front();
  Rebuilt rebuilt;
  rebuilt.run = past.run;
  MILLRACE_RETURN_IF_ERROR(CheckModule(request, job.modules.front(), rebuilt));
  if (!job.policies.front().idempotent) {
    rebuilt.notes.emplace_back("it is not idempotent: what it has done then, it does once more");
  }
  std::error_code error;
  const auto work_dir = std::filesystem::canonical(request.options.work_dir, error);
  if (error) return ErrnoStatus(error.value(), absl::StrFormat("--work-dir %s", request.options.work_dir));
  SlotExecute& execute = rebuilt.execute;
  execute.task = {past.run, past.task.view.index};
  execute.try_number = past.task.view.try_number + 1;
  execute.name = spec.name;
  execute.module = job.modules.front().name;
  execute.inputs.bytes = spec.inputs;
  execute.env = spec.env;
  execute.work_dir = work_dir.string();
  execute.kill_grace = request.options.kill_grace;
  execute.max_payload = static_cast<std::uint64_t>(request.options.max_payload_size);
  rebuilt.secrets = job.policies.front().secrets;
  for (const Dependency& need : spec.needs) {
    MILLRACE_ASSIGN_OR_RETURN(SlotDependency dependency, NeedOf(source, past.run, need));
    if (need.kind == DependencyKind::kRequired && !IsGood(dependency.outcome) && past.task.view.try_number == 0) {
      rebuilt.notes.push_back(
          absl::StrFormat("it has never run: '%s', which it needs, did not succeed", dependency.name));
    }
    execute.needs.push_back(std::move(dependency));
  }
  return rebuilt;
}

absl::StatusOr<int> Rerun(const PastSource& source, const RerunRequest& request) {
  MILLRACE_ASSIGN_OR_RETURN(Rebuilt rebuilt, Rebuild(source, request));
  for (const std::string& note : rebuilt.notes) {
    request.err.Write(request.err.Paint(Colour::kYellow, "note: ") + Printable(note) + "\n");
  }
  if (request.dry_run) {
    request.out.Write(request.json ? Dump(ToJson(rebuilt)) : Text(rebuilt));
    return kSucceeded;
  }
  if (!rebuilt.secrets.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const exec::SecretSource secrets, SecretsOf(request.options));
    MILLRACE_ASSIGN_OR_RETURN(rebuilt.execute.secrets, exec::ReadSecrets(secrets, rebuilt.secrets));
  }
  std::stop_source stop;
  if (request.interrupts != nullptr) request.interrupts->SetHandler([&stop](int) { stop.request_stop(); });
  TaskOutput output([&request](std::string_view text, bool is_stderr) {
    (is_stderr || request.json ? request.err : request.out).Write(text);
  });
  const SlotDone done = RunSlot(*request.registry, rebuilt.execute, stop.get_token(), output);
  if (request.interrupts != nullptr) request.interrupts->SetHandler({});
  Tell(request, rebuilt, done);
  if (done.outcome == Outcome::kCancelled) return kInterrupted;
  return done.outcome == Outcome::kSucceeded || done.outcome == Outcome::kSkipped ? kSucceeded : kRunFailed;
}

Command& DeclareRerun(Command& root, RerunWords& words) {
  Command& command = root.Add("rerun", "Run one task of a run that has ended again, here, with what it had");
  command.Argument("TASK", &words.task, "By name, as summaries and reports have it")
      .Option("--run", "RUN", &words.run, "The run, as `zmqctl history` shows it; the last when it is left out")
      .Flag("--local", &words.local, "On this machine, in this process, in the foreground: the only way there is")
      .Option("--data-dir", "DIR", &words.data_dir, "Read its record there and ask no broker; one may run meanwhile")
      .Flag("--dry-run", &words.dry_run, "Show module, inputs, environment and needs, and run nothing")
      .Flag("--json", &words.json, "Print how it ended (or with --dry-run what it is) as JSON");
  for (const char* setting : {"orchestrator_url", "key_file", "insecure_allow_plaintext_on", "work_dir", "secrets_dir",
                              "secrets_from_env", "kill_grace", "max_payload_size", "color", "log_level"}) {
    command.Setting(setting);
  }
  return command;
}

absl::StatusOr<int> RerunFrom(const RerunWords& words, const Registry& registry, const Options& options,
                              Interrupts& interrupts) {
  if (!words.local && !words.dry_run) {
    return InvalidArgument("a task is run again on this machine only: say --local (or --dry-run to see what it is)");
  }
  RerunRequest request;
  if (!words.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(request.run, ParseRunName(words.run));
  }
  request.task = words.task;
  request.registry = &registry;
  request.options = options;
  request.dry_run = words.dry_run;
  request.json = words.json;
  request.out = ConsoleFor(stdout, options);
  request.err = ConsoleFor(stderr, options);
  request.interrupts = &interrupts;
  const auto most = static_cast<std::uint64_t>(options.max_payload_size);
  if (!words.data_dir.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const PastSource source, AskDisk(words.data_dir, most));
    return Rerun(source, request);
  }
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(RemoteBroker remote, Dial(context, options));
  client::Client client(std::move(remote.link), *remote.blobs, ClientOptionsOf(options));
  interrupts.SetHandler([&client](int) { client.Interrupt(); });
  absl::StatusOr<int> done = Rerun(AskBroker(client, most), request);
  interrupts.SetHandler({});
  return done;
}

}  // namespace millrace::host
