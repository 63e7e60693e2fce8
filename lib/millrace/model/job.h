// SPDX-License-Identifier: Apache-2.0
// A pipeline as data: what a client submits and the scheduler runs. Whatever tasks share (module, requirements, policy)
// stands once in a table and is named by its index.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "millrace/base/bytes.h"
#include "millrace/model/policy.h"
#include "millrace/model/requirements.h"

namespace millrace {

enum class FailMode : std::uint8_t {
  kFailFast,   // the first failure cancels the rest
  kKeepGoing,  // everything independent of the failure still runs
};

struct ModuleSpec {
  std::string name;
  std::uint64_t fingerprint = 0;  // of its types; 0 = any worker that has a module of this name
  std::string version;            // part of every cache key
  friend bool operator==(const ModuleSpec&, const ModuleSpec&) = default;
};

enum class DependencyKind : std::uint8_t {
  kRequired,  // its failure or skip spares the dependant
  kOptional,  // Maybe<M>: the dependant runs in any case and sees what became of it
};

struct Dependency {
  std::uint32_t task = 0;  // index into JobSpec::tasks
  DependencyKind kind = DependencyKind::kRequired;
  std::int32_t parameter = -1;  // which dependency parameter of Run it binds to, from 0; -1 = none (YAML `needs`)
  friend bool operator==(const Dependency&, const Dependency&) = default;
};

struct TaskSpec {
  std::string name;                        // "build[configuration=Debug]"; unique in the job
  std::uint32_t module = 0;                // index into JobSpec::modules
  std::uint32_t requirements = 0;          // index into JobSpec::requirements
  std::uint32_t policy = 0;                // index into JobSpec::policies
  Bytes inputs;                            // the module's fields, msgpack map by field name; empty = all defaults;
                                           // large ones may be packed (wire/lz4.h): a map never looks like that
  std::map<std::string, std::string> env;  // for the module's children, matrix values included
  std::vector<Dependency> needs;
  friend bool operator==(const TaskSpec&, const TaskSpec&) = default;
};

struct JobSpec {
  std::string name;
  FailMode fail_mode = FailMode::kFailFast;
  bool use_cache = true;
  std::vector<ModuleSpec> modules;
  std::vector<Requirements> requirements;
  std::vector<Policy> policies;
  std::vector<TaskSpec> tasks;
  friend bool operator==(const JobSpec&, const JobSpec&) = default;
};

}  // namespace millrace
