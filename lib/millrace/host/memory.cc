// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/memory.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include "millrace/host/exit_code.h"

namespace millrace::host {
namespace {

std::terminate_handler otherwise = nullptr;
std::atomic<bool> ending = false;

// One line in one write, without an allocation. Of several threads that end here at once the first one speaks, and the
// others wait for the end of the process.
[[noreturn]] void End(const char* what, const char* advice) {
  while (ending.exchange(true)) pause();
  char line[512];
  std::size_t size = 0;
  for (const char* text : {static_cast<const char*>(program_invocation_short_name), ": ", what,
                           ". It ends here as if it had been killed; ", advice, ", then start it again\n"}) {
    const std::size_t count = std::min(std::strlen(text), sizeof(line) - size);
    std::memcpy(line + size, text, count);
    size += count;
  }
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, size);
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
