// SPDX-License-Identifier: Apache-2.0
// A job as the broker holds it: tasks as columns, some fifty bytes each with a short name, instead of a struct with
// strings, a map and a vector of its own. Made from a JobSpec, or straight from its bytes (wire/packed_tasks.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "millrace/base/bytes.h"
#include "millrace/model/job.h"

namespace millrace {

// Tasks in the order of the job. Rows are only ever added; copies share the bytes of names and inputs.
class PackedTasks {
 public:
  static constexpr bool kOwnWireForm = true;  // see wire/packed_tasks.h

  // What tasks have in common: most jobs have few of these.
  struct Shape {
    std::uint32_t module = 0;
    std::uint32_t requirements = 0;
    std::uint32_t policy = 0;
    std::uint32_t first = 0;  // task of this shape
    std::uint32_t tasks = 0;  // how many have it
  };

  // The dependencies of a task, a range of values. Lives no longer than the tasks, unchanged.
  class Needs {
   public:
    class Iterator {
     public:
      using iterator_category = std::input_iterator_tag;
      using value_type = Dependency;
      using difference_type = std::ptrdiff_t;
      using pointer = const Dependency*;
      using reference = Dependency;
      Iterator(const PackedTasks* tasks, std::size_t at) : tasks_(tasks), at_(at) {}
      Dependency operator*() const { return tasks_->NeedAt(at_); }
      Iterator& operator++() {
        ++at_;
        return *this;
      }
      friend bool operator==(const Iterator&, const Iterator&) = default;

     private:
      const PackedTasks* tasks_;
      std::size_t at_;
    };

    Needs(const PackedTasks* tasks, std::size_t first, std::size_t last) : tasks_(tasks), first_(first), last_(last) {}
    std::size_t size() const { return last_ - first_; }
    bool empty() const { return first_ == last_; }
    Dependency operator[](std::size_t index) const { return tasks_->NeedAt(first_ + index); }
    Iterator begin() const { return {tasks_, first_}; }
    Iterator end() const { return {tasks_, last_}; }

   private:
    const PackedTasks* tasks_;
    std::size_t first_;
    std::size_t last_;
  };

  std::size_t size() const { return places_.size(); }
  bool empty() const { return places_.empty(); }
  std::string_view NameOf(std::size_t task) const {
    const Place& place = places_[task];
    return std::string_view(*chunks_[place.chunk]).substr(place.at, place.name);
  }
  std::string_view InputsOf(std::size_t task) const {
    const Place& place = places_[task];
    return std::string_view(*chunks_[place.chunk]).substr(place.at + place.name, place.inputs);
  }
  // The same, alive as long as anybody holds it.
  Bytes SharedInputsOf(std::size_t task) const {
    const std::string_view inputs = InputsOf(task);
    return inputs.empty() ? Bytes() : Bytes(chunks_[places_[task].chunk], inputs);
  }
  const std::map<std::string, std::string>& EnvOf(std::size_t task) const {
    static const std::map<std::string, std::string> kNone;
    return env_.empty() || env_[task] == 0 ? kNone : envs_[env_[task] - 1];
  }
  Needs NeedsOf(std::size_t task) const {
    if (first_need_.empty()) return {this, 0, 0};
    return {this, first_need_[task], task + 1 < first_need_.size() ? first_need_[task + 1] : need_.size()};
  }
  std::uint32_t ShapeIndexOf(std::size_t task) const { return shape_[task]; }
  const Shape& ShapeOf(std::size_t task) const { return shapes_[shape_[task]]; }
  const std::vector<Shape>& shapes() const { return shapes_; }
  std::size_t needs() const { return need_.size(); }  // of all tasks together

  void Reserve(std::size_t tasks) {
    places_.reserve(tasks);
    shape_.reserve(tasks);
  }
  // `name` and `inputs` have less than 4 GiB together. Dependencies follow by AddNeed.
  void Add(std::string_view name, std::uint32_t module, std::uint32_t requirements, std::uint32_t policy,
           std::string_view inputs, std::map<std::string, std::string> env);
  // To the task that was added last.
  void AddNeed(const Dependency& need);
  // Nothing more is added.
  void ShrinkToFit() {
    need_.shrink_to_fit();
    parameter_.shrink_to_fit();
    kind_.shrink_to_fit();
  }

  friend bool operator==(const PackedTasks& a, const PackedTasks& b);

 private:
  static constexpr std::size_t kChunk = std::size_t{1} << 20;
  // Where the name and, behind it, the inputs are.
  struct Place {
    std::uint32_t chunk = 0;
    std::uint32_t at = 0;
    std::uint32_t name = 0;  // bytes
    std::uint32_t inputs = 0;
  };

  Dependency NeedAt(std::size_t at) const {
    return {.task = need_[at],
            .kind = kind_.empty() ? DependencyKind::kRequired : kind_[at],
            .parameter = parameter_.empty() ? -1 : parameter_[at]};
  }
  // Of the task whose place was added last.
  std::uint32_t ShapeFor(std::uint32_t module, std::uint32_t requirements, std::uint32_t policy);

  std::vector<std::shared_ptr<std::string>> chunks_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> shape_;
  std::vector<Shape> shapes_;
  absl::flat_hash_map<std::array<std::uint32_t, 3>, std::uint32_t> shape_index_;
  // These columns are empty as long as every row would hold the same: no need; required; parameter -1; no environment.
  std::vector<std::uint32_t> first_need_;
  std::vector<std::uint32_t> need_;
  std::vector<DependencyKind> kind_;
  std::vector<std::int32_t> parameter_;
  std::vector<std::uint32_t> env_;  // 0 = none, else 1 + its index
  std::vector<std::map<std::string, std::string>> envs_;
};

// Fields and order are JobSpec's, so that both have the same bytes.
struct PackedJob {
  std::string name;
  FailMode fail_mode = FailMode::kFailFast;
  bool use_cache = true;
  std::vector<ModuleSpec> modules;
  std::vector<Requirements> requirements;
  std::vector<Policy> policies;
  PackedTasks tasks;
  friend bool operator==(const PackedJob&, const PackedJob&) = default;

  // By task. Of a job that was checked (sched::CheckJob): its indexes are in range.
  const ModuleSpec& ModuleOf(std::size_t task) const { return modules[tasks.ShapeOf(task).module]; }
  const Requirements& RequirementsOf(std::size_t task) const { return requirements[tasks.ShapeOf(task).requirements]; }
  const Policy& PolicyOf(std::size_t task) const { return policies[tasks.ShapeOf(task).policy]; }
};

inline std::uint32_t PackedTasks::ShapeFor(std::uint32_t module, std::uint32_t requirements, std::uint32_t policy) {
  if (!shape_.empty()) {
    const Shape& last = shapes_[shape_.back()];
    if (last.module == module && last.requirements == requirements && last.policy == policy) return shape_.back();
  }
  const auto [it, fresh] =
      shape_index_.emplace(std::array{module, requirements, policy}, static_cast<std::uint32_t>(shapes_.size()));
  if (fresh) shapes_.push_back({module, requirements, policy, static_cast<std::uint32_t>(size() - 1), 0});
  return it->second;
}

inline void PackedTasks::Add(std::string_view name, std::uint32_t module, std::uint32_t requirements,
                             std::uint32_t policy, std::string_view inputs, std::map<std::string, std::string> env) {
  const std::size_t bytes = name.size() + inputs.size();
  const bool fits = !chunks_.empty() && chunks_.back().use_count() == 1 &&
                    chunks_.back()->capacity() - chunks_.back()->size() >= bytes;
  if (!fits) {
    chunks_.push_back(std::make_shared<std::string>());
    // A job of a few tasks is no reason to take a whole one.
    chunks_.back()->reserve(
        std::max(bytes, std::min(kChunk, std::size_t{256} << std::min<std::size_t>(chunks_.size(), 12))));
  }
  std::string& chunk = *chunks_.back();
  places_.push_back({.chunk = static_cast<std::uint32_t>(chunks_.size() - 1),
                     .at = static_cast<std::uint32_t>(chunk.size()),
                     .name = static_cast<std::uint32_t>(name.size()),
                     .inputs = static_cast<std::uint32_t>(inputs.size())});
  chunk += name;
  chunk += inputs;
  const std::uint32_t shape = ShapeFor(module, requirements, policy);
  shape_.push_back(shape);
  ++shapes_[shape].tasks;
  if (!first_need_.empty()) first_need_.push_back(static_cast<std::uint32_t>(need_.size()));
  if (!env.empty()) {
    env_.resize(places_.size());
    envs_.push_back(std::move(env));
    env_.back() = static_cast<std::uint32_t>(envs_.size());
  } else if (!env_.empty()) {
    env_.push_back(0);
  }
}

inline void PackedTasks::AddNeed(const Dependency& need) {
  if (first_need_.empty()) first_need_.resize(places_.size());
  if (need.kind != DependencyKind::kRequired && kind_.empty()) kind_.resize(need_.size());
  if (need.parameter != -1 && parameter_.empty()) parameter_.resize(need_.size(), -1);
  const bool kinds = need.kind != DependencyKind::kRequired || !kind_.empty();
  const bool parameters = need.parameter != -1 || !parameter_.empty();
  need_.push_back(need.task);
  if (kinds) kind_.push_back(need.kind);
  if (parameters) parameter_.push_back(need.parameter);
}

inline bool operator==(const PackedTasks& a, const PackedTasks& b) {
  if (a.size() != b.size() || a.needs() != b.needs()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const PackedTasks::Shape& x = a.ShapeOf(i);
    const PackedTasks::Shape& y = b.ShapeOf(i);
    if (x.module != y.module || x.requirements != y.requirements || x.policy != y.policy) return false;
    if (a.NameOf(i) != b.NameOf(i) || a.InputsOf(i) != b.InputsOf(i) || a.EnvOf(i) != b.EnvOf(i)) return false;
    const PackedTasks::Needs needs = a.NeedsOf(i);
    const PackedTasks::Needs others = b.NeedsOf(i);
    if (needs.size() != others.size()) return false;
    for (std::size_t n = 0; n < needs.size(); ++n) {
      if (!(needs[n] == others[n])) return false;
    }
  }
  return true;
}

inline PackedJob Pack(JobSpec job) {
  PackedJob packed{.name = std::move(job.name),
                   .fail_mode = job.fail_mode,
                   .use_cache = job.use_cache,
                   .modules = std::move(job.modules),
                   .requirements = std::move(job.requirements),
                   .policies = std::move(job.policies),
                   .tasks = {}};
  packed.tasks.Reserve(job.tasks.size());
  for (TaskSpec& task : job.tasks) {
    packed.tasks.Add(task.name, task.module, task.requirements, task.policy, task.inputs.view(), std::move(task.env));
    for (const Dependency& need : task.needs) packed.tasks.AddNeed(need);
  }
  packed.tasks.ShrinkToFit();
  return packed;
}

inline JobSpec Unpack(const PackedJob& packed) {
  JobSpec job{.name = packed.name,
              .fail_mode = packed.fail_mode,
              .use_cache = packed.use_cache,
              .modules = packed.modules,
              .requirements = packed.requirements,
              .policies = packed.policies,
              .tasks = {}};
  job.tasks.reserve(packed.tasks.size());
  for (std::size_t i = 0; i < packed.tasks.size(); ++i) {
    const PackedTasks::Shape& shape = packed.tasks.ShapeOf(i);
    TaskSpec& task = job.tasks.emplace_back();
    task.name = packed.tasks.NameOf(i);
    task.module = shape.module;
    task.requirements = shape.requirements;
    task.policy = shape.policy;
    task.inputs = packed.tasks.SharedInputsOf(i);
    task.env = packed.tasks.EnvOf(i);
    for (const Dependency& need : packed.tasks.NeedsOf(i)) task.needs.push_back(need);
  }
  return job;
}

}  // namespace millrace
