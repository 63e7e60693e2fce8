// SPDX-License-Identifier: Apache-2.0
// Tells a thread sanitizer of the hand-overs inside libzmq, which is not instrumented. Internal to net. The functions
// are weak: absent, and free, in every other build.
#pragma once

extern "C" {
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
}

namespace millrace::net {

inline char tsan_anchor = 0;

inline void BeforeHandOver() {
  if (__tsan_release != nullptr) __tsan_release(&tsan_anchor);
}
inline void AfterTakeOver() {
  if (__tsan_acquire != nullptr) __tsan_acquire(&tsan_anchor);
}

}  // namespace millrace::net
