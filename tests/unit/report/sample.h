// SPDX-License-Identifier: Apache-2.0
// Runs as the history has them, in milliseconds, for the tests of what is made of them.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "millrace/report/run_report.h"

namespace millrace::report {

using std::chrono::milliseconds;

struct Try {
  const char* worker;
  int assigned;
  int started;
  int ended;
  Outcome outcome = Outcome::kSucceeded;
};

class Sample {
 public:
  explicit Sample(const std::string& name = "job") {
    run.view.run = RunId{EpochQualified(3, 17)};
    run.view.name = name;
    run.view.state = RunState::kSucceeded;
    run.view.submitted_unix_ms = 1'700'000'000'000;
  }

  // Ended as its last try did, or `outcome` at `ended` without one. `ready` is when its needs had ended.
  PastTask& Add(const std::string& name, std::vector<std::uint32_t> needs, std::initializer_list<Try> tries,
                Outcome outcome = Outcome::kSucceeded, int ended = 0) {
    PastTask task;
    task.view.index = static_cast<std::uint32_t>(tasks.size());
    task.view.name = name;
    task.view.module = "work";
    task.view.outcome = outcome;
    task.view.ended = milliseconds(ended);
    task.view.ready = {};
    PastLinks link;
    for (const std::uint32_t need : needs) {
      link.needs.push_back({need});
      task.view.ready = std::max(task.view.ready, tasks[need].view.ended);
    }
    for (const Try& one : tries) {
      const std::uint32_t number = ++task.view.try_number;
      task.attempts.push_back({number, one.worker, milliseconds(one.assigned), milliseconds(one.started),
                               milliseconds(one.ended), one.outcome, one.outcome == Outcome::kFailed ? "no" : ""});
      task.view.worker = one.worker;
      task.view.started = milliseconds(one.started);
      task.view.ended = milliseconds(one.ended);
      task.view.outcome = one.outcome;
    }
    run.view.elapsed = std::max(run.view.elapsed, task.view.ended);
    links.emplace_back(link);
    run.view.tasks = static_cast<std::uint32_t>(links.size());
    return tasks.emplace_back(std::move(task));
  }
  RunReport Report() const { return MakeReport(run, tasks, links, "millrace test"); }

  PastRun run;
  std::vector<PastTask> tasks;
  std::vector<std::optional<PastLinks>> links;
};

// What names and output of others may hold.
inline const std::string kHostile = "a</script><b>\"'&`\\\n\t\x01\x7f]]>--><!--#;{}[](x)\xff\xe2\x80\xa8\xc3\xa9";

// One of each kind: good, tried again, cached, failed, ignored, skipped; `name` stands in every text.
inline Sample OfEachKind(const std::string& name = "job") {
  Sample sample(name);
  sample.run.view.state = RunState::kFailed;
  sample.run.view.root_cause = name + " failed";
  sample.Add(name, {}, {{"w1", 5, 10, 100}});
  sample.Add(name + " again", {0}, {{"w1", 110, 120, 200, Outcome::kFailed}, {"w2", 300, 310, 400}});
  sample.Add(name + " cached", {0}, {}, Outcome::kCached, 130);
  sample.links[2]->cacheable = true;
  PastTask& bad = sample.Add(name + " bad", {1, 2}, {{"w2", 410, 420, 500, Outcome::kFailed}});
  bad.view.failure.message = "exit code 7: " + name;
  bad.view.failure.output = name + "\nlast words";
  bad.view.failure.exit_code = 7;
  bad.view.failure.worker = "w2";
  PastTask& ignored = sample.Add(name + " ignored", {}, {{"w2", 0, 10, 60, Outcome::kTimedOut}});
  ignored.view.ignored = true;
  ignored.view.failure.message = "over its timeout";
  sample.Add(name + " lost", {}, {{"w3", 0, 10, 60, Outcome::kLost}});
  PastTask& after = sample.Add(name + " after", {3}, {}, Outcome::kDependencyFailed, 500);
  after.view.ready = Duration(-1);
  after.view.reason = "needs '" + name + " bad', which failed";
  sample.links.back()->needs[0].kind = DependencyKind::kOptional;
  return sample;
}

}  // namespace millrace::report
