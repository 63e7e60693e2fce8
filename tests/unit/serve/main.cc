// SPDX-License-Identifier: Apache-2.0
// The test program is its own module host and supervisor, as every pipeline program is.
#include <gtest/gtest.h>

#include "millrace/api/host.h"
#include "millrace/exec/supervisor.h"
#include "tests/unit/serve/support.h"

int main(int argc, char** argv) {
  if (const auto code = millrace::exec::MaybeRunSupervisor(argc, argv)) return *code;
  if (const auto code = millrace::MaybeRunModuleHost(argc, argv, millrace::serve::TestModules())) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
