// SPDX-License-Identifier: Apache-2.0
// The few calls on TCP sockets that the wires of a chaos run are made with.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"

namespace millrace::zmqctl {

// `host` is a literal IPv4 address. Unavailable when the port is taken there.
absl::StatusOr<UniqueFd> ListenOn(const std::string& host, std::uint16_t port);

// To 127.0.0.1, which answers at once. None when nobody listens.
UniqueFd DialLocal(std::uint16_t port);

void SendAtOnce(const UniqueFd& fd);
// So that closing it tells the other side by a reset.
void ResetOnClose(const UniqueFd& fd);

}  // namespace millrace::zmqctl
