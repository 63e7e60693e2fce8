// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/endpoint.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "millrace/base/status.h"

namespace millrace::net {
namespace {

constexpr std::string_view kForms = "write tcp://HOST:PORT, ipc://PATH or inproc://NAME";
constexpr std::size_t kLongestHost = 255;
// sun_path keeps a terminating zero, and the planes' suffixes have to fit as well.
constexpr std::size_t kLongestPath = sizeof(sockaddr_un{}.sun_path) - 1 - 5;

struct PlanePlace {
  int offset;
  std::string_view suffix;
};
PlanePlace PlaceOf(Plane plane) {
  switch (plane) {
    case Plane::kControl: return {0, ""};
    case Plane::kHeartbeat: return {1, ".hb"};
    case Plane::kEvents: return {2, ".ev"};
    case Plane::kBulk: return {3, ".bulk"};
    case Plane::kHttp: return {10, ""};
  }
  return {0, ""};
}

absl::Status Refuse(std::string_view url, std::string_view why) {
  return InvalidArgument("'%s' is not an address: %s; %s", url, why, kForms);
}

bool IsHostByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' || c == ':' || c == '%';
}

absl::Status CheckHost(std::string_view whole, std::string_view host) {
  if (host.empty()) return Refuse(whole, "the host is missing");
  if (host.size() > kLongestHost) {
    return InvalidArgument("a host name of %d bytes is longer than the %d allowed", host.size(), kLongestHost);
  }
  if (host == "*") return absl::OkStatus();
  if (!std::all_of(host.begin(), host.end(), IsHostByte)) {
    return Refuse(whole, "a host has letters, digits and . - _ only (an IPv6 address goes into [brackets])");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint16_t> ParsePort(std::string_view whole, std::string_view text, int highest) {
  int port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size() || port < 1 || port > highest) {
    return InvalidArgument("'%s': port '%s' is not a number from 1 to %d", whole, text, highest);
  }
  return static_cast<std::uint16_t>(port);
}

absl::StatusOr<Endpoint> ParseLocal(std::string_view whole, Transport transport, std::string_view path) {
  if (path.empty()) return Refuse(whole, transport == Transport::kIpc ? "the path is missing" : "the name is missing");
  if (path.find('\0') != std::string_view::npos) return Refuse(whole, "a path has no zero byte");
  if (path == "*") return Refuse(whole, "the path cannot be left open");
  if (path.size() > kLongestPath) {
    return InvalidArgument("'%s': its path has %d bytes, and %d are the most a socket's path may have", whole,
                           path.size(), kLongestPath);
  }
  return Endpoint{.transport = transport, .host = {}, .port = 0, .path = std::string(path)};
}

// HOST, HOST:PORT, [V6] or [V6]:PORT. Without a port it is `missing`, or refused.
absl::StatusOr<Endpoint> ParseTcp(std::string_view whole, std::string_view rest, std::optional<int> missing,
                                  int highest) {
  Endpoint endpoint;
  std::optional<std::string_view> port;
  if (!rest.empty() && rest.front() == '[') {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return Refuse(whole, "the ] is missing");
    endpoint.host = rest.substr(1, close - 1);
    const std::string_view after = rest.substr(close + 1);
    if (!after.empty() && after.front() != ':') return Refuse(whole, "after ] comes :PORT");
    if (!after.empty()) port = after.substr(1);
  } else {
    const auto colon = rest.find(':');
    if (colon != rest.rfind(':')) return Refuse(whole, "an IPv6 address goes into [brackets]");
    endpoint.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon + 1);
  }
  MILLRACE_RETURN_IF_ERROR(CheckHost(whole, endpoint.host));
  if (port.has_value()) {
    MILLRACE_ASSIGN_OR_RETURN(endpoint.port, ParsePort(whole, *port, highest));
  } else if (missing.has_value()) {
    endpoint.port = static_cast<std::uint16_t>(*missing);
  } else {
    return Refuse(whole, "the port is missing");
  }
  return endpoint;
}

struct Parts {
  std::string scheme;  // lower case
  std::string_view rest;
};
absl::StatusOr<Parts> SplitScheme(std::string_view text) {
  const auto mark = text.find("://");
  if (mark == std::string_view::npos) {
    return InvalidArgument("'%s' has no scheme: %s (for example tcp://127.0.0.1:%d)", text, kForms, kDefaultPort);
  }
  Parts parts{.scheme = std::string(text.substr(0, mark)), .rest = text.substr(mark + 3)};
  for (char& c : parts.scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return parts;
}

}  // namespace

std::string Endpoint::ToString() const {
  if (transport == Transport::kIpc) return "ipc://" + path;
  if (transport == Transport::kInproc) return "inproc://" + path;
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return "tcp://" + shown + ":" + (port == 0 ? "*" : std::to_string(port));
}

absl::StatusOr<Endpoint> ParseOrchestratorUrl(std::string_view url) {
  MILLRACE_ASSIGN_OR_RETURN(Parts parts, SplitScheme(url));
  if (parts.scheme == "ipc") return ParseLocal(url, Transport::kIpc, parts.rest);
  if (parts.scheme == "inproc") return ParseLocal(url, Transport::kInproc, parts.rest);
  if (parts.scheme == "http" && parts.rest.ends_with('/')) parts.rest.remove_suffix(1);
  if (parts.scheme == "http" && parts.rest.find('/') != std::string_view::npos) {
    return Refuse(url, "an orchestrator has no path after its port");
  }
  if (parts.scheme == "https")
    return Refuse(url, "an orchestrator does not speak https, it encrypts by keys of its own");
  if (parts.scheme != "tcp" && parts.scheme != "http") return Refuse(url, "its scheme is not known");
  MILLRACE_ASSIGN_OR_RETURN(Endpoint endpoint, ParseTcp(url, parts.rest, kDefaultPort, kHighestControlPort));
  if (endpoint.host == "*") return Refuse(url, "'*' is for binding; connect to one host");
  return endpoint;
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  MILLRACE_ASSIGN_OR_RETURN(const Parts parts, SplitScheme(text));
  if (parts.scheme == "ipc") return ParseLocal(text, Transport::kIpc, parts.rest);
  if (parts.scheme == "inproc") return ParseLocal(text, Transport::kInproc, parts.rest);
  if (parts.scheme != "tcp") return Refuse(text, "its scheme is not known");
  return ParseTcp(text, parts.rest, std::nullopt, 65535);
}

absl::StatusOr<Endpoint> MakeBindEndpoint(std::string_view bind, int port) {
  if (bind.find("://") != std::string_view::npos) {
    MILLRACE_ASSIGN_OR_RETURN(const Parts parts, SplitScheme(bind));
    if (parts.scheme == "ipc") return ParseLocal(bind, Transport::kIpc, parts.rest);
    if (parts.scheme == "inproc") return ParseLocal(bind, Transport::kInproc, parts.rest);
    return InvalidArgument("'%s' cannot be bound: give a host (127.0.0.1) and the port apart, or ipc://PATH", bind);
  }
  if (port < 0 || port > kHighestControlPort) {
    return InvalidArgument("port %d is not from 1 to %d (10 more are used above it); 0 lets the system choose", port,
                           kHighestControlPort);
  }
  std::string_view host = bind;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  MILLRACE_RETURN_IF_ERROR(CheckHost(bind, host));
  return Endpoint{
      .transport = Transport::kTcp, .host = std::string(host), .port = static_cast<std::uint16_t>(port), .path = {}};
}

absl::StatusOr<Endpoint> PlaneEndpoint(const Endpoint& control, Plane plane) {
  const PlanePlace place = PlaceOf(plane);
  Endpoint endpoint = control;
  if (control.transport != Transport::kTcp) {
    if (plane == Plane::kHttp) {
      return FailedPrecondition("HTTP is served on tcp only, and '%s' is not; bind a tcp address", control.ToString());
    }
    endpoint.path += place.suffix;
    return endpoint;
  }
  if (control.port == 0) return endpoint;
  if (control.port > kHighestControlPort) {
    return InvalidArgument("port %d is not from 1 to %d (10 more are used above it)", control.port,
                           kHighestControlPort);
  }
  endpoint.port = static_cast<std::uint16_t>(control.port + place.offset);
  return endpoint;
}

}  // namespace millrace::net
