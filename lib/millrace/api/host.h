// SPDX-License-Identifier: Apache-2.0
// The module host: this program, started again in a slot of a worker, where it runs one attempt after the other. A
// module that crashes, leaks or never ends takes this process down and nothing else.
#pragma once

#include <optional>

#include "millrace/api/registry.h"

namespace millrace {

// The hidden argument with which a worker starts a module host. The next one, if any, is its ConfinementText.
inline constexpr char kModuleHostWord[] = "--millrace-host";

// Early in main(), before threads and options: when this process was started to be a module host it becomes one, and
// the value is what main() must return (0 when the worker closed the channel, 70 when it could not work). Else nullopt.
std::optional<int> MaybeRunModuleHost(int argc, char** argv, const Registry& registry);

}  // namespace millrace
