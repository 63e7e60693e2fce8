// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_score.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "millrace/base/names.h"
#include "tools/zmqctl/chaos_plan.h"

namespace millrace::zmqctl {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t ReexecutionsOf(const ScoreCard& card) {
  return card.steps ? card.steps->reexecutions : card.journal.after_loss;
}

std::string NameOf(std::size_t kind) { return std::string(EnumName(static_cast<FaultKind>(kind))); }

std::string SpreadText(const std::vector<Duration>& times) {
  const Spread spread = SpreadOf(times);
  if (spread.count == 0) return "-";
  return absl::StrFormat("p50 %s, p99 %s, max %s (%d)", FormatDuration(spread.median), FormatDuration(spread.p99),
                         FormatDuration(spread.longest), spread.count);
}

Json SpreadJson(const std::vector<Duration>& times) {
  const auto ms = [](Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  const Spread spread = SpreadOf(times);
  return {{"count", spread.count},
          {"p50_ms", ms(spread.median)},
          {"p99_ms", ms(spread.p99)},
          {"max_ms", ms(spread.longest)}};
}

std::string FaultsText(const std::vector<std::uint64_t>& done) {
  std::vector<std::string> parts;
  for (std::size_t kind = 0; kind < done.size(); ++kind) {
    if (done[kind] > 0) parts.push_back(absl::StrFormat("%d %s", done[kind], NameOf(kind)));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

}  // namespace

bool ScoreCard::clean() const { return Broken().empty(); }

std::vector<std::string> ScoreCard::Broken() const {
  std::vector<std::string> broken;
  if (journal.lost > 0) broken.push_back(absl::StrFormat("%d tasks were lost", journal.lost));
  if (journal.committed_twice > 0) {
    broken.push_back(absl::StrFormat("%d outcomes were committed twice", journal.committed_twice));
  }
  const auto add = [&broken](const Findings& findings) {
    broken.insert(broken.end(), findings.texts().begin(), findings.texts().end());
    const std::uint64_t more = findings.count() - findings.texts().size();
    if (more > 0) broken.push_back(absl::StrFormat("and %d more like these", more));
  };
  add(journal.order);
  add(journal.outcome);
  if (steps) add(steps->broken);
  add(watch);
  broken.insert(broken.end(), story.defects.begin(), story.defects.end());
  return broken;
}

std::string ScoreText(const ScoreCard& card, const host::Console& console) {
  std::string text;
  const auto row = [&](std::string_view name, const std::string& value, bool good = true) {
    text += host::Pad(name, 18) + (good ? value : console.Paint(host::Colour::kRed, value)) + "\n";
  };
  const JournalVerdict& journal = card.journal;
  row("run", absl::StrFormat("%s in %s", EnumName(journal.state), FormatDuration(card.elapsed)),
      journal.outcome.count() == 0);
  row("faults", FaultsText(card.story.done));
  row("tasks", std::to_string(journal.tasks));
  row("attempts", std::to_string(journal.attempts));
  row("re-executions", absl::StrFormat("%d%s", ReexecutionsOf(card), card.steps ? "" : " at most"));
  row("lost", std::to_string(journal.lost), journal.lost == 0);
  row("committed twice", std::to_string(journal.committed_twice), journal.committed_twice == 0);
  row("order violated", std::to_string(journal.order.count()), journal.order.count() == 0);
  if (card.steps) {
    row("limits and steps",
        absl::StrFormat("%d violated; %d slots of a worker in use at most", card.steps->broken.count(),
                        card.steps->most_at_once),
        card.steps->broken.count() == 0);
  }
  row("poison", std::to_string(journal.poisoned));
  row("worker killed", SpreadText(card.recoveries.tasks) + " until its tasks were assigned again");
  row("broker killed", SpreadText(card.recoveries.broker) + " until the next record");
  for (const std::string& note : card.story.notes) row("note", note);
  for (const std::string& broken : card.Broken()) row("BROKEN", host::Printable(broken), false);
  const bool clean = card.clean();
  row("score", console.Paint(clean ? host::Colour::kGreen : host::Colour::kRed, clean ? "clean" : "NOT CLEAN"));
  return text;
}

std::string ScoreJson(const ScoreCard& card) {
  const JournalVerdict& journal = card.journal;
  Json faults = Json::object();
  for (std::size_t kind = 0; kind < card.story.done.size(); ++kind) faults[NameOf(kind)] = card.story.done[kind];
  Json json = {{"clean", card.clean()},
               {"seed", card.seed},
               {"state", std::string(EnumName(journal.state))},
               {"elapsed_ms", std::chrono::duration_cast<std::chrono::milliseconds>(card.elapsed).count()},
               {"faults", faults},
               {"tasks", journal.tasks},
               {"attempts", journal.attempts},
               {"reexecutions", ReexecutionsOf(card)},
               {"reexecutions_exact", card.steps.has_value()},
               {"lost", journal.lost},
               {"committed_twice", journal.committed_twice},
               {"order_violated", journal.order.count()},
               {"poisoned", journal.poisoned},
               {"worker_recovery", SpreadJson(card.recoveries.tasks)},
               {"broker_recovery", SpreadJson(card.recoveries.broker)},
               {"notes", card.story.notes},
               {"broken", card.Broken()}};
  if (card.steps) {
    json["executions"] = card.steps->executions;
    json["limits_violated"] = card.steps->broken.count();
    json["most_at_once"] = card.steps->most_at_once;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace millrace::zmqctl
