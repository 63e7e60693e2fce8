// SPDX-License-Identifier: Apache-2.0
// Clients that submit, again with the same token until they have an answer and now and then afterwards, ask how their
// runs are doing, and command. The owner stays until all is over; a guest submits some of the same and may go away.
#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "tests/support/print.h"
#include "world.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void World::ReceiveClients() {
  for (std::uint32_t index = 0; index < kClients; ++index) {
    Client& client = clients_[index];
    client.index = index;
    client.here =
        index == kOwner || (index == kGuest && plan_.faults.Has(Fault::kGuest)) || (index == kWatcher && plan_.watcher);
    client.told.resize(plan_.runs.size());
    if (client.here) time_.At(Instant(seconds(100)), client.node(), [this, index] { ClientTurn(index); });
  }
  if (!clients_[kGuest].here || plan_.guest_leaves == kNever) return;
  time_.At(plan_.guest_leaves, kNobody, [this] { Leave(clients_[kGuest]); });
}

void World::Leave(Client& client) {
  Say("! the guest goes away");
  client.here = false;
  if (client.link.valid()) Break(client.link, crowd_.Chance(0.8), false, false);
  client.link = {};
}

// Whether the client submits this run, and follows it.
bool World::Wants(const Client& client, std::size_t run) const {
  return client.index == kOwner ? plan_.runs[run].owned : plan_.runs[run].guest_submit != kNever;
}

bool World::IsServed(const Client& client) const {
  if (client.index == kWatcher) {
    for (const auto& [id, run] : oracle_.tip().runs()) {
      const auto it = client.watched.find(id);
      if (it == client.watched.end() || !it->second.complete) return false;
    }
    return true;
  }
  for (std::size_t i = 0; i < client.told.size(); ++i) {
    if (Wants(client, i) && !client.told[i].ended) return false;
  }
  return true;
}

void World::ClientTurn(std::uint32_t index) {
  Client& client = clients_[index];
  if (!client.here) return;
  if (index != kWatcher && IsServed(client)) return;
  time_.After(crowd_.Within(milliseconds(500), milliseconds(2500)), client.node(),
              [this, index] { ClientTurn(index); });
  if (!IsConnected(client)) return;
  if (index == kWatcher) return WatcherTurn(client);
  for (std::size_t i = 0; i < client.told.size(); ++i) {
    const PlannedRun& planned = plan_.runs[i];
    const Instant submit = index == kOwner ? planned.submit : planned.guest_submit;
    if (Wants(client, i) && time_.now() >= submit) AskAbout(client, i);
  }
}

bool World::IsConnected(Client& client) {
  const bool silent = Faulty() && plan_.faults.Has(Fault::kDisconnect) && crowd_.Chance(0.1);
  if (client.link.valid() && (silent || LinkOf(client.link).broker_life != broker_life_)) {
    Break(client.link, true, false, false);
    client.link = {};
  }
  if (!client.link.valid()) {
    if (broker_ == nullptr) return false;
    client.link = Open(client.node(), 0, -1, {});
    client.welcome = false;
  }
  if (client.welcome) return true;
  Hello hello;
  hello.role = Role::kClient;
  hello.version = "sim";
  Ship(client.link, kToBroker, hello);
  return true;
}

void World::AskAbout(Client& client, std::size_t index) {
  Told& told = client.told[index];
  if (told.ended) return;
  const PlannedRun& planned = plan_.runs[index];
  if (!told.run.valid() || crowd_.Chance(0.05)) {
    Submit submit;
    submit.request = ++client.requests;
    submit.token = planned.token;
    submit.job = planned.job;
    submit.watch = planned.token % 2 == 0;  // the end comes unasked
    client.submits[submit.request] = index;
    Ship(client.link, kToBroker, submit);
    if (!told.run.valid()) return;
  }
  if (time_.now() >= planned.cancel && !told.cancel_answered) {
    client.cancels[client.requests + 1] = index;
    Command(client, CommandKind::kCancelRun, told.run, "");
  }
  Query query;
  query.request = ++client.requests;
  query.kind = crowd_.Chance(0.3) ? QueryKind::kTasks : QueryKind::kRun;
  query.run = told.run;
  Ship(client.link, kToBroker, query);
}

void World::Command(Client& client, CommandKind kind, RunId run, std::string target) {
  if (!client.link.valid()) return;
  struct Command command;
  command.request = ++client.requests;
  command.kind = kind;
  command.run = run;
  command.target = std::move(target);
  Ship(client.link, kToBroker, command);
}

void World::HearAtClient(Client& client, const Message& message) {
  Mix(message.index() + 99);
  if (trace_) Say(absl::StrFormat("  client %d hears %s", client.index, testing::Print(message)));
  if (std::holds_alternative<Welcome>(message)) client.welcome = true;
  const auto* answer = std::get_if<Answer>(&message);
  if (answer == nullptr) return;
  if (client.index == kWatcher) return HearAtWatcher(client, *answer);
  if (const auto it = client.submits.find(answer->request); it != client.submits.end()) {
    if (answer->code != 0) return Wrong("a submission is refused: " + answer->message);
    Told& told = client.told[it->second];
    if (told.run.valid() && told.run != answer->run) Wrong("I1: the same token gives another run");
    told.run = answer->run;
  }
  if (const auto it = client.cancels.find(answer->request); it != client.cancels.end() && answer->code == 0) {
    client.told[it->second].cancel_answered = true;
    const FoldedRun* run = oracle_.durable().Find(client.told[it->second].run);
    if (run == nullptr || !(run->cancelled || HasEnded(run->state)))
      Wrong("I4: a cancel is answered before it is durable");
  }
  for (const RunView& view : answer->runs) {
    for (Told& told : client.told) {
      if (told.run == view.run && HasEnded(view.state)) told.ended = true;
    }
  }
  if (answer->code == static_cast<std::int32_t>(absl::StatusCode::kNotFound)) HearNotFound(client, *answer);
}

void World::HearNotFound(const Client& client, const Answer& answer) {
  for (const Told& told : client.told) {
    if (told.run.valid() && answer.message.find("no run " + RunName(told.run)) != std::string::npos) {
      Wrong("I4: a run that was accepted is not known any more");
    }
  }
}

}  // namespace millrace::sim
