// SPDX-License-Identifier: Apache-2.0
// A link to a broker over ZeroMQ: the control channel, and once the broker has told where they are, the heartbeat and
// event channels.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/link.h"

namespace millrace::net {

struct RemoteLinkOptions {
  std::string insecure_allow_plaintext_on;
  bool listen = true;   // to the broker's beacons and events; a client that asks one question need not
  bool changes = true;  // among the events, what has changed in which run: workers need not know, and would be woken
};

// Returns before the connection is made: LinkUp follows. Only an address that is refused is an error.
absl::StatusOr<std::unique_ptr<Link>> ConnectRemote(SocketContext& context, const Endpoint& control,
                                                    RemoteLinkOptions options = {});

// A plane of a broker as its Welcome names it, as it is to be dialled from here: a broker bound to every address does
// not know which one leads to it, but whoever reached its control channel does.
absl::StatusOr<Endpoint> DialledPlane(const std::string& announced, const Endpoint& control);

}  // namespace millrace::net
