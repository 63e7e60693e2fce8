// SPDX-License-Identifier: Apache-2.0
// A client that submits its runs, again with the same token until it has an answer and now and then afterwards, asks
// how they are doing, and commands.
#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "tests/support/print.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void World::ClientTurn() {
  bool open = false;
  for (const ClientRun& run : client_runs_) open |= !run.ended;
  if (!open) return;
  time_.After(net_.Within(milliseconds(300), milliseconds(1500)), kClient, [this] { ClientTurn(); });
  const bool silent = Faulty() && plan_.faults.Has(Fault::kDisconnect) && net_.Chance(0.1);
  if (client_link_.valid() && (silent || LinkOf(client_link_).broker_life != broker_life_)) {
    Break(client_link_, true, false, false);
    client_link_ = {};
  }
  if (!client_link_.valid()) {
    if (broker_ == nullptr) return;
    client_link_ = Open(kClient, 0, -1, {});
    client_welcome_ = false;
  }
  if (!client_welcome_) {
    Hello hello;
    hello.role = Role::kClient;
    hello.version = "sim";
    Ship(client_link_, kToBroker, hello);
  }
  for (std::size_t i = 0; i < client_runs_.size(); ++i) {
    if (time_.now() >= plan_.runs[i].submit) AskAbout(i);
  }
}

void World::AskAbout(std::size_t index) {
  ClientRun& run = client_runs_[index];
  if (run.ended) return;
  const PlannedRun& planned = plan_.runs[index];
  if (!run.run.valid() || net_.Chance(0.05)) {
    Submit submit;
    submit.request = ++requests_;
    submit.token = planned.token;
    submit.job = planned.job;
    submits_[submit.request] = index;
    Ship(client_link_, kToBroker, submit);
    if (!run.run.valid()) return;
  }
  if (time_.now() >= planned.cancel && !run.cancel_answered) {
    cancels_[requests_ + 1] = index;
    Command(CommandKind::kCancelRun, run.run, "");
  }
  Query query;
  query.request = ++requests_;
  query.kind = net_.Chance(0.3) ? QueryKind::kTasks : QueryKind::kRun;
  query.run = run.run;
  Ship(client_link_, kToBroker, query);
}

void World::Command(CommandKind kind, RunId run, std::string target) {
  if (!client_link_.valid()) return;
  struct Command command;
  command.request = ++requests_;
  command.kind = kind;
  command.run = run;
  command.target = std::move(target);
  Ship(client_link_, kToBroker, command);
}

void World::HearAtClient(const Message& message) {
  Mix(message.index() + 99);
  if (trace_) Say("  client hears " + testing::Print(message));
  if (std::holds_alternative<Welcome>(message)) client_welcome_ = true;
  const auto* answer = std::get_if<Answer>(&message);
  if (answer == nullptr) return;
  if (const auto it = submits_.find(answer->request); it != submits_.end()) {
    if (answer->code != 0) return Wrong("a submission is refused: " + answer->message);
    ClientRun& run = client_runs_[it->second];
    if (run.run.valid() && run.run != answer->run) Wrong("I1: the same token gives another run");
    run.run = answer->run;
  }
  if (const auto it = cancels_.find(answer->request); it != cancels_.end() && answer->code == 0) {
    client_runs_[it->second].cancel_answered = true;
  }
  for (const RunView& view : answer->runs) {
    for (ClientRun& run : client_runs_) {
      if (run.run == view.run && HasEnded(view.state)) run.ended = true;
    }
  }
  if (answer->code == static_cast<std::int32_t>(absl::StatusCode::kNotFound)) {
    for (const ClientRun& run : client_runs_) {
      if (run.run.valid() && answer->message.find("no run " + RunName(run.run)) != std::string::npos) {
        Wrong("I4: a run that was accepted is not known any more");
      }
    }
  }
}

}  // namespace millrace::sim
