// SPDX-License-Identifier: Apache-2.0
// What a run that has ended would have taken on other workers.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "millrace/base/fields.h"
#include "millrace/base/status.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/report.h"
#include "millrace/host/summary.h"
#include "millrace/replay/simulate.h"
#include "tools/zmqctl/commands.h"
#include "tools/zmqctl/past_report.h"

namespace millrace::zmqctl {
namespace {

using Json = nlohmann::ordered_json;
using host::Printable;
using replay::Recording;
using replay::Simulation;

constexpr std::int64_t kMostWorkers = 10'000;
constexpr std::int64_t kMostSlots = 4096;  // of a worker; as many as a task may take

absl::StatusOr<std::vector<std::int64_t>> WorkersOf(const std::string& text) {
  std::vector<std::int64_t> counts;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    std::int64_t count = 0;
    if (!absl::SimpleAtoi(part, &count) || count < 1 || count > kMostWorkers) {
      return InvalidArgument("--workers %s: '%s' is no number of workers from 1 to %d; several are 1,2,4", text,
                             std::string(part), kMostWorkers);
    }
    counts.push_back(count);
  }
  return counts;
}

std::int64_t SlotsEach(const Arguments& arguments, const Recording& recording) {
  if (arguments.slots > 0) return arguments.slots;
  std::int64_t slots = recording.widest;
  for (const std::int64_t one : recording.slots) slots = std::max(slots, one);
  return slots;
}

double SpeedUp(const Recording& recording, const Simulation& simulation) {
  const auto makespan = static_cast<double>(simulation.makespan.count());
  return makespan > 0 ? static_cast<double>(recording.elapsed.count()) / makespan : 0;
}

double Seconds(Duration duration) { return std::round(std::chrono::duration<double>(duration).count() * 1e6) / 1e6; }
double Rounded(double value) { return std::round(value * 1e4) / 1e4; }

std::string FleetText(const std::vector<std::int64_t>& slots) {
  const auto [least, most] = std::minmax_element(slots.begin(), slots.end());
  return *least == *most ? std::to_string(*most) : absl::StrFormat("%d-%d", *least, *most);
}

struct Asked {
  Recording recording;
  std::optional<Simulation> again;  // on as many workers and slots as it had; none when nothing ran
  std::vector<Simulation> rows;
};

std::vector<std::string> Row(const Asked& asked, const Simulation& one, const std::string& first) {
  const bool path = one.bound == one.path;
  return {first,
          FleetText(one.slots),
          FormatDuration(one.makespan),
          absl::StrFormat("%.2f", SpeedUp(asked.recording, one)),
          absl::StrFormat("%.0f%%", 100 * one.Efficiency()),
          FormatDuration(one.bound),
          path ? "critical path" : "slots",
          std::string(EnumName(one.state))};
}

std::string Text(const report::RunReport& report, const Asked& asked, const host::Console& console) {
  const RunView& view = report.run.view;
  std::string text = absl::StrFormat("run %s of %s: %s in %s\n", RunName(view.run), Printable(view.name),
                                     EnumName(view.state), FormatDuration(asked.recording.elapsed));
  std::vector<std::vector<std::string>> rows = {
      {"workers", "slots each", "makespan", "speed-up", "efficiency", "at least", "because of", "ends"}};
  if (asked.again)
    rows.push_back(Row(asked, *asked.again, absl::StrFormat("%d (as it was)", asked.again->slots.size())));
  for (const Simulation& one : asked.rows) rows.push_back(Row(asked, one, std::to_string(one.slots.size())));
  text += host::FormatTable(rows, console);
  for (const std::string& note : asked.recording.notes) {
    text += console.Paint(host::Colour::kYellow, "note: ") + note + "\n";
  }
  return text;
}

Json RowJson(const Asked& asked, const Simulation& one) {
  return {{"workers", one.slots.size()},
          {"slots", one.AllSlots()},
          {"makespan_s", Seconds(one.makespan)},
          {"speed_up", Rounded(SpeedUp(asked.recording, one))},
          {"efficiency", Rounded(one.Efficiency())},
          {"work_s", Seconds(one.work)},
          {"critical_path_s", Seconds(one.path)},
          {"lower_bound_s", Seconds(one.bound)},
          {"state", EnumName(one.state)}};
}

std::string JsonText(const report::RunReport& report, const Asked& asked) {
  Json rows = Json::array();
  for (const Simulation& one : asked.rows) rows.push_back(RowJson(asked, one));
  const RunView& view = report.run.view;
  const Json json = {{"run", RunName(view.run)},
                     {"name", view.name},
                     {"state", EnumName(view.state)},
                     {"elapsed_s", Seconds(asked.recording.elapsed)},
                     {"handover_s", Seconds(asked.recording.handover)},
                     {"as_it_was", asked.again ? RowJson(asked, *asked.again) : Json(nullptr)},
                     {"simulated", std::move(rows)},
                     {"notes", asked.recording.notes}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<int> Simulate(const Arguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::int64_t> workers, WorkersOf(arguments.workers));
  if (arguments.slots < 0 || arguments.slots > kMostSlots) {
    return InvalidArgument("--slots %d: a worker has 1 to %d of them", arguments.slots, kMostSlots);
  }
  MILLRACE_ASSIGN_OR_RETURN(PastReport past, ReadReport(options.data_dir, arguments.run, /*with_job=*/true));
  Asked asked;
  MILLRACE_ASSIGN_OR_RETURN(asked.recording, replay::MakeRecording(past.report, std::move(past.job)));
  const std::vector<std::int64_t>& was = asked.recording.slots;
  if (!was.empty() && *std::max_element(was.begin(), was.end()) >= asked.recording.widest) {
    MILLRACE_ASSIGN_OR_RETURN(asked.again, replay::Simulate(asked.recording, was));
  }
  const std::int64_t slots = SlotsEach(arguments, asked.recording);
  for (const std::int64_t count : workers) {
    const std::vector<std::int64_t> fleet(static_cast<std::size_t>(count), slots);
    MILLRACE_ASSIGN_OR_RETURN(Simulation simulation, replay::Simulate(asked.recording, fleet));
    asked.rows.push_back(std::move(simulation));
  }
  const host::Console console = host::ConsoleFor(stdout, options);
  console.Write(arguments.json ? JsonText(past.report, asked) : Text(past.report, asked, console));
  return host::kSucceeded;
}

}  // namespace millrace::zmqctl
