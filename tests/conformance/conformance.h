// SPDX-License-Identifier: Apache-2.0
// The fixture of every behaviour: runs it standalone and distributed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "millrace/base/status.h"
#include "millrace/wire/codec.h"
#include "tests/conformance/cluster.h"
#include "tests/conformance/modules.h"
#include "tests/conformance/steps.h"

namespace millrace::testing {

class Conformance : public ::testing::TestWithParam<Mode> {
 protected:
  static ClusterOptions Options() {
    ClusterOptions options;
    options.mode = GetParam();
    options.brain.heartbeat_interval = std::chrono::milliseconds(200);
    options.agent.kill_grace = std::chrono::milliseconds(200);
    return options;
  }
};

// What only a network has: heartbeat channels, remote workers beside a local one.
class Distributed : public ::testing::Test {
 protected:
  static ClusterOptions Options() {
    ClusterOptions options;
    options.mode = Mode::kDistributed;
    options.brain.heartbeat_interval = std::chrono::milliseconds(200);
    options.agent.kill_grace = std::chrono::milliseconds(200);
    return options;
  }
};

inline std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace millrace::testing
