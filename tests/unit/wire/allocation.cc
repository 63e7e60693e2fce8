// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/wire/allocation.h"

#include <cstdlib>
#include <new>

namespace millrace {

std::size_t& AllocatedBytes() {
  thread_local std::size_t bytes = 0;
  return bytes;
}

}  // namespace millrace

void* operator new(std::size_t size) {
  millrace::AllocatedBytes() += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
