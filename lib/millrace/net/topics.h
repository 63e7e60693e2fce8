// SPDX-License-Identifier: Apache-2.0
// The classes of what is published on the heartbeat and event channels: the first byte of each message there.
#pragma once

#include "millrace/net/pubsub.h"

namespace millrace::net {

inline constexpr Topic kBeatTopic = 'h';     // worker to broker
inline constexpr Topic kBeaconTopic = 'b';   // broker to everyone: I am here
inline constexpr Topic kChangedTopic = 'c';  // broker to everyone: a run has changed

}  // namespace millrace::net
