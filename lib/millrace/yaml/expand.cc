// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/expand.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "millrace/base/suggest.h"
#include "millrace/yaml/artifacts.h"
#include "millrace/yaml/cycles.h"
#include "millrace/yaml/inputs.h"
#include "millrace/yaml/template.h"

namespace millrace::yaml {
namespace {

// The position of `value` in `table`, where it is put if it is new.
template <class Index, class Key, class T>
std::uint32_t Intern(Index& index, Key key, T value, std::vector<T>& table) {
  const auto [found, is_new] = index.try_emplace(std::move(key), static_cast<std::uint32_t>(table.size()));
  if (is_new) table.push_back(std::move(value));
  return found->second;
}

std::uint32_t InternPolicy(const Policy& policy, std::vector<Policy>& table) {
  const auto found = std::find(table.begin(), table.end(), policy);
  if (found != table.end()) return static_cast<std::uint32_t>(found - table.begin());
  table.push_back(policy);
  return static_cast<std::uint32_t>(table.size() - 1);
}

Requirements Substituted(Requirements requirements, const Variables& variables) {
  for (std::vector<std::string>* texts :
       {&requirements.os, &requirements.arch, &requirements.tools, &requirements.tags}) {
    for (std::string& text : *texts) text = Substitute(text, variables);
  }
  return requirements;
}

class Expansion {
 public:
  Expansion(const std::vector<Step>& steps, const ParseOptions& options, JobSpec& job, Problems& problems)
      : steps_(steps), options_(options), job_(job), problems_(problems) {}

  void Run() {
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      if (!AddInstances(i)) return;
    }
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      const auto [first, last] = ranges_.at(steps_[i].name);
      for (std::uint32_t task = first; task < last; ++task) {
        if (!Bind(task)) return;
      }
    }
    FindCycles(job_, step_of_, marks_, problems_);
  }

 private:
  // Tasks for every combination of the step's matrix; false when a limit is exceeded.
  bool AddInstances(std::uint32_t index) {
    const Step& step = steps_[index];
    const auto first = static_cast<std::uint32_t>(job_.tasks.size());
    const bool differs = HasTemplates(step.common.policy);
    const std::uint32_t policy = differs ? 0 : InternPolicy(step.common.policy, job_.policies);
    const std::uint32_t module = Intern(modules_, std::make_pair(step.module, step.common.version),
                                        ModuleSpec{step.module, 0, step.common.version}, job_.modules);
    std::vector<std::size_t> digits(step.matrix.size(), 0);  // an odometer, the last axis fastest
    do {
      Variables variables;
      for (std::size_t i = 0; i < digits.size(); ++i) {
        variables.emplace_back(step.matrix[i].key, step.matrix[i].values[digits[i]]);
      }
      const std::uint32_t own =
          differs ? InternPolicy(WithArtifactsOf(step.common.policy, variables), job_.policies) : policy;
      if (!AddTask(index, module, own, variables)) return false;
    } while (Advance(step, digits));
    ranges_.emplace(step.name, std::make_pair(first, static_cast<std::uint32_t>(job_.tasks.size())));
    return true;
  }

  static bool Advance(const Step& step, std::vector<std::size_t>& digits) {
    for (std::size_t i = digits.size(); i-- > 0;) {
      if (++digits[i] < step.matrix[i].values.size()) return true;
      digits[i] = 0;
    }
    return false;
  }

  bool AddTask(std::uint32_t index, std::uint32_t module, std::uint32_t policy, Variables& variables) {
    const Step& step = steps_[index];
    if (job_.tasks.size() >= options_.max_tasks) {
      problems_.Add(step.mark, "with module '%s' the pipeline expands to over %d tasks", step.name, options_.max_tasks);
      return false;
    }
    TaskSpec task;
    task.name = step.name;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      task.name += (i == 0 ? "[" : ",") + variables[i].first + "=" + variables[i].second;
    }
    if (!variables.empty()) task.name += "]";
    task.module = module;
    task.policy = policy;
    Requirements requirements = Substituted(step.common.requirements, variables);
    task.requirements = Intern(requirements_, requirements, requirements, job_.requirements);
    task.inputs = EncodeInputs(step, variables);
    expanded_bytes_ += task.name.size() + task.inputs.size();
    for (const auto& [name, value] : step.common.env) {
      expanded_bytes_ += name.size() + value.size();
      task.env[name] = Substitute(value, variables);
    }
    for (const auto& [name, value] : variables) task.env[name] = value;
    if (expanded_bytes_ > options_.max_expanded_bytes) {
      problems_.Add(step.mark, "with module '%s' the pipeline expands to over %d bytes", step.name,
                    options_.max_expanded_bytes);
      return false;
    }
    const auto [same, is_new] = instances_.emplace(task.name, static_cast<std::uint32_t>(job_.tasks.size()));
    if (!is_new) problems_.Add(step.mark, "two instances are named '%s'", task.name);
    job_.tasks.push_back(std::move(task));
    step_of_.push_back(index);
    variables_.push_back(std::move(variables));
    marks_.emplace_back();
    return true;
  }

  // Turns the needs of a task into indices; false when a limit is exceeded.
  bool Bind(std::uint32_t task) {
    const Step& step = steps_[step_of_[task]];
    std::map<std::uint32_t, std::size_t> bound;  // target -> its place in needs
    std::set<std::string> names;
    for (const Need& need : step.needs) {
      const std::string name = Substitute(need.name, variables_[task]);
      if (!names.insert(name).second) problems_.Add(need.mark, "module '%s' needs '%s' twice", step.name, name);
      const std::pair<std::uint32_t, std::uint32_t> range = Resolve(name);
      if (range.first == range.second) {
        RefuseNeed(step, need, name);
      } else if (task >= range.first && task < range.second) {
        problems_.Add(need.mark, "module '%s' needs itself: %s -> %s", step.name, job_.tasks[task].name, name);
      } else if (!Join(task, need, range, bound)) {
        return false;
      }
    }
    CheckConsumed(job_, task, step.consumes_mark, problems_);
    return true;
  }

  bool Join(std::uint32_t task, const Need& need, std::pair<std::uint32_t, std::uint32_t> range,
            std::map<std::uint32_t, std::size_t>& bound) {
    std::vector<Dependency>& needs = job_.tasks[task].needs;
    for (std::uint32_t target = range.first; target < range.second; ++target) {
      const auto [place, is_new] = bound.try_emplace(target, needs.size());
      if (is_new) {
        if (++dependencies_ > options_.max_dependencies) {
          problems_.Add(need.mark, "the pipeline expands to over %d dependencies", options_.max_dependencies);
          return false;
        }
        needs.push_back({target, need.optional ? DependencyKind::kOptional : DependencyKind::kRequired, -1});
        marks_[task].push_back(need.mark);
      } else if (!need.optional) {
        needs[place->second].kind = DependencyKind::kRequired;  // said both ways: the stronger one holds
      }
    }
    return true;
  }

  // All instances of a step, or the one instance of that name; an empty range if there is neither.
  std::pair<std::uint32_t, std::uint32_t> Resolve(const std::string& name) const {
    if (const auto step = ranges_.find(name); step != ranges_.end()) return step->second;
    if (const auto task = instances_.find(name); task != instances_.end()) return {task->second, task->second + 1};
    return {0, 0};
  }

  void RefuseNeed(const Step& step, const Need& need, const std::string& name) {
    std::vector<std::string> known;
    if (!problems_.full()) {
      const bool instance = name.find('[') != std::string::npos;
      for (const Step& other : steps_) {
        if (!instance && other.name != step.name) known.push_back(other.name);
      }
      for (const TaskSpec& task : job_.tasks) {
        if (instance) known.push_back(task.name);
      }
    }
    problems_.Add(need.mark, "module '%s' needs '%s', which is not in this pipeline%s", step.name, name,
                  DidYouMean(name, known));
  }

  const std::vector<Step>& steps_;
  const ParseOptions& options_;
  JobSpec& job_;
  Problems& problems_;
  std::unordered_map<std::string, std::pair<std::uint32_t, std::uint32_t>> ranges_;  // step -> its tasks
  std::unordered_map<std::string, std::uint32_t> instances_;
  std::map<std::pair<std::string, std::string>, std::uint32_t> modules_;
  std::map<Requirements, std::uint32_t> requirements_;
  std::vector<std::uint32_t> step_of_;    // per task
  std::vector<Variables> variables_;      // per task
  std::vector<std::vector<Mark>> marks_;  // per task and need
  std::size_t dependencies_ = 0;
  std::size_t expanded_bytes_ = 0;
};

}  // namespace

void Expand(const std::vector<Step>& steps, const ParseOptions& options, JobSpec& job, Problems& problems) {
  Expansion(steps, options, job, problems).Run();
}

}  // namespace millrace::yaml
