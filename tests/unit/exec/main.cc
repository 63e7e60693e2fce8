// SPDX-License-Identifier: Apache-2.0
// The test executable and its other roles: supervisor, module host, owner of a slot, daemon, hog, confined.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "millrace/exec/supervisor.h"
#include "tests/unit/exec/support.h"

int main(int argc, char** argv) {
  if (const std::optional<int> exit = millrace::exec::MaybeRunSupervisor(argc, argv)) return *exit;
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "--test-host") return millrace::exec::HostMain();
  if (role == "--test-owner" && argc > 2) return millrace::exec::OwnerMain(argv[2], argc > 3);
  if (role == "--test-daemon" && argc > 2) return millrace::exec::DaemonMain(argv[2]);
  if (role == "--test-hog" && argc > 3) return millrace::exec::HogMain(std::atoi(argv[2]), argv[3]);
  if (role == "--test-confined" && argc > 3) return millrace::exec::ConfinedMain(argv[2], argv[3]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
