// SPDX-License-Identifier: Apache-2.0
// Announcements that may be lost: heartbeats both ways, and the broker's news. A subscriber that is slow or new misses
// messages in silence, so nothing may depend on one of them, and a lease starts with the answer to a hello.
//
// A message is one frame: a byte that names its class, which subscribers select by, and the payload. One thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/bytes.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"

namespace millrace::net {

using Topic = char;

struct PubSubOptions {
  std::int64_t max_message_bytes = std::int64_t{1} << 20;
  int high_water = 1000;  // messages per peer; what is over it is dropped
  std::string insecure_allow_plaintext_on = {};
};

class Publisher {
 public:
  static absl::StatusOr<std::unique_ptr<Publisher>> Bind(SocketContext& context, const Endpoint& endpoint,
                                                         PubSubOptions options = {});
  // Nothing is kept for a broker that is away: a late heartbeat would be a lie.
  static absl::StatusOr<std::unique_ptr<Publisher>> Connect(SocketContext& context, const Endpoint& endpoint,
                                                            PubSubOptions options = {});
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Copies the payload; never blocks.
  void Publish(Topic topic, std::string_view payload);
  const Endpoint& endpoint() const;  // the real one, when bound

 private:
  struct State;
  explicit Publisher(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct Published {
  Topic topic = 0;
  Bytes payload;
  std::string user = {};  // the public key of the publisher; "" without keys
};

class Subscriber {
 public:
  // `topics`: one byte for each class that is wanted.
  static absl::StatusOr<std::unique_ptr<Subscriber>> Bind(SocketContext& context, const Endpoint& endpoint,
                                                          std::string_view topics, PubSubOptions options = {});
  static absl::StatusOr<std::unique_ptr<Subscriber>> Connect(SocketContext& context, const Endpoint& endpoint,
                                                             std::string_view topics, PubSubOptions options = {});
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // As Router's. Messages without a topic or of several frames are dropped and counted.
  std::size_t Receive(std::size_t max, std::vector<Published>& out);
  std::uint64_t malformed() const;
  const Endpoint& endpoint() const;  // the real one, when bound
  void* native();                    // for PollItem::socket

 private:
  struct State;
  explicit Subscriber(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::net
