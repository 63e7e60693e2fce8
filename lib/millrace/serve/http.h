// SPDX-License-Identifier: Apache-2.0
// The HTTP plane: health and status as JSON, from the published snapshot. Reads only; loopback unless told otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/model/caller.h"
#include "millrace/serve/http_front.h"
#include "millrace/serve/snapshot.h"

namespace millrace::serve {

// Who has this bearer token; null = nobody. Empty when nobody needs one.
using Bearers = std::function<std::shared_ptr<const Caller>(std::string_view bearer)>;

// What is said to whom. With `bearers`, whoever asks needs a token of a client or an admin, and without one learns from
// /api/health no more than the status. `bind`: the address that is served, which a Host may say, too.
//   GET /api/health   status, workers by state, load, limits, timestamp; 200 also when degraded, 503 when stalled
//   GET /api/workers, /api/runs, /api/status
HttpResponse AnswerTo(const HttpRequest& request, const Snapshot& snapshot, const Bearers& bearers,
                      std::string_view bind);

class HttpServer {
 public:
  // Port 0 lets the system choose. `board` must outlive the server. Errors as of HttpFront::Start.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& bind, int port,
                                                           const SnapshotBoard& board, Bearers bearers = {},
                                                           const HttpLimits& limits = {});

  const std::string& url() const { return url_; }  // http://127.0.0.1:8090

 private:
  HttpServer(std::unique_ptr<HttpFront> front, std::string url) : front_(std::move(front)), url_(std::move(url)) {}

  std::unique_ptr<HttpFront> front_;
  std::string url_;
};

}  // namespace millrace::serve
