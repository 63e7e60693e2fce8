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

// Ours as well, since the others free what it gave: libFuzzer does that to its own memory, and sanitizers mind.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  millrace::AllocatedBytes() += size;
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new(std::size_t size) {
  if (void* memory = ::operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
