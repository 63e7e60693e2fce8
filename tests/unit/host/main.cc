// SPDX-License-Identifier: Apache-2.0
// The test program and its other roles: the module host and supervisor of its own runs, and a pipeline program.
#include "millrace/host/main.h"

#include <gtest/gtest.h>

#include <string_view>

#include "tests/unit/host/support.h"

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == "--test-program") {
    return millrace::Main(argc - 2, argv + 2, millrace::host::StepPipeline(argv[2]));
  }
  if (const auto code = millrace::MaybeRunChild(argc, argv, millrace::host::StepPipeline("well").registry())) {
    return *code;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
