// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/http.h"

#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "millrace/base/status.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/view_json.h"

namespace millrace::serve {
namespace {

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
HttpResponse Brief(const Snapshot& snapshot) {
  const bool stalled = IsStalled(snapshot);
  const char* const status = stalled ? "stalled" : (snapshot.broker.warnings.empty() ? "ok" : "degraded");
  return {.status = stalled ? 503 : 200, .body = absl::StrFormat("{\"status\": \"%s\"}\n", status), .fields = {}};
}

// 200, or why the bearer of this Authorization header may not read.
int Judge(const Bearers& bearers, std::string_view header) {
  if (!bearers) return 200;
  constexpr std::string_view kScheme = "Bearer ";
  if (!header.starts_with(kScheme)) return 401;
  const auto caller = bearers(header.substr(kScheme.size()));
  if (caller == nullptr) return 401;
  return caller->standing == Standing::kClient || caller->standing == Standing::kAdmin ? 200 : 403;
}

HttpResponse Denied(int status) {
  if (status == 403) return {.status = 403, .body = "{\"error\": \"the key's role may not ask\"}\n", .fields = {}};
  return {.status = 401,
          .body = "{\"error\": \"a bearer token is needed: zmqctl keys show NAME --bearer\"}\n",
          .fields = "WWW-Authenticate: Bearer\r\n"};
}

HttpResponse Health(const Snapshot& snapshot) {
  const bool stalled = IsStalled(snapshot);
  return {.status = stalled ? 503 : 200, .body = HealthJson(snapshot, stalled), .fields = {}};
}
HttpResponse Status(const Snapshot& snapshot) { return {.body = BrokerJson(snapshot.broker), .fields = {}}; }
HttpResponse Workers(const Snapshot& snapshot) { return {.body = WorkersJson(snapshot.workers), .fields = {}}; }
HttpResponse Runs(const Snapshot& snapshot) { return {.body = RunsJson(snapshot.runs), .fields = {}}; }

constexpr std::string_view kHealthPath = "/api/health";

struct Page {
  std::string_view path;
  HttpResponse (*make)(const Snapshot& snapshot);
};
constexpr std::array kPages = {Page{kHealthPath, Health}, Page{"/api/status", Status}, Page{"/api/workers", Workers},
                               Page{"/api/runs", Runs}};

}  // namespace

HttpResponse AnswerTo(const HttpRequest& request, const Snapshot& snapshot, const Bearers& bearers,
                      std::string_view bind) {
  if (!IsOwnHost(request.host, bind)) return {.status = 403, .body = "{\"error\": \"unknown Host\"}\n", .fields = {}};
  for (const Page& page : kPages) {
    if (page.path != request.path) continue;
    if (request.method != "GET" && request.method != "HEAD") {
      return {.status = 405,
              .body = "{\"error\": \"it can only be read: GET and HEAD\"}\n",
              .fields = "Allow: GET, HEAD\r\n"};
    }
    const int judged = Judge(bearers, request.authorization);
    if (judged != 200) return page.path == kHealthPath ? Brief(snapshot) : Denied(judged);
    HttpResponse response = page.make(snapshot);
    response.body += '\n';
    return response;
  }
  return {.status = 404, .body = "{\"error\": \"there are /api/health, status, workers and runs\"}\n", .fields = {}};
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& bind, int port,
                                                              const SnapshotBoard& board, Bearers bearers,
                                                              const HttpLimits& limits) {
  const auto answer = [&board, bearers = std::move(bearers), bind](const HttpRequest& request) {
    return AnswerTo(request, *board.Latest(), bearers, bind);
  };
  MILLRACE_ASSIGN_OR_RETURN(std::unique_ptr<HttpFront> front, HttpFront::Start(bind, port, answer, limits));
  const bool v6 = bind.find(':') != std::string::npos;
  const std::string host = bind == "0.0.0.0" || bind == "::" ? "127.0.0.1" : (v6 ? "[" + bind + "]" : bind);
  std::string url = absl::StrFormat("http://%s:%d", host, front->port());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(front), std::move(url)));
}

}  // namespace millrace::serve
