// SPDX-License-Identifier: Apache-2.0
// What zmqctl can be asked, apart from how the command line says it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/client/client.h"
#include "millrace/host/console.h"
#include "millrace/host/interrupts.h"
#include "millrace/host/options.h"

namespace millrace::zmqctl {

struct Arguments {
  std::string file;  // submit
  std::string run;   // "" = the newest
  std::string task;
  std::string worker;
  bool wait = false;
  bool follow = false;
  bool json = false;
  bool quiet = false;
  bool keep_going = false;
  std::int64_t wait_for = 0;  // workers
  std::string reason;
  std::string data_dir;  // history: read it there, and ask no broker
  std::string name;
  std::string state;
  std::string since;
  std::int64_t last = 20;
  bool estimates = false;
  bool html = false;  // report: its form; none = a text for people
  bool junit = false;
  bool trace = false;
  bool mermaid = false;
  bool dot = false;
  std::string output;      // a file; "" = standard output
  std::string get;         // artifacts: into this folder
  std::string artifact;    // of a task; "" = all that it has
  std::string workers;     // simulate: how many, or several such numbers
  std::int64_t slots = 0;  // of each; 0 = as many as were busy at a time
};

// A connection to the broker that the options name, and where answers go.
struct Context {
  client::Client& client;
  const Options& options;
  const Arguments& arguments;
  host::Console out;  // answers
  host::Console err;  // progress and warnings
  host::Interrupts& interrupts;
};

// Each prints its answer and gives the exit code, or says why there is none.
absl::StatusOr<int> Submit(Context& context);
absl::StatusOr<int> Status(Context& context);
absl::StatusOr<int> Runs(Context& context);
absl::StatusOr<int> Watch(Context& context);
absl::StatusOr<int> Tasks(Context& context);
absl::StatusOr<int> Workers(Context& context);
absl::StatusOr<int> Logs(Context& context);
absl::StatusOr<int> Result(Context& context);
absl::StatusOr<int> Artifacts(Context& context);
absl::StatusOr<int> Why(Context& context);
absl::StatusOr<int> Cancel(Context& context);
absl::StatusOr<int> DrainWorker(Context& context);
absl::StatusOr<int> Health(Context& context);
absl::StatusOr<int> History(Context& context);

// Without a broker: the journal of a data directory that no broker uses.
absl::StatusOr<int> CheckJournal(const Arguments& arguments, const Options& options);
absl::StatusOr<int> DumpJournal(const Arguments& arguments, const Options& options);
absl::StatusOr<int> SalvageJournal(const Arguments& arguments, const Options& options);
// ... and the history in one that a broker may be using.
absl::StatusOr<int> HistoryOnDisk(const Arguments& arguments, const Options& options);
absl::StatusOr<int> Report(const Arguments& arguments, const Options& options);
absl::StatusOr<int> Simulate(const Arguments& arguments, const Options& options);

// For a run that the broker has forgotten, the rows of its tasks as the history has them. `status` is the broker's
// refusal, and comes back when the history does not know better.
absl::StatusOr<std::vector<TaskView>> PastTasks(Context& context, const absl::Status& status);
absl::StatusOr<Bytes> PastResult(Context& context, const absl::Status& status);
// The same refusal, with where to look when the history knows the run.
absl::Status PointToPast(Context& context, const absl::Status& status);

}  // namespace millrace::zmqctl
