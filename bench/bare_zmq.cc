// SPDX-License-Identifier: Apache-2.0
#include "bench/bare_zmq.h"

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

extern char** environ;

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kPeerWord[] = "--bare-peer";
constexpr int kMessageBytes = 64;

// Answers every message, with itself or with so many bytes; an empty one ends it.
int RunPeer(const char* endpoint, std::size_t answer_bytes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::linger, 0);
  socket.connect(endpoint);
  socket.send(zmq::str_buffer("hello"), zmq::send_flags::none);
  std::string content(answer_bytes, 'x');
  zmq::message_t message;
  while (true) {
    if (!socket.recv(message)) return 1;
    if (message.size() == 0) return 0;
    if (answer_bytes > 0)
      message.rebuild(
          content.data(), content.size(), [](void*, void*) {}, nullptr);
    socket.send(message, zmq::send_flags::none);
  }
}

pid_t StartPeer(const std::string& endpoint, std::int64_t answer_bytes) {
  std::string program = "/proc/self/exe";
  std::string word = kPeerWord;
  std::string address = endpoint;
  std::string bytes = std::to_string(answer_bytes);
  std::array<char*, 5> argv = {program.data(), word.data(), address.data(), bytes.data(), nullptr};
  pid_t pid = 0;
  if (posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) {
    std::perror("bench: posix_spawn");
    std::exit(1);
  }
  return pid;
}

void MustReceive(zmq::socket_t& socket, zmq::message_t& message) {
  if (socket.recv(message)) return;
  std::fprintf(stderr, "bench: nothing was received from a bare peer\n");
  std::exit(1);
}

zmq::socket_t BindRouter(zmq::context_t& context) {
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::sndhwm, 0);
  router.set(zmq::sockopt::rcvhwm, 0);
  router.set(zmq::sockopt::linger, 1000);
  router.bind("tcp://127.0.0.1:*");
  return router;
}

void End(zmq::socket_t& router, const std::string& peer) {
  router.send(zmq::buffer(peer), zmq::send_flags::sndmore);
  router.send(zmq::message_t(), zmq::send_flags::none);
}

}  // namespace

std::optional<int> MaybeRunBarePeer(int argc, char** argv) {
  if (argc != 4 || std::string_view(argv[1]) != kPeerWord) return std::nullopt;
  return RunPeer(argv[2], std::strtoull(argv[3], nullptr, 10));
}

double BareRoundTripsPerSecond(const BareOptions& options) {
  zmq::context_t context(1);
  zmq::socket_t router = BindRouter(context);
  const std::string endpoint = router.get(zmq::sockopt::last_endpoint);
  std::vector<pid_t> peers;
  for (int i = 0; i < options.dealers; ++i) peers.push_back(StartPeer(endpoint, 0));
  std::vector<std::string> ids;
  zmq::message_t id;
  zmq::message_t body;
  while (ids.size() < peers.size()) {
    MustReceive(router, id);
    MustReceive(router, body);
    ids.push_back(id.to_string());
  }
  const std::string payload(static_cast<std::size_t>(options.bytes), 'x');
  std::uint64_t sent = 0;
  const auto send = [&](const zmq::message_t& to) {
    router.send(zmq::const_buffer(to.data(), to.size()), zmq::send_flags::sndmore);
    router.send(zmq::buffer(payload), zmq::send_flags::none);
    ++sent;
  };
  const auto start = Clock::now();
  for (int i = 0; i < options.window; ++i) {
    for (const std::string& to : ids) {
      if (sent < options.round_trips) send(zmq::message_t(to.data(), to.size()));
    }
  }
  for (std::uint64_t received = 0; received < options.round_trips; ++received) {
    MustReceive(router, id);
    MustReceive(router, body);
    if (sent < options.round_trips) send(id);
  }
  const std::chrono::duration<double> spent = Clock::now() - start;
  for (const std::string& to : ids) End(router, to);
  for (const pid_t pid : peers) waitpid(pid, nullptr, 0);
  return static_cast<double>(options.round_trips) / spent.count();
}

struct BarePeer::Sockets {
  zmq::context_t context{1};
  zmq::socket_t router = BindRouter(context);
  std::string peer{};
  std::string payload = std::string(kMessageBytes, 'x');
};

BarePeer::BarePeer(std::int64_t answer_bytes) : sockets_(std::make_unique<Sockets>()) {
  pid_ = StartPeer(sockets_->router.get(zmq::sockopt::last_endpoint), answer_bytes);
  zmq::message_t id;
  zmq::message_t body;
  MustReceive(sockets_->router, id);
  MustReceive(sockets_->router, body);
  sockets_->peer = id.to_string();
}

BarePeer::~BarePeer() {
  End(sockets_->router, sockets_->peer);
  waitpid(pid_, nullptr, 0);
}

double BarePeer::RoundTrip() {
  zmq::message_t id;
  zmq::message_t body;
  const auto start = Clock::now();
  sockets_->router.send(zmq::buffer(sockets_->peer), zmq::send_flags::sndmore);
  sockets_->router.send(zmq::buffer(sockets_->payload), zmq::send_flags::none);
  MustReceive(sockets_->router, id);
  MustReceive(sockets_->router, body);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace millrace::bench
