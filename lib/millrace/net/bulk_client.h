// SPDX-License-Identifier: Apache-2.0
// The bulk plane as workers and clients use it: blobs by digest, fetched and stored in verified chunks.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "millrace/net/bulk_message.h"
#include "millrace/net/context.h"
#include "millrace/net/dealer.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/link.h"
#include "millrace/net/poller.h"

namespace millrace::net {

class BulkClient final : public BlobAccess {
 public:
  // `control` is where the broker was dialled; the plane's own address comes with its Welcome (OnPlanes).
  BulkClient(SocketContext& context, Endpoint control, std::string insecure_allow_plaintext_on = {});
  ~BulkClient() override;

  // One transfer at a time; other threads wait. Unavailable when nothing moves for 30 s.
  absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t max_size) override;
  absl::Status Store(const Digest& digest, const Bytes& bytes) override;
  void OnPlanes(const Planes& planes) override;

 private:
  absl::Status Connect();
  template <class Transfer>
  auto Begin(const Transfer& transfer) -> decltype(transfer());
  absl::StatusOr<Bytes> FetchOnce(const Digest& digest, std::uint64_t max_size);
  absl::Status StoreOnce(const Digest& digest, const Bytes& bytes);
  absl::Status Send(BulkMessage message);
  // The next message of this transfer, at most kStalled after the last progress.
  absl::StatusOr<BulkMessage> Next(std::uint64_t transfer);

  SocketContext& context_;
  const Endpoint control_;
  const std::string insecure_;
  std::mutex address_mutex_;
  std::string announced_;
  std::mutex transfer_mutex_;  // holds all below
  std::string connected_to_;
  std::unique_ptr<Dealer> dealer_;
  Poller poller_;
  std::uint64_t last_transfer_ = 0;
  std::vector<Bytes> arrived_;
};

}  // namespace millrace::net
