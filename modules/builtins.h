// SPDX-License-Identifier: Apache-2.0
// The modules that every program of ours has. They use nothing but what any user of the library can use.
#pragma once

#include "millrace/api/api.h"

namespace millrace::modules {

Registry Builtins();

}  // namespace millrace::modules
