// SPDX-License-Identifier: Apache-2.0
// millrace-worker: offers this machine's slots and capabilities to a broker, with the built-in modules.
#include "millrace/host/main.h"
#include "millrace/host/assemble.h"
#include "millrace/host/engine.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/flags.h"
#include "millrace/host/memory.h"
#include "millrace/log/log.h"
#include "modules/builtins.h"

int main(int argc, char** argv) {
  using millrace::host::OptionGroup;
  millrace::host::EndPlainlyWithoutMemory();
  const millrace::Registry registry = millrace::modules::Builtins();
  if (const auto code = millrace::MaybeRunChild(argc, argv, registry)) return *code;
  millrace::host::FlagParser parser("millrace-worker", "Runs modules for a broker", millrace::host::Version());
  parser.root()
      .Settings({OptionGroup::kNetwork, OptionGroup::kWorker, OptionGroup::kRunning, OptionGroup::kOutput})
      .Example("millrace-worker --orchestrator tcp://127.0.0.1:8080 --slots 4", "four modules at once")
      .Example("millrace-worker --tag gpu --tool docker=24.0 --resource gpu=2", "what it offers besides what is found")
      .Example("millrace-worker --task-limit memory=4GiB --task-limit cpu=1h", "what no process of a task may exceed");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  millrace::host::ResolvedOptions resolved;
  if (const auto code = parser.Resolve({}, millrace::Mode::kWorker, resolved)) return *code;
  millrace::log::Init("millrace-worker", static_cast<millrace::log::Level>(resolved.options.log_level));
  return millrace::RunWorker(registry, resolved.options);
}
