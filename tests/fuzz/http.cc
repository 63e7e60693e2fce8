// SPDX-License-Identifier: Apache-2.0
// The HTTP plane of a broker with keys, over a real socket: whatever is asked, nothing is told to who has no token, and
// the connection ends.
#include "millrace/serve/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::string_view kSecret = "what-only-a-caller-with-a-token-may-see";

struct Plane {
  serve::SnapshotBoard board;
  std::unique_ptr<serve::HttpServer> server;
  int port = 0;

  Plane() {
    auto snapshot = std::make_shared<serve::Snapshot>();
    snapshot->taken = Duration::max() / 2;  // it is never stalled: the answers do not depend on the time
    snapshot->workers.resize(1);
    snapshot->workers[0].name = kSecret;
    snapshot->runs.resize(1);
    snapshot->runs[0].name = kSecret;
    board.Publish(snapshot);
    auto started = serve::HttpServer::Start("127.0.0.1", 0, board, [](std::string_view bearer) {
      return bearer == "good" ? std::make_shared<const Caller>(
                                    Caller{.standing = Standing::kClient, .name = {}, .key = {}, .tags = {}})
                              : nullptr;
    });
    fuzz::Require(started.status(), "HTTP cannot be served");
    server = *std::move(started);
    port = std::stoi(server->url().substr(server->url().rfind(':') + 1));
  }
};

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fuzz::Require(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
                "no connection is taken any more");
  return fd;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Plane& plane = *new Plane;  // its threads live as long as the program
  const int fd = Connect(plane.port);
  for (std::size_t sent = 0; sent < size;) {
    const ssize_t count = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
    if (count <= 0) break;  // it has heard enough
    sent += static_cast<std::size_t>(count);
  }
  shutdown(fd, SHUT_WR);
  std::string heard;
  char buffer[4096];
  for (ssize_t count = 0; (count = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    heard.append(buffer, static_cast<std::size_t>(count));
  }
  close(fd);
  std::string said(fuzz::TextOf(data, size));
  std::transform(said.begin(), said.end(), said.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool may = said.find("authorization:") != std::string::npos;
  fuzz::Require(may || heard.find(kSecret) == std::string::npos, "somebody without a token was told", heard);
  fuzz::Require(heard.empty() || heard.starts_with("HTTP/1."), "the answer is no HTTP", heard);
  return 0;
}
