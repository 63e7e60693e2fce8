// SPDX-License-Identifier: Apache-2.0
// A crowd of workers that do nothing but be there: each has a DEALER socket of its own, says hello, answers pings and
// beats as the protocol wants it; a process has one PUB socket for the beats of all of its. For how many workers a
// broker can hold. Prints `SECONDS REGISTERED WELCOMES REFUSED` whenever one of them has changed, until it is told to
// end.
//   crowd ENDPOINT [--workers 10000] [--processes 5]
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/host/flags.h"
#include "millrace/net/topics.h"
#include "millrace/wire/frame.h"

namespace millrace::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTurnMs = 20;

// Shared by all processes.
struct Counts {
  std::atomic<std::int64_t> registered = 0;
  std::atomic<std::int64_t> welcomes = 0;
  std::atomic<std::int64_t> refused = 0;  // for good
};

class Crowd {
 public:
  Crowd(std::string endpoint, int first, int count, Counts& counts)
      : endpoint_(std::move(endpoint)), counts_(counts), context_(1, count + 10), random_(EntropyFromSystem()) {
    members_.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) Dial(members_[static_cast<std::size_t>(i)], first + i);
    for (Member& member : members_) items_.push_back({member.socket.handle(), 0, ZMQ_POLLIN, 0});
  }

  void Run() {
    while (true) {
      zmq::poll(items_.data(), items_.size(), std::chrono::milliseconds(kTurnMs));
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if ((items_[i].revents & ZMQ_POLLIN) != 0) Listen(members_[i]);
      }
      const auto now = Clock::now();
      for (Member& member : members_) {
        if (member.session.valid() && now >= member.next_beat) Beat(member, now);
      }
    }
  }

 private:
  struct Member {
    zmq::socket_t socket;
    Hello hello;
    SessionId session;
    std::chrono::nanoseconds interval{};
    Clock::time_point next_beat;
    std::uint64_t beats = 0;
    std::uint64_t orders = 0;
  };

  void Dial(Member& member, int number) {
    member.socket = zmq::socket_t(context_, zmq::socket_type::dealer);
    member.socket.set(zmq::sockopt::linger, 0);
    member.socket.set(zmq::sockopt::reconnect_ivl, 200);
    member.socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
    // As net/socket.cc sets it for real ones.
    member.socket.set(zmq::sockopt::heartbeat_ivl, 30'000);
    member.socket.set(zmq::sockopt::heartbeat_timeout, 60'000);
    member.socket.connect(endpoint_);
    member.hello.name = "crowd-" + std::to_string(number);
    member.hello.incarnation = Incarnation{random_.Next() | 1};
    member.hello.host = "elsewhere";  // its process cannot be looked at: only its silence tells
    member.hello.pid = 1;
    member.hello.version = host::Version();
    Send(member, member.hello);
  }
  static void Send(Member& member, const Message& message) {
    const std::string frame = wire::EncodeMessage(message);
    static_cast<void>(member.socket.send(zmq::buffer(frame), zmq::send_flags::dontwait));
  }
  void Listen(Member& member) {
    zmq::message_t frame;
    while (member.socket.recv(frame, zmq::recv_flags::dontwait)) {
      auto message = wire::DecodeMessage(Bytes::Copy(frame.to_string_view()));
      if (message.ok()) Hear(member, *message);
    }
  }
  void Hear(Member& member, const Message& message) {
    if (const auto* welcome = std::get_if<Welcome>(&message)) {
      counts_.registered += member.session.valid() ? 0 : 1;
      ++counts_.welcomes;
      member.session = welcome->session;
      member.interval = welcome->heartbeat_interval;
      // As real workers do: not all at once.
      member.next_beat = Clock::now() + std::chrono::nanoseconds(
                                            random_.Below(static_cast<std::uint64_t>(member.interval.count()) + 1));
      if (!beats_to_) {
        beats_to_.emplace(context_, zmq::socket_type::pub);
        beats_to_->set(zmq::sockopt::linger, 0);
        beats_to_->set(zmq::sockopt::sndhwm, 100'000);
        beats_to_->connect(welcome->planes.heartbeat);
      }
    } else if (const auto* refused = std::get_if<Refused>(&message)) {
      counts_.registered -= member.session.valid() ? 1 : 0;
      member.session = {};
      if (refused->retryable) {
        Send(member, member.hello);
      } else {
        ++counts_.refused;
      }
    } else if (const auto* ping = std::get_if<Ping>(&message)) {
      // A new connection begins with one; a broker that was started again knows nobody.
      Send(member, Pong{ping->nonce});
    }
  }
  void Beat(Member& member, Clock::time_point now) {
    millrace::Beat beat;
    beat.session = member.session;
    beat.incarnation = member.hello.incarnation;
    beat.number = ++member.beats;
    const std::string frame = net::kBeatTopic + wire::EncodeMessage(beat);
    static_cast<void>(beats_to_->send(zmq::buffer(frame), zmq::send_flags::dontwait));
    // Beats alone keep no session for ever: what the broker last heard on the control channel counts, too.
    if (member.beats % 3 == 0) Send(member, beat);
    member.next_beat = now + std::chrono::duration_cast<Clock::duration>(member.interval);
  }

  std::string endpoint_;
  Counts& counts_;
  zmq::context_t context_;
  std::optional<zmq::socket_t> beats_to_;
  std::vector<Member> members_;
  std::vector<zmq_pollitem_t> items_;
  Random random_;
};

[[noreturn]] void Tell(const Counts& counts) {
  const auto start = Clock::now();
  std::array<std::int64_t, 3> told{-1, -1, -1};
  while (true) {
    const std::array<std::int64_t, 3> now{counts.registered, counts.welcomes, counts.refused};
    if (now != told) {
      const std::chrono::duration<double> passed = Clock::now() - start;
      std::printf("%.2f %lld %lld %lld\n", passed.count(), static_cast<long long>(now[0]),
                  static_cast<long long>(now[1]), static_cast<long long>(now[2]));
      std::fflush(stdout);
      told = now;
    }
    poll(nullptr, 0, 50);
  }
}

int Run(int argc, char** argv) {
  std::string endpoint;
  std::int64_t workers = 10'000;
  std::int64_t processes = 5;
  host::FlagParser parser("crowd", "Many workers that do nothing but be there", host::Version());
  parser.root()
      .Argument("ENDPOINT", &endpoint, "Of the broker: tcp://HOST:PORT")
      .Option("--workers", "N", &workers, "How many (10000)")
      .Option("--processes", "N", &processes, "Between how many processes they are divided (5)");
  if (const auto code = parser.Parse(argc, argv)) return *code;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  void* const shared = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  auto* const counts = new (shared) Counts;
  const pid_t parent = getpid();
  for (std::int64_t i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return 1;
    const std::int64_t first = workers * i / processes;
    Crowd(endpoint, static_cast<int>(first), static_cast<int>(workers * (i + 1) / processes - first), *counts).Run();
  }
  Tell(*counts);
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) { return millrace::bench::Run(argc, argv); }
