// SPDX-License-Identifier: Apache-2.0
// The sockets of the HTTP plane: one thread, which waits for nobody. Whoever is slow is closed when his time is over,
// whatever drips in meanwhile, and the oldest of too many gives way to the newest.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/serve/http_parse.h"

namespace millrace::serve {

struct HttpResponse {
  int status = 200;
  std::string body;    // JSON
  std::string fields;  // more header fields, each with its line's end
};

struct HttpLimits {
  std::size_t connections = 64;
  Duration head = std::chrono::seconds(5);    // for all of a request, and between two of a connection
  Duration answer = std::chrono::seconds(5);  // until it was taken
  Duration linger = std::chrono::seconds(1);  // for the rest of what a refused client says, so that it hears why
  std::uint32_t requests = 100;               // of a connection
};

class HttpFront {
 public:
  using Answer = std::function<HttpResponse(const HttpRequest& request)>;

  // Listens before it returns. Port 0 lets the system choose. `answer` is called on the thread. FailedPrecondition when
  // the port is taken or the address is not ours; throws std::system_error when the thread is refused.
  static absl::StatusOr<std::unique_ptr<HttpFront>> Start(const std::string& bind, int port, Answer answer,
                                                          const HttpLimits& limits);
  ~HttpFront();  // closes all connections; waits for none of them
  HttpFront(const HttpFront&) = delete;
  HttpFront& operator=(const HttpFront&) = delete;

  int port() const;

 private:
  struct State;
  explicit HttpFront(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
