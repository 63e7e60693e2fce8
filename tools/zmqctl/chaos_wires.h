// SPDX-License-Identifier: Apache-2.0
// The wires between the workers of a chaos run and their broker: a TCP proxy that can be cut, frozen, slowed down and
// garbled.
//
// Each worker has a loopback address of its own, on which this listens on the very ports of the broker. A worker dials
// every plane at the host that led it to the control channel, so all of its planes go over its wire, and nobody has to
// announce anything. One thread moves the bytes; what is asked for goes to it through a queue, and is so on return.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "tools/zmqctl/chaos_plan.h"

namespace millrace::zmqctl {

class Wires {
 public:
  // A wire per address; the far end of all is 127.0.0.1. Unavailable when a port is taken there.
  static absl::StatusOr<std::unique_ptr<Wires>> Start(const std::vector<std::string>& addresses,
                                                      const std::vector<std::uint16_t>& ports);
  ~Wires();
  Wires(const Wires&) = delete;
  Wires& operator=(const Wires&) = delete;

  // Resets every connection, and those that are made until Heal as well.
  void Cut(std::size_t wire);
  void Heal(std::size_t wire);
  // Bytes and ends of connections are held, not dropped, until Thaw; neither end is told.
  void Freeze(std::size_t wire, Way way);
  void Thaw(std::size_t wire, Way way);
  // Everything that is said from now on arrives so much later, in order; 0 = at once.
  void Delay(std::size_t wire, Duration by);
  // Rubbish into every stream that passes on, once.
  void Garble(std::size_t wire, std::uint64_t seed);

 private:
  class Loop;
  explicit Wires(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace millrace::zmqctl
