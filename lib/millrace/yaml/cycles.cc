// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/cycles.h"

#include <algorithm>
#include <set>
#include <string>

namespace millrace::yaml {
namespace {

enum class Color : std::uint8_t { kNew, kOpen, kDone };

// One task on the way down, and the index of the need it went down by.
struct Visit {
  std::uint32_t task = 0;
  std::size_t need = 0;
};

}  // namespace

void FindCycles(const JobSpec& job, const std::vector<std::uint32_t>& steps,
                const std::vector<std::vector<Mark>>& marks, Problems& problems) {
  std::vector<Color> colors(job.tasks.size(), Color::kNew);
  std::set<std::vector<std::uint32_t>> told;
  std::vector<Visit> path;

  const auto tell = [&](std::vector<Visit> cycle) {
    // Begin with the task that stands first in the file, so that the same cycle always reads the same.
    std::rotate(
        cycle.begin(),
        std::min_element(cycle.begin(), cycle.end(), [](const Visit& a, const Visit& b) { return a.task < b.task; }),
        cycle.end());
    std::vector<std::uint32_t> key;
    std::string text;
    for (const Visit& visit : cycle) {
      key.push_back(steps[visit.task]);
      text += job.tasks[visit.task].name + " -> ";
    }
    if (!told.insert(key).second) return;
    problems.Add(marks[cycle.front().task][cycle.front().need], "modules wait for each other: %s%s", text,
                 job.tasks[cycle.front().task].name);
  };

  for (std::uint32_t root = 0; root < job.tasks.size(); ++root) {
    if (colors[root] != Color::kNew) continue;
    path.assign(1, Visit{root, 0});
    colors[root] = Color::kOpen;
    while (!path.empty() && !problems.full()) {
      Visit& top = path.back();
      const std::vector<Dependency>& needs = job.tasks[top.task].needs;
      if (top.need == needs.size()) {
        colors[top.task] = Color::kDone;
        path.pop_back();
        if (!path.empty()) ++path.back().need;
        continue;
      }
      const std::uint32_t next = needs[top.need].task;
      if (colors[next] == Color::kNew) {
        colors[next] = Color::kOpen;
        path.push_back(Visit{next, 0});
        continue;
      }
      if (colors[next] == Color::kOpen) {
        const auto begin = std::find_if(path.begin(), path.end(), [next](const Visit& v) { return v.task == next; });
        tell(std::vector<Visit>(begin, path.end()));
      }
      ++top.need;
    }
  }
}

}  // namespace millrace::yaml
