// SPDX-License-Identifier: Apache-2.0
// What benchmarks run on: a broker and its workers as processes of the same program, over TCP loopback, and clients.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/api/registry.h"
#include "millrace/client/client.h"
#include "millrace/host/options.h"
#include "millrace/model/job.h"

namespace millrace::bench {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start);

// Ends the program with the reason unless `status` is OK: a benchmark that goes wrong has no figures.
void Check(const absl::Status& status);
template <class T>
T Checked(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

struct FleetOptions {
  std::int64_t workers = 2;
  std::int64_t slots = 1;          // of each worker
  std::string durability = "off";  // of the broker: sync, async, off
  std::string history = "on";      // whether the broker keeps one: on, off
  bool keys = false;               // everybody has a key, and all is encrypted
  std::int64_t runs_kept = 1000;   // of those that have ended: a million tasks each would fill the memory
};

// First in main(), after MaybeRunChild: when this process was started to be a broker or a worker of a fleet it is one
// until its end.
std::optional<int> MaybeRunRole(int argc, char** argv, const Registry& registry);

// This same program, started again; told to end when the object does, and killed when we die.
class Child {
 public:
  explicit Child(std::vector<std::string> args);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

// One connection to the broker; each thread has its own.
class Caller {
 public:
  explicit Caller(const Options& options);
  ~Caller();
  client::Client& client();

 private:
  struct Connection;  // spares whoever includes this the half of our headers
  std::unique_ptr<Connection> connection_;
};

class Fleet {
 public:
  // Returns when all workers are there.
  explicit Fleet(const FleetOptions& options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  client::Client& client() { return caller_->client(); }
  std::unique_ptr<Caller> Dial() const { return std::make_unique<Caller>(dialled_); }
  pid_t broker_pid() const { return broker_->pid(); }

 private:
  std::string scratch_;
  Options dialled_;
  std::unique_ptr<Child> broker_;
  std::vector<std::unique_ptr<Child>> workers_;
  std::unique_ptr<Caller> caller_;
};

struct Ran {
  RunId run;
  double accepted = 0;  // seconds until the broker has taken it
  double ended = 0;     // seconds until the client knows that all have ended well
};
// Anything but a run that succeeded ends the program.
Ran RunJob(client::Client& client, JobSpec job);

// A job whose tasks, none yet, run module M as M's own policy() says.
template <class M>
JobSpec JobOf(std::string name) {
  const ModuleEntry& entry = detail::EntryOf<M>();
  JobSpec job;
  job.name = std::move(name);
  job.modules.push_back({std::string(entry.name), entry.fingerprint, "1"});
  job.requirements.emplace_back();
  job.policies.emplace_back();
  if constexpr (requires { M{}.policy(); }) job.policies.back() = M{}.policy();
  return job;
}

}  // namespace millrace::bench
