// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/estimates.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/summary.h"
#include "millrace/net/context.h"
#include "millrace/report/estimates.h"

namespace millrace::zmqctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kPatience{500};
using host::Printable;

struct Pipeline {
  report::Estimates estimates;
  report::HitRate rate;
};

// In the order of their names. `runs`: the newest first.
absl::StatusOr<std::map<std::string, Pipeline>> PipelinesOf(const host::PastSource& source,
                                                            const std::vector<PastRun>& runs) {
  std::map<std::string, std::vector<report::RunReport>> reports;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    if (run->without_tasks || run->view.tasks > host::kTasksLookedAt) continue;
    MILLRACE_ASSIGN_OR_RETURN(report::RunReport report, host::ReadPastRun(source, run->view.run));
    reports[run->view.name].push_back(std::move(report));
  }
  std::map<std::string, Pipeline> pipelines;
  for (const auto& [name, past] : reports) {
    pipelines[name] = {host::EstimatesOf(past), report::HitRateOf(past)};
  }
  return pipelines;
}

double Seconds(Duration duration) { return std::round(std::chrono::duration<double>(duration).count() * 1e6) / 1e6; }

Json ToJson(const std::string& name, const Pipeline& pipeline) {
  Json modules = Json::array();
  for (const report::Estimates::Row& row : pipeline.estimates.Rows()) {
    modules.push_back({{"module", row.group},
                       {"version", row.version},
                       {"n", row.estimate.runs},
                       {"p50_s", Seconds(row.estimate.p50)},
                       {"p90_s", Seconds(row.estimate.p90)}});
  }
  const report::HitRate& rate = pipeline.rate;
  return {{"pipeline", name},
          {"runs", pipeline.estimates.runs()},
          {"handover_s", Seconds(pipeline.estimates.handover())},
          {"foreseen", {{"runs", rate.runs}, {"within_p50", rate.within_p50}, {"within_p90", rate.within_p90}}},
          {"modules", std::move(modules)}};
}

std::string Share(std::size_t part, std::size_t whole) {
  return absl::StrFormat("%d of %d (%.0f%%)", part, whole,
                         100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Text(const std::string& name, const Pipeline& pipeline, const host::Console& console) {
  constexpr std::size_t kVersionColumns = 12;  // a build's id is longer than anybody reads
  const report::HitRate& rate = pipeline.rate;
  std::string text = absl::StrFormat("%s: %d runs that succeeded", Printable(name), pipeline.estimates.runs());
  if (rate.runs > 0) {
    text += absl::StrFormat("; from those before, %s ended within their p50, %s within their p90",
                            Share(rate.within_p50, rate.runs), Share(rate.within_p90, rate.runs));
  }
  std::vector<std::vector<std::string>> rows = {{"module", "version", "n", "p50", "p90"}};
  for (const report::Estimates::Row& row : pipeline.estimates.Rows()) {
    rows.push_back({Printable(row.group), host::Clip(Printable(row.version), kVersionColumns),
                    std::to_string(row.estimate.runs), FormatDuration(row.estimate.p50),
                    FormatDuration(row.estimate.p90)});
  }
  return text + "\n" + host::FormatTable(rows, console);
}

}  // namespace

absl::StatusOr<std::string> EstimatesOf(const host::PastSource& source, const std::vector<PastRun>& runs, bool json,
                                        const host::Console& console) {
  using Pipelines = std::map<std::string, Pipeline>;
  MILLRACE_ASSIGN_OR_RETURN(const Pipelines pipelines, PipelinesOf(source, runs));
  if (json) {
    Json array = Json::array();
    for (const auto& [name, pipeline] : pipelines) array.push_back(ToJson(name, pipeline));
    return array.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  std::string text;
  for (const auto& [name, pipeline] : pipelines) text += (text.empty() ? "" : "\n") + Text(name, pipeline, console);
  return text.empty() ? "no run has succeeded yet\n" : text;
}

absl::StatusOr<std::map<RunId, host::TimesLeft>> TimesLeftOf(Context& context, const std::vector<RunView>& runs) {
  std::map<RunId, host::TimesLeft> times;
  const auto has_ended = [](const RunView& run) { return HasEnded(run.state); };
  if (std::all_of(runs.begin(), runs.end(), has_ended)) return times;
  // The history answers when its broker has nothing better to do; whoever looks at runs is not kept waiting for that.
  net::SocketContext sockets;
  MILLRACE_ASSIGN_OR_RETURN(host::RemoteBroker remote, host::Dial(sockets, context.options));
  client::ClientOptions options = host::ClientOptionsOf(context.options);
  options.patience = kPatience;
  client::Client client(std::move(remote.link), *remote.blobs, options);
  std::map<std::string, std::optional<host::Outlook>> outlooks;
  for (const RunView& run : runs) {
    if (HasEnded(run.state) || run.tasks > host::kTasksLookedAt) continue;
    if (!outlooks.contains(run.name)) {
      MILLRACE_ASSIGN_OR_RETURN(outlooks[run.name], host::LookAhead(client, run.name));
    }
    std::optional<host::Outlook>& outlook = outlooks[run.name];
    if (!outlook) continue;
    const absl::StatusOr<std::vector<TaskView>> rows = host::RowsOf(client, run.run);
    if (!rows.ok()) continue;  // it may have been forgotten meanwhile
    outlook->Expect(host::ForeseeableOf(*rows));
    std::map<std::uint32_t, TaskView> seen;
    for (const TaskView& row : *rows) seen[row.index] = row;
    if (const std::optional<host::TimesLeft> left = outlook->For(run, seen)) times[run.run] = *left;
  }
  return times;
}

}  // namespace millrace::zmqctl
