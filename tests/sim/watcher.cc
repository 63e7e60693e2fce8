// SPDX-License-Identifier: Apache-2.0
// A client that follows everything as `zmqctl watch` does: it pages through what has changed since the last page, and
// must end up with every outcome, whatever was lost, came twice or was restarted on the way.
#include "absl/strings/str_format.h"
#include "world.h"

namespace millrace::sim {

void World::WatcherTurn(Client& client) {
  Query query;
  query.request = ++client.requests;
  query.kind = QueryKind::kRuns;
  Ship(client.link, kToBroker, query);
  for (auto& [run, watched] : client.watched) {
    if (!watched.complete) AskForPage(client, run, watched);
  }
  if (client.watched.empty() || !crowd_.Chance(0.2)) return;
  constexpr QueryKind kKinds[] = {QueryKind::kBroker, QueryKind::kWorkers, QueryKind::kWhy, QueryKind::kResult};
  query.request = ++client.requests;
  query.kind = kKinds[crowd_.Below(4)];
  query.run = client.watched.begin()->first;
  query.task = "t0";
  Ship(client.link, kToBroker, query);
}

void World::AskForPage(Client& client, RunId run, Watched& watched) {
  Query query;
  query.request = watched.request = ++client.requests;
  query.kind = QueryKind::kTasks;
  query.run = run;
  query.since = watched.since;
  query.limit = 1 + crowd_.Below(6);
  Ship(client.link, kToBroker, query);
}

void World::HearAtWatcher(Client& client, const Answer& answer) {
  if (answer.code != 0) return;
  for (const RunView& view : answer.runs) client.watched.try_emplace(view.run);
  const auto it = client.watched.find(answer.run);
  if (it == client.watched.end() || it->second.request != answer.request) return;
  Watched& watched = it->second;
  watched.request = 0;
  for (const TaskView& row : answer.tasks) {
    Outcome& outcome = watched.rows[row.index];
    if (outcome != Outcome::kNone && outcome != row.outcome) Wrong("I1: a watcher sees an outcome change");
    outcome = row.outcome;
  }
  watched.since = answer.next;
  if (answer.more) return AskForPage(client, it->first, watched);
  if (answer.runs.empty() || !HasEnded(answer.runs[0].state)) return;
  watched.complete = true;
  CheckPicture(it->first, watched);
}

void World::CheckPicture(RunId run, const Watched& watched) {
  const FoldedRun* durable = oracle_.durable().Find(run);
  if (durable == nullptr) return Wrong("I4: a watcher sees a run that is not durable");
  bool same = watched.rows.size() == durable->tasks.size();
  for (const auto& [index, outcome] : watched.rows) same = same && durable->tasks[index].outcome == outcome;
  if (!same) Wrong("I1: a watcher that has seen run " + RunName(run) + " end has missed some of its outcomes");
}

}  // namespace millrace::sim
