// SPDX-License-Identifier: Apache-2.0
// What a broker promises about a crash; docs/journal.md says what each can lose.
#pragma once

#include <cstdint>

namespace millrace {

enum class Durability : std::uint8_t {
  kSync,   // nothing is acknowledged before it is on disk
  kAsync,  // the journal is written, and nobody waits for it
  kOff,    // no journal: a broker that ends forgets its runs
};

}  // namespace millrace
