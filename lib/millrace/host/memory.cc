// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/memory.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include "millrace/host/exit_code.h"

namespace millrace::host {
namespace {

std::terminate_handler otherwise = nullptr;

void Say(const char* text) { [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text)); }

[[noreturn]] void End(const char* what, const char* advice) {
  for (const char* text : {static_cast<const char*>(program_invocation_short_name), ": ", what,
                           ". It ends here as if it had been killed; ", advice, ", then start it again\n"}) {
    Say(text);
  }
  _exit(kNoResources);
}

[[noreturn]] void OnTerminate() {
  try {
    if (std::current_exception() != nullptr) throw;
  } catch (const std::bad_alloc&) {
    End("the system gives it no more memory",
        "give it more (ulimit -v, the limit of its container or unit), or take from others");
  } catch (const std::system_error& error) {
    End(error.what(), "see to its limits (ulimit -u and -n, pids.max of its container or unit)");
  } catch (...) {
  }
  otherwise();  // says what it was
  std::abort();
}

}  // namespace

void EndPlainlyWithoutMemory() {
  const std::terminate_handler before = std::set_terminate(OnTerminate);
  if (before != OnTerminate) otherwise = before;
}

}  // namespace millrace::host
