// SPDX-License-Identifier: Apache-2.0
// The broker's side of the bulk plane: a thread of its own that takes and gives blobs in verified chunks, so that
// nothing large ever stands before a control message.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/router.h"
#include "millrace/store/blobs.h"

namespace millrace::serve {

class BulkServer {
 public:
  // Whether the owner of this public key is (still) admitted; "" without keys.
  using Admits = std::function<bool(const std::string& user)>;

  // Refuses blobs over `max_size` bytes. `admits`: asked for each message; null = everybody.
  static absl::StatusOr<std::unique_ptr<BulkServer>> Start(net::SocketContext& context, const net::Endpoint& endpoint,
                                                           net::RouterOptions options, store::BlobStore blobs,
                                                           std::uint64_t max_size, Admits admits = {});
  ~BulkServer();
  BulkServer(const BulkServer&) = delete;
  BulkServer& operator=(const BulkServer&) = delete;

  const std::string& endpoint() const;  // the real one

 private:
  struct State;
  explicit BulkServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
