// SPDX-License-Identifier: Apache-2.0
// The test program is its own module host and supervisor, as every pipeline program is.
#include <gtest/gtest.h>

#include "millrace/host/main.h"
#include "tests/conformance/modules.h"

int main(int argc, char** argv) {
  if (const auto code = millrace::MaybeRunChild(argc, argv, millrace::testing::TestModules())) return *code;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
