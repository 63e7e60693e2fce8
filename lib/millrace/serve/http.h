// SPDX-License-Identifier: Apache-2.0
// The HTTP plane: health and status as JSON, from the published snapshot. Reads only; loopback unless told otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/model/caller.h"
#include "millrace/serve/snapshot.h"

namespace millrace::serve {

class HttpServer {
 public:
  // Who has this bearer token; null = nobody.
  using Bearers = std::function<std::shared_ptr<const Caller>(std::string_view bearer)>;

  // Port 0 lets the system choose. `board` must outlive the server. With `bearers`, whoever asks needs a token of a
  // client or an admin, and without one learns from /api/health no more than the status.
  //   GET /api/health   status, workers by state, load, limits, timestamp; 200 also when degraded, 503 when stalled
  //   GET /api/workers, /api/runs, /api/status
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& bind, int port,
                                                           const SnapshotBoard& board, Bearers bearers = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const std::string& url() const;  // http://127.0.0.1:8090

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
