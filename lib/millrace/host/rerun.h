// SPDX-License-Identifier: Apache-2.0
// One task of a run that has ended, run again in this process, in the foreground: with the inputs, the environment and
// the results of what it needed as they were. Nothing is recorded, no cache is asked, and nothing limits its time.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "millrace/api/registry.h"
#include "millrace/host/console.h"
#include "millrace/host/flags.h"
#include "millrace/host/interrupts.h"
#include "millrace/host/options.h"
#include "millrace/host/past.h"
#include "millrace/model/slot.h"

namespace millrace::host {

struct RerunRequest {
  RunId run;  // none = the newest
  std::string task;
  const Registry* registry = nullptr;  // the modules of this program
  Options options;                     // work_dir, secrets, kill_grace, max_payload_size
  bool dry_run = false;                // show what it would be, and run nothing
  bool json = false;                   // how it ended, on standard output; what it prints goes to standard error
  Console out;
  Console err;
  Interrupts* interrupts = nullptr;
};

// The exit code: 0 when it succeeded (or would run), 1 when not. The error says why it cannot be run again.
absl::StatusOr<int> Rerun(const PastSource& source, const RerunRequest& request);

// What the command line says of it.
struct RerunWords {
  std::string task;
  std::string run;
  std::string data_dir;  // read it there; "" = ask the broker of the options
  bool local = false;
  bool dry_run = false;
  bool json = false;
};
// `words` outlive the parser.
Command& DeclareRerun(Command& root, RerunWords& words);
absl::StatusOr<int> RerunFrom(const RerunWords& words, const Registry& registry, const Options& options,
                              Interrupts& interrupts);

// What the module would be called with, and notes on what is not as it was.
struct Rebuilt {
  RunId run;
  SlotExecute execute;
  SecretNames secrets;  // variable -> name; their values are not in `execute` yet
  std::vector<std::string> notes;
};
absl::StatusOr<Rebuilt> Rebuild(const PastSource& source, const RerunRequest& request);

}  // namespace millrace::host
