// SPDX-License-Identifier: Apache-2.0
// Counts what operator new hands out in this test program, to hold decoders to their memory budgets.
#pragma once

#include <cstddef>

namespace millrace {

// Bytes this thread has asked for since it set this to 0.
std::size_t& AllocatedBytes();

}  // namespace millrace
