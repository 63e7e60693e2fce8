// SPDX-License-Identifier: Apache-2.0
// A pipeline program's modes: run, orchestrator, worker, submit, plan. And the same from code.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "millrace/api/pipeline.h"
#include "millrace/host/options.h"
#include "millrace/host/summary.h"

namespace millrace {

using host::Summary;

// What a pipeline program's main() returns. `options` rank just above the defaults; command line, environment and
// config file are stronger. Exit codes are those of host/exit_code.h: 0 when every module has a good outcome, 1 when
// not.
int Main(int argc, char** argv, const Pipeline& pipeline, const Options& options = {});

// To be called first in a main() that uses Run or RunWorker instead of Main: module hosts and their supervisors are
// this same program, started again. When it returns a value, return that.
std::optional<int> MaybeRunChild(int argc, char** argv, const Registry& registry);

// One run in this process, or, by options.mode, as an orchestrator for whatever workers attach. Blocks until the end.
// An error means that the run could not be made or followed; a run that failed is a Summary that is not ok().
absl::StatusOr<Summary> Run(const Pipeline& pipeline, const Options& options = {});

// A worker with these modules; blocks until it is released, told to stop, or has lost its broker. Its exit code.
int RunWorker(const Registry& registry, const Options& options);

}  // namespace millrace
