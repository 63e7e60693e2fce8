// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/bulk_client.h"

#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/net/bulk.h"
#include "millrace/net/remote_link.h"
#include "millrace/wire/codec.h"

namespace millrace::net {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kStalled{30};
constexpr std::chrono::milliseconds kSendAgain{20};  // for room in the socket, or for the connection to be made

std::uint64_t TransferOf(const BulkMessage& message) {
  return std::visit([](const auto& body) { return body.transfer; }, message);
}

}  // namespace

BulkClient::BulkClient(SocketContext& context, Endpoint control, std::string insecure_allow_plaintext_on)
    : context_(context), control_(std::move(control)), insecure_(std::move(insecure_allow_plaintext_on)) {}

BulkClient::~BulkClient() = default;

void BulkClient::OnPlanes(const Planes& planes) {
  const std::lock_guard lock(address_mutex_);
  announced_ = planes.bulk;
}

absl::Status BulkClient::Connect() {
  std::string announced;
  {
    const std::lock_guard lock(address_mutex_);
    announced = announced_;
  }
  if (announced.empty()) return Unavailable("the broker has not told yet where its bulk plane is");
  if (dealer_ && connected_to_ == announced) return absl::OkStatus();
  MILLRACE_ASSIGN_OR_RETURN(const Endpoint endpoint, DialledPlane(announced, control_));
  DealerOptions options;
  options.insecure_allow_plaintext_on = insecure_;
  MILLRACE_ASSIGN_OR_RETURN(dealer_, Dealer::Connect(context_, endpoint, options));
  connected_to_ = announced;
  arrived_.clear();
  return absl::OkStatus();
}

absl::Status BulkClient::Send(BulkMessage message) {
  const Bytes frame(wire::Encode<wire::Layout::kPositional>(message));
  const auto give_up = Clock::now() + kStalled;
  while (dealer_->Send(frame) != SendResult::kSent) {
    if (Clock::now() > give_up) {
      dealer_.reset();
      return Unavailable("the broker's bulk plane at %s has taken nothing for %d s", connected_to_, kStalled.count());
    }
    std::vector<PollItem> items(2);
    items[0].fd = dealer_->wake_fd();
    items[1].socket = dealer_->native();
    MILLRACE_RETURN_IF_ERROR(poller_.Wait(items, Clock::now() + kSendAgain).status());
    static_cast<void>(dealer_->TakeConnectionEvents());
    dealer_->Receive(16, arrived_);
  }
  return absl::OkStatus();
}

absl::StatusOr<BulkMessage> BulkClient::Next(std::uint64_t transfer) {
  const auto give_up = Clock::now() + kStalled;
  while (true) {
    while (!arrived_.empty()) {
      const Bytes frame = std::move(arrived_.front());
      arrived_.erase(arrived_.begin());
      MILLRACE_ASSIGN_OR_RETURN(BulkMessage message, (wire::Decode<BulkMessage, wire::Layout::kPositional>(frame)));
      if (TransferOf(message) != transfer) continue;  // of one that was given up
      if (const auto* refused = std::get_if<BulkRefused>(&message)) {
        if (refused->code == 0) return Internal("the broker's bulk plane refused without a reason");
        return absl::Status(static_cast<absl::StatusCode>(refused->code), Av(refused->message));
      }
      return message;
    }
    if (Clock::now() > give_up) {
      dealer_.reset();
      return Unavailable("the broker's bulk plane at %s has sent nothing for %d s", connected_to_, kStalled.count());
    }
    std::vector<PollItem> items(2);
    items[0].fd = dealer_->wake_fd();
    items[1].socket = dealer_->native();
    MILLRACE_RETURN_IF_ERROR(poller_.Wait(items, give_up).status());
    for (const ConnectionEvent& event : dealer_->TakeConnectionEvents()) {
      if (event.kind == ConnectionEvent::Kind::kConnected) continue;
      dealer_.reset();  // what was under way is lost with the connection
      return Unavailable("the connection to the broker's bulk plane at %s was lost", connected_to_);
    }
    dealer_->Receive(16, arrived_);
  }
}

// The connection is kept between transfers, and the broker may have been started anew meanwhile. That is no trouble of
// the next transfer, which then begins again over a new one.
template <class Transfer>
auto BulkClient::Begin(const Transfer& transfer) -> decltype(transfer()) {
  const std::lock_guard lock(transfer_mutex_);
  const bool kept = dealer_ != nullptr;
  auto end = transfer();
  const bool lost = !end.ok() && dealer_ == nullptr;
  return kept && lost ? transfer() : end;
}

absl::StatusOr<Bytes> BulkClient::Fetch(const Digest& digest, std::uint64_t max_size) {
  return Begin([&] { return FetchOnce(digest, max_size); });
}

absl::Status BulkClient::Store(const Digest& digest, const Bytes& bytes) {
  return Begin([&] { return StoreOnce(digest, bytes); });
}

absl::StatusOr<Bytes> BulkClient::FetchOnce(const Digest& digest, std::uint64_t max_size) {
  MILLRACE_RETURN_IF_ERROR(Connect());
  const std::uint64_t transfer = ++last_transfer_;
  std::string content;
  ChunkReceiver receiver(transfer, digest, max_size, [&content](std::string_view bytes) {
    content.append(bytes);
    return absl::OkStatus();
  });
  MILLRACE_RETURN_IF_ERROR(Send(receiver.Request()));
  while (!receiver.done()) {
    MILLRACE_ASSIGN_OR_RETURN(const BulkMessage message, Next(transfer));
    const auto* chunk = std::get_if<BulkChunk>(&message);
    if (chunk == nullptr) continue;
    MILLRACE_ASSIGN_OR_RETURN(const ChunkReceiver::Reply reply, receiver.OnChunk(*chunk));
    if (const auto* ack = std::get_if<BulkAck>(&reply)) MILLRACE_RETURN_IF_ERROR(Send(*ack));
    if (const auto* request = std::get_if<BulkRequest>(&reply)) MILLRACE_RETURN_IF_ERROR(Send(*request));
  }
  return Bytes(std::move(content));
}

absl::Status BulkClient::StoreOnce(const Digest& digest, const Bytes& bytes) {
  MILLRACE_RETURN_IF_ERROR(Connect());
  const std::uint64_t transfer = ++last_transfer_;
  ChunkSender sender(transfer, bytes);
  MILLRACE_RETURN_IF_ERROR(Send(BulkOffer{transfer, digest, bytes.size()}));
  while (!sender.done()) {
    MILLRACE_ASSIGN_OR_RETURN(const BulkMessage message, Next(transfer));
    if (const auto* request = std::get_if<BulkRequest>(&message)) {
      MILLRACE_RETURN_IF_ERROR(sender.OnRequest(*request));
    } else if (const auto* ack = std::get_if<BulkAck>(&message)) {
      if (ack->received == bytes.size()) return absl::OkStatus();  // stored, now or before
      MILLRACE_RETURN_IF_ERROR(sender.OnAck(*ack));
    }
    while (true) {
      MILLRACE_ASSIGN_OR_RETURN(std::optional<BulkChunk> chunk, sender.Next());
      if (!chunk) break;
      MILLRACE_RETURN_IF_ERROR(Send(*std::move(chunk)));
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::net
