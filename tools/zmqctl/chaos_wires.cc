// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/chaos_wires.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "millrace/base/fd.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/net/wakeup.h"
#include "tools/zmqctl/chaos_sockets.h"

namespace millrace::zmqctl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostHeld = 4u << 20;  // bytes of one direction; then the sender has to wait
constexpr std::size_t kReadAtOnce = 64u << 10;
constexpr std::size_t kRubbish = 64;
struct Piece {
  Clock::time_point due;
  std::string bytes;
  std::size_t sent = 0;
};

// What one end has said and the other has not got yet.
struct Stream {
  std::deque<Piece> pieces;
  std::size_t held = 0;
  bool ended = false;
};

// A connection: side 0 is the worker's, side 1 the broker's; streams[side] comes from that side.
struct Joint {
  std::size_t wire = 0;
  std::array<UniqueFd, 2> sides;
  std::array<Stream, 2> streams;
  bool over = false;
};

constexpr std::uint8_t BitOf(std::size_t side) {
  return static_cast<std::uint8_t>(side == 0 ? Way::kToBroker : Way::kToWorker);
}

struct Wire {
  std::vector<UniqueFd> listeners;  // one a port
  bool cut = false;
  std::uint8_t frozen = 0;  // Way as bits
  Duration delay{};
};

}  // namespace

class Wires::Loop {
 public:
  Loop(std::vector<Wire> wires, std::vector<std::uint16_t> ports)
      : wires_(std::move(wires)), ports_(std::move(ports)), thread_([this] { Run(); }) {}
  ~Loop() {
    Do([this] { ended_ = true; });
    thread_.join();
  }

  // Has the thread do it, and waits until it has.
  void Do(const std::function<void()>& order) {
    const auto done = std::make_shared<std::promise<void>>();  // the thread may hold it longer than we do
    {
      const std::lock_guard lock(mutex_);
      orders_.push_back([&order, done] {
        order();
        done->set_value();
      });
    }
    wakeup_.Signal();
    done->get_future().wait();
  }

  Wire& wire(std::size_t index) { return wires_[index]; }
  void Reset(std::size_t wire);
  void Garble(std::size_t wire, std::uint64_t seed);

 private:
  void Run();
  void Wait(std::vector<pollfd>& items);
  void TakeOrders();
  void Accept(std::size_t wire, std::size_t port);
  bool MayRead(const Joint& joint, std::size_t side) const;
  bool MayWrite(const Joint& joint, std::size_t side, Clock::time_point now) const;
  void Read(Joint& joint, std::size_t side);
  void Write(Joint& joint, std::size_t side);

  std::vector<Wire> wires_;
  std::vector<std::uint16_t> ports_;
  std::vector<Joint> joints_;
  bool ended_ = false;
  net::Wakeup wakeup_;
  std::mutex mutex_;
  std::vector<std::function<void()>> orders_;
  std::thread thread_;  // the last: it uses the others
};

void Wires::Loop::Run() {
  std::vector<pollfd> items;
  while (!ended_) {
    Wait(items);
    std::size_t at = 1;
    for (Joint& joint : joints_) {
      for (const std::size_t side : {0, 1}) {
        const short what = items[at++].revents;
        if (joint.over || what == 0) continue;
        // An end that was reset is found out by reading, or by writing where nothing may be read.
        if ((what & POLLOUT) != 0) Write(joint, 1 - side);
        if ((what & (POLLIN | POLLHUP | POLLERR)) != 0 && MayRead(joint, side)) Read(joint, side);
      }
    }
    std::vector<std::pair<std::size_t, std::size_t>> dialled;
    for (std::size_t wire = 0; wire < wires_.size(); ++wire) {
      for (std::size_t port = 0; port < ports_.size(); ++port) {
        if (items[at++].revents != 0) dialled.emplace_back(wire, port);
      }
    }
    TakeOrders();
    for (const auto& [wire, port] : dialled) Accept(wire, port);
    std::erase_if(joints_, [](const Joint& joint) { return joint.over; });
  }
}

// In the order in which Run looks: ourselves, both sides of every connection, every listener.
void Wires::Loop::Wait(std::vector<pollfd>& items) {
  const Clock::time_point now = Clock::now();
  Clock::time_point wake = Clock::time_point::max();
  items.assign(1, pollfd{wakeup_.fd(), POLLIN, 0});
  for (const Joint& joint : joints_) {
    for (const std::size_t side : {0, 1}) {
      const int events = (MayRead(joint, side) ? POLLIN : 0) | (MayWrite(joint, 1 - side, now) ? POLLOUT : 0);
      items.push_back({events == 0 ? -1 : joint.sides[side].get(), static_cast<short>(events), 0});
      const Stream& stream = joint.streams[side];
      if (!stream.pieces.empty() && stream.pieces.front().due > now) wake = std::min(wake, stream.pieces.front().due);
    }
  }
  for (const Wire& wire : wires_) {
    for (const UniqueFd& listener : wire.listeners) items.push_back({listener.get(), POLLIN, 0});
  }
  int timeout = -1;
  if (wake != Clock::time_point::max()) {
    timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wake - now).count());
  }
  poll(items.data(), items.size(), timeout);
}

void Wires::Loop::TakeOrders() {
  wakeup_.Drain();
  std::vector<std::function<void()>> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  for (const auto& order : orders) order();
}

void Wires::Loop::Accept(std::size_t wire, std::size_t port) {
  UniqueFd near(accept4(wires_[wire].listeners[port].get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!near.valid()) return;
  SendAtOnce(near);
  UniqueFd far = wires_[wire].cut ? UniqueFd() : DialLocal(ports_[port]);
  if (!far.valid()) return ResetOnClose(near);
  Joint& joint = joints_.emplace_back();
  joint.wire = wire;
  joint.sides[0] = std::move(near);
  joint.sides[1] = std::move(far);
}

bool Wires::Loop::MayRead(const Joint& joint, std::size_t side) const {
  const Stream& stream = joint.streams[side];
  return (wires_[joint.wire].frozen & BitOf(side)) == 0 && !stream.ended && stream.held < kMostHeld;
}

bool Wires::Loop::MayWrite(const Joint& joint, std::size_t side, Clock::time_point now) const {
  const Stream& stream = joint.streams[side];
  return (wires_[joint.wire].frozen & BitOf(side)) == 0 && !stream.pieces.empty() && stream.pieces.front().due <= now;
}

void Wires::Loop::Read(Joint& joint, std::size_t side) {
  Stream& stream = joint.streams[side];
  std::string bytes(kReadAtOnce, '\0');
  const ssize_t count = read(joint.sides[side].get(), bytes.data(), bytes.size());
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    stream.ended = true;
    joint.over = count < 0 || stream.pieces.empty();
    return;
  }
  bytes.resize(static_cast<std::size_t>(count));
  stream.held += bytes.size();
  stream.pieces.push_back({Clock::now() + wires_[joint.wire].delay, std::move(bytes), 0});
  Write(joint, side);
}

// What came from `side` to the other one, as far as it is due and is taken.
void Wires::Loop::Write(Joint& joint, std::size_t side) {
  Stream& stream = joint.streams[side];
  while (!joint.over && MayWrite(joint, side, Clock::now())) {
    Piece& piece = stream.pieces.front();
    const ssize_t count = send(joint.sides[1 - side].get(), piece.bytes.data() + piece.sent,
                               piece.bytes.size() - piece.sent, MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) {
      joint.over = true;
      return;
    }
    piece.sent += static_cast<std::size_t>(count);
    stream.held -= static_cast<std::size_t>(count);
    if (piece.sent == piece.bytes.size()) stream.pieces.pop_front();
  }
  if (stream.ended && stream.pieces.empty()) joint.over = true;
}

void Wires::Loop::Reset(std::size_t wire) {
  for (Joint& joint : joints_) {
    if (joint.wire != wire) continue;
    for (const UniqueFd& side : joint.sides) ResetOnClose(side);
    joint.over = true;
  }
}

void Wires::Loop::Garble(std::size_t wire, std::uint64_t seed) {
  Random dice(seed);
  for (Joint& joint : joints_) {
    if (joint.wire != wire || joint.over) continue;
    for (Stream& stream : joint.streams) {
      std::string rubbish;
      while (rubbish.size() < kRubbish) rubbish.push_back(static_cast<char>(dice.Below(256)));
      stream.held += rubbish.size();
      stream.pieces.push_back({Clock::now(), std::move(rubbish), 0});
    }
  }
}

absl::StatusOr<std::unique_ptr<Wires>> Wires::Start(const std::vector<std::string>& addresses,
                                                    const std::vector<std::uint16_t>& ports) {
  std::vector<Wire> wires;
  for (const std::string& address : addresses) {
    Wire& wire = wires.emplace_back();
    for (const std::uint16_t port : ports) {
      MILLRACE_ASSIGN_OR_RETURN(UniqueFd listener, ListenOn(address, port));
      wire.listeners.push_back(std::move(listener));
    }
  }
  return std::unique_ptr<Wires>(new Wires(std::make_unique<Loop>(std::move(wires), ports)));
}

Wires::Wires(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Wires::~Wires() = default;

void Wires::Cut(std::size_t wire) {
  loop_->Do([loop = loop_.get(), wire] {
    loop->wire(wire).cut = true;
    loop->Reset(wire);
  });
}

void Wires::Heal(std::size_t wire) {
  loop_->Do([loop = loop_.get(), wire] { loop->wire(wire).cut = false; });
}

void Wires::Freeze(std::size_t wire, Way way) {
  loop_->Do([loop = loop_.get(), wire, way] {
    loop->wire(wire).frozen = static_cast<std::uint8_t>(loop->wire(wire).frozen | static_cast<std::uint8_t>(way));
  });
}

void Wires::Thaw(std::size_t wire, Way way) {
  loop_->Do([loop = loop_.get(), wire, way] {
    loop->wire(wire).frozen = static_cast<std::uint8_t>(loop->wire(wire).frozen & ~static_cast<std::uint8_t>(way));
  });
}

void Wires::Delay(std::size_t wire, Duration by) {
  loop_->Do([loop = loop_.get(), wire, by] { loop->wire(wire).delay = by; });
}

void Wires::Garble(std::size_t wire, std::uint64_t seed) {
  loop_->Do([loop = loop_.get(), wire, seed] { loop->Garble(wire, seed); });
}

}  // namespace millrace::zmqctl
