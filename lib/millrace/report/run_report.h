// SPDX-License-Identifier: Apache-2.0
// One run as every form of its report sees it: the rows of the history, where the time of each task went, what made
// the run as long as it was, and which attempts shared a slot. No form computes anything of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/model/history.h"
#include "millrace/model/past_links.h"

namespace millrace::report {

// Where the time from a run's submission to a task's end went: the parts add up to that end. A part that is not known
// is in the one behind it.
struct TimeSplit {
  Duration dependencies{};   // until the last of what it needs had ended
  Duration queue{};          // from there to its first assignment, or to the cache's answer
  Duration earlier_tries{};  // from its first assignment to its latest: tries that failed, and back-off
  Duration handover{};       // from its latest assignment to its start: the way, large inputs, its turn at the worker
  Duration execution{};      // from its start to its end

  Duration Sum() const { return dependencies + queue + earlier_tries + handover + execution; }
  friend bool operator==(const TimeSplit&, const TimeSplit&) = default;
};

enum class CacheUse : std::uint8_t { kNone, kHit, kMiss };  // kNone: it was not to come from there, or is not known to

struct ReportTask {
  PastTask past;
  PastLinks links;
  bool links_known = false;  // an older Millrace has not kept them
  std::string version;       // of its module; "" when it is not known
  std::string group;         // what instances of one template share: its name without "[...]"
  TimeSplit split;
  CacheUse cache = CacheUse::kNone;
  bool on_path = false;
  std::uint32_t others_on_host = 0;  // of one that failed: other tasks that failed on its host
  std::string again{};               // of one that failed: the command that runs it again here; "" = not known
};

// One task of the critical path: it began to wait when the step before it had ended.
struct PathStep {
  std::uint32_t task = 0;
  Duration from{};
  Duration to{};
  TimeSplit split;  // of that time: nothing in it waits for dependencies
};

// A task that took much longer than the others of its template.
struct Straggler {
  std::uint32_t task = 0;
  Duration execution{};
  Duration median{};  // of all of the template
  std::uint32_t siblings = 0;
};

// The history does not know slots: attempts of one worker that overlap were in different ones, and get the lowest that
// was free.
struct Lane {
  std::string worker;
  std::uint32_t slot = 0;
};
struct Bar {
  std::uint32_t task = 0;
  std::uint32_t attempt = 0;  // index into PastTask::attempts
  std::uint32_t lane = 0;
  Duration from{};
  Duration to{};
};

struct RunReport {
  std::string generator;  // "millrace 1.2.0"
  PastRun run;
  std::vector<ReportTask> tasks;  // in the order of the pipeline
  std::vector<PathStep> path;     // in the order of time
  TimeSplit path_split;           // of all its steps
  std::vector<Straggler> stragglers;
  std::vector<Lane> lanes;
  std::vector<Bar> bars;         // by lane, then time
  std::vector<std::string> why;  // sentences: why it took as long as it did
};

// `links`: of each task, as far as they are known. Takes what it is given as it is: a file may hold anything.
RunReport MakeReport(PastRun run, std::vector<PastTask> tasks, std::vector<std::optional<PastLinks>> links,
                     std::string generator);

// What only the job knows of its tasks, once that is known, too.
void AddJob(RunReport& report, const JobSpec& job);

std::string GroupOf(const std::string& task);
// Every word that a reader needs of how it ended: "succeeded", "failed (ignored)".
std::string OutcomeText(const TaskView& task);
// Why it failed, was skipped or came from the cache; "" when there is nothing to say.
std::string ReasonText(const ReportTask& task);

}  // namespace millrace::report
