// SPDX-License-Identifier: Apache-2.0
// How well the scheduler schedules: the time from submission to the last end, in virtual time, of graphs that others
// have recorded or drawn, on workers of one slot each; by what is possible (bench/list_schedule.h), and by proven
// optima where they are known. Prints JSON.
//   makespan [--slots 4,16,64] [--optima FILE.tsv] [--stg-unit SECONDS] [--unknown] [--workloads DIR] [GRAPH...]
// --workloads: the graphs below a folder, wfinstances/*.json, and stg/ with its optima in stg/optima.tsv. --optima: a
// table with the columns graph, procs and opt; a graph is looked up by the end of its path, and is scheduled on as many
// slots as the table has rows for it. --unknown: nobody says what the tasks will take.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "bench/dag.h"
#include "bench/list_schedule.h"
#include "millrace/base/status.h"
#include "millrace/replay/virtual_fleet.h"

namespace millrace::bench {
namespace {

constexpr char kHelp[] = R"(Usage: makespan [options] [GRAPH...]

How long the real scheduler takes for graphs whose durations are known, in virtual time, against a lower bound and
against list scheduling by longest path. Reads WfFormat (.json), a task a line (.jsonl) and STG (.stg); prints JSON.

  --slots N,...          workers of one slot each (4,16,64)
  --optima FILE.tsv      with the columns graph, procs and opt: such graphs run on as many slots as it has rows for
  --stg-unit SECONDS     what one unit of an STG graph stands for (10)
  --unknown              do not tell the scheduler what tasks are expected to take
  --workloads DIR        the graphs in wfinstances/ and stg/ below it, with stg/optima.tsv
  -h, --help             this text

Examples:
  makespan workflow.json tree.jsonl
  makespan --optima optima.tsv stg/50/*.stg
)";

using Json = nlohmann::ordered_json;

[[noreturn]] void Die(const std::string& text) {
  std::fprintf(stderr, "makespan: %s\n", text.c_str());
  std::exit(2);
}

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

struct Options {
  std::vector<std::size_t> slots = {4, 16, 64};
  std::map<std::string, std::map<std::size_t, double>> optima;  // by graph, by slots: in units
  double stg_unit = 10;
  bool expected = true;
  std::vector<std::string> files;
};

void ReadOptima(const std::string& file, Options& options) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) Die("cannot read " + file);
  std::map<std::string, std::size_t> columns;
  for (const std::string& name : Split(line, '\t')) columns.emplace(name, columns.size());
  for (const char* name : {"graph", "procs", "opt"}) {
    if (!columns.contains(name)) Die(file + " has no column '" + name + "'");
  }
  while (std::getline(in, line)) {
    std::vector<std::string> cells = Split(line, '\t');
    cells.resize(columns.size());
    const std::string& optimum = cells[columns["opt"]];
    if (optimum.empty()) continue;  // nobody has proven one
    options.optima[cells[columns["graph"]]][std::stoul(cells[columns["procs"]])] = std::stod(optimum);
  }
}

// In the order of their names, so that two runs say the same.
void AddFolder(const std::filesystem::path& folder, const std::string& ending, Options& options) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.path().extension() == ending) found.push_back(entry.path().string());
  }
  if (found.empty()) Die("no " + ending + " files in " + folder.string());
  std::sort(found.begin(), found.end());
  options.files.insert(options.files.end(), found.begin(), found.end());
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::string(argv[++i]) : (Die(word + " needs a value"), ""); };
    if (word == "--slots") {
      options.slots.clear();
      for (const std::string& count : Split(value(), ',')) options.slots.push_back(std::stoul(count));
    } else if (word == "--optima") {
      ReadOptima(value(), options);
    } else if (word == "--stg-unit") {
      options.stg_unit = std::stod(value());
    } else if (word == "--workloads") {
      const std::filesystem::path folder = value();
      ReadOptima((folder / "stg" / "optima.tsv").string(), options);
      AddFolder(folder / "wfinstances", ".json", options);
      AddFolder(folder / "stg", ".stg", options);
    } else if (word == "--unknown") {
      options.expected = false;
    } else if (word == "--help" || word == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (word.starts_with("--")) {
      Die("unknown option " + word + "; see makespan --help");
    } else {
      options.files.push_back(word);
    }
  }
  if (options.files.empty()) Die("no graphs; say the files, e.g. workflow.json tree.jsonl rand0000.stg");
  return options;
}

double InSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
double Rounded(double value) { return std::round(value * 10000) / 10000; }

struct Ratios {
  std::vector<double> values;
  void Add(double value) { values.push_back(value); }
  Json Summary() const {
    if (values.empty()) return nullptr;
    double sum = 0;
    for (const double value : values) sum += value;
    return {{"of", values.size()},
            {"mean", Rounded(sum / static_cast<double>(values.size()))},
            {"worst", Rounded(*std::max_element(values.begin(), values.end()))}};
  }
};

struct Totals {
  Ratios by_bound;             // of all
  Ratios by_bound_slot_bound;  // where there is so much work that slots, and not a path, are what is short
  Ratios by_list;
  Ratios by_optimum;
};

Json One(const Dag& dag, std::size_t slots, std::optional<Duration> optimum, const Options& options, Totals& totals) {
  replay::VirtualFleet fleet(slots, 1);
  const absl::StatusOr<Duration> ran =
      fleet.Run(JobOf(dag, options.expected), [&dag](std::uint32_t task) { return dag.tasks[task].takes; });
  if (!ran.ok()) Die(TextOf(ran.status()));
  const Duration makespan = *ran;
  const Bounds bounds = BoundsOf(dag, slots);
  const Duration list = ListSchedule(dag, slots);
  const double by_bound = InSeconds(makespan) / InSeconds(bounds.lower);
  const double by_list = InSeconds(makespan) / InSeconds(list);
  totals.by_bound.Add(by_bound);
  const bool slot_bound = bounds.work >= bounds.path;
  if (slot_bound) totals.by_bound_slot_bound.Add(by_bound);
  totals.by_list.Add(by_list);
  Json row = {{"graph", dag.name},
              {"tasks", dag.tasks.size()},
              {"slots", slots},
              {"makespan_s", Rounded(InSeconds(makespan))},
              {"work_by_slots_s", Rounded(InSeconds(bounds.work))},
              {"longest_path_s", Rounded(InSeconds(bounds.path))},
              {"lower_bound_s", Rounded(InSeconds(bounds.lower))},
              {"list_schedule_s", Rounded(InSeconds(list))},
              {"slots_are_short", slot_bound},
              {"by_lower_bound", Rounded(by_bound)},
              {"by_list_schedule", Rounded(by_list)}};
  if (optimum) {
    totals.by_optimum.Add(InSeconds(makespan) / InSeconds(*optimum));
    row["by_optimum"] = Rounded(totals.by_optimum.values.back());
  }
  return row;
}

int Main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  const Duration unit(std::llround(options.stg_unit * 1e9));
  Totals totals;
  Json rows = Json::array();
  for (const std::string& file : options.files) {
    const absl::StatusOr<Dag> dag = ReadDag(file, unit);
    if (!dag.ok()) Die(TextOf(dag.status()));
    const auto known = std::find_if(options.optima.begin(), options.optima.end(),
                                    [&file](const auto& entry) { return file.ends_with("/" + entry.first); });
    if (known == options.optima.end()) {
      for (const std::size_t slots : options.slots) rows.push_back(One(*dag, slots, std::nullopt, options, totals));
      continue;
    }
    for (const auto& [slots, optimum] : known->second) {
      const Duration best(std::llround(optimum * options.stg_unit * 1e9));
      rows.push_back(One(*dag, slots, best, options, totals));
    }
  }
  const Json summary = {{"by_lower_bound", totals.by_bound.Summary()},
                        {"by_lower_bound_where_slots_are_short", totals.by_bound_slot_bound.Summary()},
                        {"by_list_schedule", totals.by_list.Summary()},
                        {"by_optimum", totals.by_optimum.Summary()}};
  std::printf("%s\n", Json{{"rows", rows}, {"summary", summary}}.dump(1).c_str());
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::Main(argc, argv); }
