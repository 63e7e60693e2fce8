// SPDX-License-Identifier: Apache-2.0
// What a chaos run was asked for, checked, with what nobody has said filled in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/host/options.h"
#include "tools/zmqctl/chaos.h"
#include "tools/zmqctl/chaos_plan.h"

namespace millrace::zmqctl {

struct ChaosSettings {
  std::filesystem::path pipeline;
  std::filesystem::path work_dir;
  std::filesystem::path steps;  // "" = the tasks write none
  std::size_t workers = 3;
  std::int64_t slots = 2;
  std::int64_t crash_limit = 100;
  Duration duration{};  // of the faults
  Duration patience{};  // after them, for the run to end
  Duration lease{};
  Duration heartbeat{};
  std::uint64_t seed = 0;
  FaultRates rates{};
  std::set<std::string> expect_failure;
  std::string command;  // with which the same faults come again
};

// InvalidArgument names the option, the value and what is allowed.
absl::StatusOr<ChaosSettings> CheckChaos(const ChaosArguments& arguments, const Options& options);

}  // namespace millrace::zmqctl
