// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/http.h"

#include <httplib.h>

#include <thread>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/view_json.h"

namespace millrace::serve {
namespace {

constexpr int kThreads = 4;             // requests take microseconds; this bounds slow clients
constexpr std::size_t kMaxBody = 1024;  // bytes: only GETs are served
constexpr time_t kTimeout = 5;          // seconds for a request to arrive, and for an answer to be taken
constexpr time_t kKeepAlive = 1;        // seconds until the next request: the end of the server waits for it
constexpr std::size_t kRequestsPerConnection = 100;

// A page on some other site must not be able to make a browser read this: its Host would be that site's name.
bool IsOwnHost(std::string_view host, std::string_view bind) {
  const auto colon = host.rfind(':');
  const auto bracket = host.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = host.substr(0, colon);
  }
  return host.empty() || host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == bind ||
         bind == "0.0.0.0" || bind == "::";
}

// An idle broker publishes only when something happens, and its beacons happen at least every 5 s.
bool IsStalled(const Snapshot& snapshot) {
  return Now().time_since_epoch() - snapshot.taken > std::chrono::seconds(15);
}

// For whoever has no token: enough to know whether it lives.
void Brief(const Snapshot& snapshot, httplib::Response& response) {
  const bool stalled = IsStalled(snapshot);
  if (stalled) response.status = 503;
  const char* const status = stalled ? "stalled" : (snapshot.broker.warnings.empty() ? "ok" : "degraded");
  response.set_content(absl::StrFormat("{\"status\": \"%s\"}\n", status), "application/json");
}

// 200, or why the bearer of this Authorization header may not read.
int Judge(const HttpServer::Bearers& bearers, std::string_view header) {
  if (!bearers) return 200;
  constexpr std::string_view kScheme = "Bearer ";
  if (!header.starts_with(kScheme)) return 401;
  const auto caller = bearers(header.substr(kScheme.size()));
  if (caller == nullptr) return 401;
  return caller->standing == Standing::kClient || caller->standing == Standing::kAdmin ? 200 : 403;
}

void Deny(int status, httplib::Response& response) {
  response.status = status;
  if (status == 401) response.set_header("WWW-Authenticate", "Bearer");
  response.set_content(status == 401 ? "{\"error\": \"a bearer token is needed: zmqctl keys show NAME --bearer\"}\n"
                                     : "{\"error\": \"the key's role may not ask\"}\n",
                       "application/json");
}

// Instead of the library's SO_REUSEPORT, with which two brokers would share the requests to one port.
void ReuseAddressOnly(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

struct HttpServer::State {
  httplib::Server server;
  std::string url;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& bind, int port,
                                                              const SnapshotBoard& board, Bearers bearers) {
  auto state = std::make_unique<State>();
  httplib::Server& server = state->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(ReuseAddressOnly);
  server.set_payload_max_length(kMaxBody);
  server.set_read_timeout(kTimeout);
  server.set_write_timeout(kTimeout);
  server.set_keep_alive_timeout(kKeepAlive);
  server.set_keep_alive_max_count(kRequestsPerConnection);
  server.set_default_headers({{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
  server.set_pre_routing_handler([bind](const httplib::Request& request, httplib::Response& response) {
    if (IsOwnHost(request.get_header_value("Host"), bind)) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 403;
    response.set_content("{\"error\": \"unknown Host\"}\n", "application/json");
    return httplib::Server::HandlerResponse::Handled;
  });
  const auto serve = [&server, &board, &bearers](const char* path, auto make) {
    server.Get(path, [&board, make, bearers](const httplib::Request& request, httplib::Response& response) {
      const int judged = Judge(bearers, request.get_header_value("Authorization"));
      if (judged != 200 && request.path == "/api/health") return Brief(*board.Latest(), response);
      if (judged != 200) return Deny(judged, response);
      response.set_content(make(*board.Latest(), response) + "\n", "application/json");
    });
  };
  serve("/api/health", [](const Snapshot& snapshot, httplib::Response& response) {
    const bool stalled = IsStalled(snapshot);
    if (stalled) response.status = 503;
    return HealthJson(snapshot, stalled);
  });
  serve("/api/status", [](const Snapshot& snapshot, httplib::Response&) { return BrokerJson(snapshot.broker); });
  serve("/api/workers", [](const Snapshot& snapshot, httplib::Response&) { return WorkersJson(snapshot.workers); });
  serve("/api/runs", [](const Snapshot& snapshot, httplib::Response&) { return RunsJson(snapshot.runs); });
  const int bound =
      port == 0 ? server.bind_to_any_port(bind.c_str()) : (server.bind_to_port(bind.c_str(), port) ? port : -1);
  if (bound <= 0) {
    return FailedPrecondition(
        "cannot serve HTTP on %s:%d: the port is taken or the address is not ours; choose another "
        "with --http-port, or 0 for any",
        bind, port);
  }
  state->url = absl::StrFormat("http://%s:%d", bind == "0.0.0.0" ? "127.0.0.1" : bind, bound);
  state->thread = std::thread([&server] { server.listen_after_bind(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpServer::~HttpServer() {
  // stop() before the thread has begun to listen would be lost.
  while (!state_->server.is_running()) std::this_thread::yield();
  state_->server.stop();
  state_->thread.join();
}

const std::string& HttpServer::url() const { return state_->url; }

}  // namespace millrace::serve
