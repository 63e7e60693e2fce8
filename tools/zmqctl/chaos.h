// SPDX-License-Identifier: Apache-2.0
// `zmqctl chaos`: runs a pipeline on a broker and workers of its own while they are killed, paused and cut off, then
// judges what became of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/host/flags.h"
#include "millrace/host/interrupts.h"
#include "millrace/host/options.h"
#include "tools/zmqctl/chaos_plan.h"

namespace millrace::zmqctl {

// As they stand on the command line.
struct ChaosArguments {
  std::string file;
  std::int64_t workers = 3;
  std::int64_t slots = 2;
  std::string duration;
  std::string patience;
  std::string lease;
  std::string heartbeat;
  std::string seed;
  std::array<std::string, kFaultKinds> rates;  // faults a minute
  std::int64_t crash_limit = 100;
  std::string steps;
  std::vector<std::string> expect_failure;
  bool keep = false;
  bool json = false;
  bool quiet = false;
};

// In chaos_settings.cc.
host::Command& DeclareChaos(host::FlagParser& parser, ChaosArguments& arguments);

// 0: every promise was kept; 1: one was broken, or the run did not end as it would have without faults.
absl::StatusOr<int> Chaos(const ChaosArguments& arguments, const Options& options, host::Interrupts& interrupts);

}  // namespace millrace::zmqctl
