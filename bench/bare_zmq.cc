// SPDX-License-Identifier: Apache-2.0
#include "bench/bare_zmq.h"

#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

extern char** environ;

namespace millrace::bench {
namespace {

constexpr char kDealerWord[] = "--bare-dealer";

// Echoes every message; an empty one ends it.
int RunDealer(const char* endpoint) {
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::linger, 0);
  socket.connect(endpoint);
  socket.send(zmq::str_buffer("hello"), zmq::send_flags::none);
  zmq::message_t message;
  while (true) {
    if (!socket.recv(message)) return 1;
    if (message.size() == 0) return 0;
    socket.send(message, zmq::send_flags::none);
  }
}

pid_t StartDealer(const std::string& endpoint) {
  std::string program = "/proc/self/exe";
  std::string word = kDealerWord;
  std::string address = endpoint;
  std::array<char*, 4> argv = {program.data(), word.data(), address.data(), nullptr};
  pid_t pid = 0;
  if (posix_spawn(&pid, program.c_str(), nullptr, nullptr, argv.data(), environ) != 0) {
    std::perror("posix_spawn");
    std::exit(1);
  }
  return pid;
}

}  // namespace

std::optional<int> MaybeRunBareDealer(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != kDealerWord) return std::nullopt;
  return RunDealer(argv[2]);
}

double BareRoundTripsPerSecond(const BareOptions& options) {
  zmq::context_t context(1);
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::sndhwm, 0);
  router.set(zmq::sockopt::rcvhwm, 0);
  router.set(zmq::sockopt::linger, 1000);
  router.bind("tcp://127.0.0.1:*");
  const std::string endpoint = router.get(zmq::sockopt::last_endpoint);
  std::vector<pid_t> dealers;
  for (int i = 0; i < options.dealers; ++i) dealers.push_back(StartDealer(endpoint));
  std::vector<std::string> ids;
  zmq::message_t id;
  zmq::message_t body;
  while (ids.size() < dealers.size()) {
    if (!router.recv(id) || !router.recv(body)) std::exit(1);
    ids.push_back(id.to_string());
  }
  const std::string payload(static_cast<std::size_t>(options.bytes), 'x');
  std::uint64_t sent = 0;
  const auto send = [&](const zmq::message_t& to) {
    router.send(zmq::const_buffer(to.data(), to.size()), zmq::send_flags::sndmore);
    router.send(zmq::buffer(payload), zmq::send_flags::none);
    ++sent;
  };
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < options.window; ++i) {
    for (const std::string& to : ids) send(zmq::message_t(to.data(), to.size()));
  }
  for (std::uint64_t received = 0; received < options.round_trips; ++received) {
    if (!router.recv(id) || !router.recv(body)) std::exit(1);
    if (sent < options.round_trips) send(id);
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  for (const std::string& to : ids) {
    router.send(zmq::buffer(to), zmq::send_flags::sndmore);
    router.send(zmq::message_t(), zmq::send_flags::none);
  }
  for (const pid_t pid : dealers) waitpid(pid, nullptr, 0);
  return static_cast<double>(options.round_trips) / spent.count();
}

}  // namespace millrace::bench
