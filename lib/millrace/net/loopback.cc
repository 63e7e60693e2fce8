// SPDX-License-Identifier: Apache-2.0
// The part of endpoint.h that asks the system: what a host means, and whether only this machine can reach it.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "millrace/base/status.h"
#include "millrace/net/endpoint.h"

namespace millrace::net {
namespace {

bool IsEveryAddress(std::string_view host) { return host == "*" || host == "0.0.0.0" || host == "::"; }

bool IsLiteral(const std::string& host) {
  in_addr v4{};
  in6_addr v6{};
  return inet_pton(AF_INET, host.c_str(), &v4) == 1 || inet_pton(AF_INET6, host.c_str(), &v6) == 1;
}

bool IsLoopbackLiteral(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void AddLiteral(const sockaddr* address, std::vector<std::string>& literals) {
  if (address == nullptr) return;
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = nullptr;
  if (address->sa_family == AF_INET) raw = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  if (address->sa_family == AF_INET6) raw = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  if (raw == nullptr || inet_ntop(address->sa_family, raw, text.data(), text.size()) == nullptr) return;
  literals.emplace_back(text.data());
}

std::vector<std::string> AddressesOfInterface(const std::string& name) {
  std::vector<std::string> literals;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return literals;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(all, &freeifaddrs);
  for (const ifaddrs* entry = all; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_name == name) AddLiteral(entry->ifa_addr, literals);
  }
  return literals;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ResolveHost(std::string_view host_view) {
  const std::string host(host_view);
  if (IsLiteral(host)) return std::vector<std::string>{host};
  std::vector<std::string> literals = AddressesOfInterface(host);
  if (literals.empty()) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
      return Unavailable("the host '%s' cannot be resolved: %s", host, gai_strerror(error));
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) AddLiteral(entry->ai_addr, literals);
  }
  if (literals.empty()) return Unavailable("the host '%s' has no IPv4 or IPv6 address", host);
  std::stable_partition(literals.begin(), literals.end(),
                        [](const std::string& literal) { return literal.find(':') == std::string::npos; });
  return literals;
}

absl::StatusOr<bool> IsLoopback(const Endpoint& endpoint) {
  if (endpoint.transport != Transport::kTcp) return true;
  if (IsEveryAddress(endpoint.host)) return false;
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::string> literals, ResolveHost(endpoint.host));
  return std::all_of(literals.begin(), literals.end(), IsLoopbackLiteral);
}

absl::Status CheckPlaintextAllowed(const Endpoint& endpoint, std::string_view insecure_allow_plaintext_on, bool bind) {
  if (endpoint.transport != Transport::kTcp || insecure_allow_plaintext_on == endpoint.host) return absl::OkStatus();
  MILLRACE_ASSIGN_OR_RETURN(const bool loopback, IsLoopback(endpoint));
  if (loopback) return absl::OkStatus();
  if (bind) {
    return FailedPrecondition(
        "binding %s would speak plaintext beyond this machine. Make keys, and use them:\n"
        "  zmqctl keys init --keys DIR\n"
        "  zmqctl keys token --keys DIR --orchestrator tcp://THIS-HOST:%d    # for workers: millrace-worker --join "
        "TOKEN\n"
        "  millrace-broker --keys DIR --bind %s\n"
        "or tolerate it knowingly with --insecure-allow-plaintext-on %s",
        endpoint.ToString(), endpoint.port, endpoint.host, endpoint.host);
  }
  return FailedPrecondition(
      "connecting to %s would speak plaintext beyond this machine. On the broker's machine, make a key, and use it "
      "here:\n"
      "  zmqctl keys add client NAME --keys DIR    # then here: --key NAME.key\n"
      "  zmqctl keys token --keys DIR              # or for a worker: millrace-worker --join TOKEN\n"
      "or tolerate it knowingly with --insecure-allow-plaintext-on %s",
      endpoint.ToString(), endpoint.host);
}

absl::StatusOr<Endpoint> PinAddress(const Endpoint& endpoint, bool bind) {
  if (endpoint.transport != Transport::kTcp || endpoint.host == "*" || IsLiteral(endpoint.host)) return endpoint;
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::string> literals, ResolveHost(endpoint.host));
  // A name beyond loopback is left to ZeroMQ, which asks again at each reconnect and so follows a host that moves.
  if (!bind && !std::all_of(literals.begin(), literals.end(), IsLoopbackLiteral)) return endpoint;
  Endpoint pinned = endpoint;
  pinned.host = literals.front();
  return pinned;
}

}  // namespace millrace::net
