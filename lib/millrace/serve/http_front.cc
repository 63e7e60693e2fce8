// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/http_front.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "millrace/base/fd.h"
#include "millrace/base/status.h"
#include "millrace/net/wakeup.h"
#include "millrace/serve/clock.h"

namespace millrace::serve {
namespace {

constexpr Duration kNoDescriptor = std::chrono::milliseconds(100);  // until accepting is tried again

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string Written(const HttpResponse& response, bool keep_alive, bool with_body) {
  std::string text = absl::StrFormat(
      "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n"
      "Cache-Control: no-store\r\nConnection: %s\r\n%s\r\n",
      response.status, ReasonOf(response.status), response.body.size(), keep_alive ? "keep-alive" : "close",
      response.fields);
  if (with_body) text += response.body;
  return text;
}

HttpResponse Refusal(int status, std::string_view why) {
  return {.status = status, .body = absl::StrFormat("{\"error\": \"%s\"}\n", why), .fields = {}};
}

bool WouldWait(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

struct HttpFront::State {
  enum class Phase : std::uint8_t {
    kReading,    // a request
    kWriting,    // its answer
    kLingering,  // everything is said; what still comes is thrown away
  };
  struct Connection {
    UniqueFd fd;
    Phase phase = Phase::kReading;
    Instant until{};       // then it is closed
    std::string in;        // of the next request; at most kMaxHttpHead
    std::string out;       // of the answer
    std::size_t sent = 0;  // of `out`
    std::uint32_t requests = 0;
    bool last = false;  // nothing is read any more after this answer
  };

  absl::Status Listen(const std::string& bind, int wanted);
  void Run();
  void Accept();
  bool Serve(Connection& connection, bool ready);  // false = close it
  bool Read(Connection& connection);
  bool TakeRequest(Connection& connection);
  bool Write(Connection& connection);
  bool Linger(Connection& connection);
  bool IsOver(Connection& connection);
  void Say(Connection& connection, const HttpResponse& response, bool keep_alive, bool with_body);
  void Say(Connection& connection, int refused, std::string_view why);

  Answer answer;
  HttpLimits limits;
  UniqueFd listener;
  int port = 0;
  Instant accept_at{};                // no earlier: there was no descriptor
  std::list<Connection> connections;  // the oldest first
  std::atomic<bool> stop = false;
  net::Wakeup wakeup;
  std::thread thread;
};

absl::Status HttpFront::State::Listen(const std::string& bind_to, int wanted) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int looked_up = getaddrinfo(bind_to.c_str(), std::to_string(wanted).c_str(), &hints, &found);
  int failure = looked_up == 0 ? EADDRNOTAVAIL : ENXIO;
  for (const addrinfo* one = found; one != nullptr && !listener.valid(); one = one->ai_next) {
    UniqueFd socket(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;  // not SO_REUSEPORT, with which two brokers would share the requests to one port
    if (!socket.valid() || setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(socket.get(), one->ai_addr, one->ai_addrlen) != 0 || listen(socket.get(), SOMAXCONN) != 0) {
      failure = errno;
      continue;
    }
    listener = std::move(socket);
  }
  if (found != nullptr) freeaddrinfo(found);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (!listener.valid() || getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return FailedPrecondition(
        "cannot serve HTTP on %s:%d: the port is taken or the address is not ours (%s); choose another with "
        "--http-port, or 0 for any",
        bind_to, wanted, looked_up == 0 ? std::strerror(failure) : gai_strerror(looked_up));
  }
  port = ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
  return absl::OkStatus();
}

void HttpFront::State::Run() {
  std::vector<pollfd> polled;
  while (!stop) {
    polled = {{.fd = wakeup.fd(), .events = POLLIN, .revents = 0},
              {.fd = listener.get(), .events = POLLIN, .revents = 0}};
    Instant next = kNever;
    if (accept_at > Now()) {
      polled[1].events = 0;
      next = accept_at;
    }
    for (const Connection& one : connections) {
      const short events = one.phase == Phase::kWriting ? POLLOUT : POLLIN;
      polled.push_back({.fd = one.fd.get(), .events = events, .revents = 0});
      next = std::min(next, one.until);
    }
    int wait = -1;
    if (next != kNever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Now()).count();
      wait = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    if (poll(polled.data(), polled.size(), wait) < 0 && errno != EINTR) return;
    wakeup.Drain();
    std::size_t at = 2;
    for (auto one = connections.begin(); one != connections.end(); ++at) {
      one = Serve(*one, polled[at].revents != 0) ? std::next(one) : connections.erase(one);
    }
    if (polled[1].revents != 0) Accept();
  }
}

void HttpFront::State::Accept() {
  // Not without an end, or newcomers alone would be looked after.
  for (std::size_t i = 0; i < limits.connections; ++i) {
    // Not by the broker's own accept4, which keeps the last descriptors: there are few connections here, and a broker
    // that lets nobody else in can still be asked why.
    UniqueFd fd(static_cast<int>(syscall(SYS_accept4, listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
    if (!fd.valid()) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (!WouldWait(errno)) accept_at = Now() + kNoDescriptor;
      return;
    }
    if (connections.size() >= limits.connections) connections.pop_front();
    Connection& added = connections.emplace_back();
    added.fd = std::move(fd);
    added.until = Now() + limits.head;
    if (!Read(added)) connections.pop_back();  // who has come with a request gives way to nobody
  }
}

bool HttpFront::State::Serve(Connection& connection, bool ready) {
  bool open = true;
  if (ready) {
    switch (connection.phase) {
      case Phase::kReading: open = Read(connection); break;
      case Phase::kWriting: open = Write(connection); break;
      case Phase::kLingering: open = Linger(connection); break;
    }
  }
  // Also of one who is ready each time: what went on to its next phase has got the time for it.
  return open && (Now() < connection.until || !IsOver(connection));
}

// Its time is up. Who has begun to say something hears why.
bool HttpFront::State::IsOver(Connection& connection) {
  if (connection.phase == Phase::kWriting) {
    // What he did not take is not kept for him either, as it would be by the system.
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (connection.phase != Phase::kReading || connection.in.empty()) return true;
  Say(connection, 408, absl::StrFormat("the request took longer than %s", FormatDuration(limits.head)));
  return !Write(connection);
}

bool HttpFront::State::Read(Connection& connection) {
  std::array<char, kMaxHttpHead> buffer;
  const ssize_t count = recv(connection.fd.get(), buffer.data(), buffer.size() - connection.in.size(), 0);
  if (count < 0) return WouldWait(errno);
  if (count == 0) return false;  // a request that was whole has been answered
  // From its first byte on a request has its time; more bytes give it no more.
  if (connection.in.empty()) connection.until = Now() + limits.head;
  connection.in.append(buffer.data(), static_cast<std::size_t>(count));
  return TakeRequest(connection);
}

bool HttpFront::State::TakeRequest(Connection& connection) {
  const HttpParsed parsed = ParseHttp(connection.in);
  if (parsed.refused != 0) {
    Say(connection, parsed.refused, parsed.why);
    return Write(connection);
  }
  if (parsed.size == 0) return true;
  connection.in.erase(0, parsed.size);
  const bool keep_alive = parsed.request.keep_alive && ++connection.requests < limits.requests;
  Say(connection, answer(parsed.request), keep_alive, parsed.request.method != "HEAD");
  return Write(connection);
}

void HttpFront::State::Say(Connection& connection, const HttpResponse& response, bool keep_alive, bool with_body) {
  connection.out = Written(response, keep_alive, with_body);
  connection.sent = 0;
  connection.last = !keep_alive;
  connection.phase = Phase::kWriting;
  connection.until = Now() + limits.answer;
}

void HttpFront::State::Say(Connection& connection, int refused, std::string_view why) {
  Say(connection, Refusal(refused, why), /*keep_alive=*/false, /*with_body=*/true);
}

bool HttpFront::State::Write(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const ssize_t count = send(connection.fd.get(), connection.out.data() + connection.sent,
                               connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (count < 0) return WouldWait(errno);
    connection.sent += static_cast<std::size_t>(count);
  }
  connection.out.clear();
  if (connection.last) {
    // Closed with something unread, the other side would be told to forget what it was answered.
    shutdown(connection.fd.get(), SHUT_WR);
    connection.phase = Phase::kLingering;
    connection.until = Now() + limits.linger;
    return Linger(connection);
  }
  connection.phase = Phase::kReading;
  connection.until = Now() + limits.head;
  return connection.in.empty() || TakeRequest(connection);
}

bool HttpFront::State::Linger(Connection& connection) {
  std::array<char, kMaxHttpHead> ignored;
  const ssize_t count = recv(connection.fd.get(), ignored.data(), ignored.size(), 0);
  return count > 0 || (count < 0 && WouldWait(errno));
}

absl::StatusOr<std::unique_ptr<HttpFront>> HttpFront::Start(const std::string& bind, int port, Answer answer,
                                                            const HttpLimits& limits) {
  auto state = std::make_unique<State>();
  state->answer = std::move(answer);
  state->limits = limits;
  MILLRACE_RETURN_IF_ERROR(state->Listen(bind, port));
  state->thread = std::thread([raw = state.get()] { raw->Run(); });
  return std::unique_ptr<HttpFront>(new HttpFront(std::move(state)));
}

HttpFront::HttpFront(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpFront::~HttpFront() {
  state_->stop = true;
  state_->wakeup.Signal();
  state_->thread.join();
}

int HttpFront::port() const { return state_->port; }

}  // namespace millrace::serve
