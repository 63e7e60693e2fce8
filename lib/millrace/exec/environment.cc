// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/environment.h"

#include <cstdlib>
#include <utility>

namespace millrace::exec {

Environment ChildEnvironment(Environment extra) {
  for (const char* name : {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "SHELL", kSlotVariable}) {
    if (const char* value = std::getenv(name)) extra.try_emplace(name, value);
  }
  // Without one, shells fall back to a PATH of their own and other programs to none: say it, so that all agree.
  extra.try_emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  return extra;
}

}  // namespace millrace::exec
