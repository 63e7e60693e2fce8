// SPDX-License-Identifier: Apache-2.0
// Addresses as people write them: what is asked for, which plane listens where, and whether plaintext may be spoken
// there. Nothing here opens a socket; only names are resolved, by the system's resolver, which may block.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace::net {

enum class Transport { kTcp, kIpc, kInproc };

inline constexpr int kDefaultPort = 8080;
// The planes lie at fixed distances above the control port, the farthest 10 above it.
inline constexpr int kHighestControlPort = 65535 - 10;

struct Endpoint {
  Transport transport = Transport::kTcp;
  std::string host = {};   // tcp: literal address (v6 without brackets), name, interface, or "*" for every address
  std::uint16_t port = 0;  // tcp: 0 = the system chooses
  std::string path = {};   // ipc: a file; inproc: a name

  // As people write it, and as ZeroMQ takes it: tcp://[::1]:8080, tcp://127.0.0.1:*, ipc:///run/millrace.
  std::string ToString() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

enum class Plane { kControl, kHeartbeat, kEvents, kBulk, kHttp };

// What a worker or a client connects to: tcp://HOST[:PORT], ipc://PATH, inproc://NAME; http://HOST[:PORT][/] is read as
// tcp, since people copy it. Without a port it is kDefaultPort.
absl::StatusOr<Endpoint> ParseOrchestratorUrl(std::string_view url);
// What a broker binds: `bind` is a host (127.0.0.1, ::1, lo, *) to which `port` belongs, or an ipc:// or inproc://
// address, which has no port. Port 0 lets the system choose.
absl::StatusOr<Endpoint> MakeBindEndpoint(std::string_view bind, int port);
// An address as a running broker announces it: tcp with a port from 1 to 65535, ipc, inproc.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// Where the plane of a broker listens whose control endpoint is given: port +0, +1, +2, +3, +10, or a suffix. Port 0
// stays 0. FailedPrecondition for HTTP without tcp.
absl::StatusOr<Endpoint> PlaneEndpoint(const Endpoint& control, Plane plane);

// The literal addresses behind a host: itself, an interface's addresses, or what the resolver says. IPv4 comes first,
// because a broker on "localhost" listens there. Never empty when ok. Not for "*".
absl::StatusOr<std::vector<std::string>> ResolveHost(std::string_view host);

// Whether only this machine can reach it: ipc, inproc, 127.0.0.0/8, ::1, and names all of whose addresses are these.
// Unavailable when a name cannot be resolved.
absl::StatusOr<bool> IsLoopback(const Endpoint& endpoint);

// Refuses plaintext beyond loopback unless `insecure_allow_plaintext_on` repeats the endpoint's host literally. The
// rule is the same for connecting, because a worker runs what its broker says.
absl::Status CheckPlaintextAllowed(const Endpoint& endpoint, std::string_view insecure_allow_plaintext_on, bool bind);

// The same endpoint with its host as a literal address where plaintext was allowed because a name means loopback: a
// name that changes its meaning later must not lead elsewhere. For binding names become literal always, for ZeroMQ
// knows none.
absl::StatusOr<Endpoint> PinAddress(const Endpoint& endpoint, bool bind);

}  // namespace millrace::net
