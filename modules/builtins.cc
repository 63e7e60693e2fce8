// SPDX-License-Identifier: Apache-2.0
#include "modules/builtins.h"

#include "modules/command.h"
#include "modules/copy.h"
#include "modules/sleep.h"

namespace millrace::modules {

Registry Builtins() {
  Registry registry;
  registry.Add<Command>().Add<Copy>().Add<Sleep>();
  return registry;
}

}  // namespace millrace::modules
