// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/bulk_server.h"

#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/net/bulk.h"
#include "millrace/net/poller.h"
#include "millrace/net/wakeup.h"
#include "millrace/wire/codec.h"

namespace millrace::serve {
namespace {

constexpr std::size_t kReadAtOnce = 64;           // messages of up to 1 MiB each
constexpr std::size_t kTransfersPerPeer = 16;     // each may hold one blob in memory
constexpr std::chrono::milliseconds kResume{20};  // until a peer that did not read is tried again

using Key = std::pair<PeerId, std::uint64_t>;

}  // namespace

struct BulkServer::State {
  struct Incoming {
    Digest digest;
    std::string content;
    std::optional<net::ChunkReceiver> receiver;
  };

  State(std::unique_ptr<net::Router> socket, store::BlobStore store, std::uint64_t max)
      : router(std::move(socket)), endpoint(router->endpoint().ToString()), blobs(std::move(store)), max_size(max) {}

  void Run();
  bool Send(PeerId peer, net::BulkMessage message) {
    return router->Send(peer, Bytes(wire::Encode<wire::Layout::kPositional>(message))) == net::SendResult::kSent;
  }
  void Refuse(const Key& key, const absl::Status& status) {
    Send(key.first, net::BulkRefused{key.second, static_cast<std::int32_t>(status.code()), TextOf(status)});
  }
  std::size_t TransfersOf(PeerId peer) const;
  void Take(PeerId peer, const Bytes& frame);
  void On(const Key& key, const net::BulkOffer& offer);
  void On(const Key& key, const net::BulkRequest& request);
  void On(const Key& key, const net::BulkChunk& chunk);
  void On(const Key& key, const net::BulkAck& ack);
  void On(const Key& key, const net::BulkRefused&) { Forget(key); }
  void Pump(const Key& key);
  void Forget(const Key& key) {
    incoming.erase(key);
    outgoing.erase(key);
    stalled.erase(key);
  }
  void ForgetPeer(PeerId peer);

  std::unique_ptr<net::Router> router;
  std::string endpoint;
  store::BlobStore blobs;
  std::uint64_t max_size;
  Admits admits;
  std::map<Key, Incoming> incoming;
  std::map<Key, net::ChunkSender> outgoing;
  std::map<Key, bool> stalled;  // outgoing ones whose peer took nothing more
  net::Wakeup end;
  std::thread thread;
};

std::size_t BulkServer::State::TransfersOf(PeerId peer) const {
  const auto count = [peer](const auto& transfers) {
    return static_cast<std::size_t>(
        std::distance(transfers.lower_bound({peer, 0}), transfers.upper_bound({peer, UINT64_MAX})));
  };
  return count(incoming) + count(outgoing);
}

void BulkServer::State::ForgetPeer(PeerId peer) {
  const auto forget = [peer](auto& transfers) {
    transfers.erase(transfers.lower_bound({peer, 0}), transfers.upper_bound({peer, UINT64_MAX}));
  };
  forget(incoming);
  forget(outgoing);
  forget(stalled);
}

void BulkServer::State::On(const Key& key, const net::BulkOffer& offer) {
  if (offer.size > max_size) {
    return Refuse(key, ResourceExhausted("a blob of %d bytes is over the limit of %d (--max-payload-size)", offer.size,
                                         max_size));
  }
  if (blobs.Renew(offer.digest, offer.size)) {
    Send(key.first, net::BulkAck{key.second, offer.size});
    return;
  }
  if (TransfersOf(key.first) >= kTransfersPerPeer) {
    return Refuse(key, ResourceExhausted("over %d transfers at once", kTransfersPerPeer));
  }
  Incoming& transfer = incoming[key];
  transfer.digest = offer.digest;
  transfer.content.clear();
  transfer.receiver.emplace(key.second, offer.digest, max_size, [&transfer, size = offer.size](std::string_view bytes) {
    // Of what is announced memory is taken only as far as it comes.
    if (transfer.content.empty()) transfer.content.reserve(size);
    transfer.content.append(bytes);
    return absl::OkStatus();
  });
  Send(key.first, transfer.receiver->Request());
}

void BulkServer::State::On(const Key& key, const net::BulkRequest& request) {
  auto sender = outgoing.find(key);
  if (sender == outgoing.end()) {
    if (TransfersOf(key.first) >= kTransfersPerPeer) {
      return Refuse(key, ResourceExhausted("over %d transfers at once", kTransfersPerPeer));
    }
    const auto content = blobs.Get(request.digest);
    if (!content.ok()) return Refuse(key, content.status());
    sender = outgoing.emplace(key, net::ChunkSender(key.second, *content)).first;
  }
  if (const absl::Status status = sender->second.OnRequest(request); !status.ok()) {
    Refuse(key, status);
    Forget(key);
    return;
  }
  Pump(key);
}

void BulkServer::State::On(const Key& key, const net::BulkChunk& chunk) {
  const auto transfer = incoming.find(key);
  if (transfer == incoming.end()) return;  // refused, or done before
  net::ChunkReceiver& receiver = *transfer->second.receiver;
  const auto reply = receiver.OnChunk(chunk);
  if (!reply.ok()) {
    Refuse(key, reply.status());
    Forget(key);
    return;
  }
  if (receiver.done()) {
    // The last acknowledgement says that it is stored, so it must not be sent before it is.
    const absl::Status stored = blobs.PutToBeUsed(transfer->second.digest, Bytes(std::move(transfer->second.content)));
    if (!stored.ok()) log::Error("bulk: %s", TextOf(stored));
    if (stored.ok()) {
      Send(key.first, net::BulkAck{key.second, receiver.received()});
    } else {
      Refuse(key, stored);
    }
    Forget(key);
  } else if (const auto* ack = std::get_if<net::BulkAck>(&*reply)) {
    Send(key.first, *ack);
  } else if (const auto* request = std::get_if<net::BulkRequest>(&*reply)) {
    Send(key.first, *request);
  }
}

void BulkServer::State::On(const Key& key, const net::BulkAck& ack) {
  const auto sender = outgoing.find(key);
  if (sender == outgoing.end()) return;
  if (const absl::Status status = sender->second.OnAck(ack); !status.ok()) {
    Refuse(key, status);
    Forget(key);
    return;
  }
  Pump(key);
}

void BulkServer::State::Pump(const Key& key) {
  const auto sender = outgoing.find(key);
  if (sender == outgoing.end()) return;
  stalled.erase(key);
  while (true) {
    auto chunk = sender->second.Next();
    if (!chunk.ok()) {
      Refuse(key, chunk.status());
      Forget(key);
      return;
    }
    if (!*chunk) break;
    if (!Send(key.first, **std::move(chunk))) {
      sender->second.Rewind();
      stalled[key] = true;
      return;
    }
  }
  if (sender->second.done()) Forget(key);
}

void BulkServer::State::Take(PeerId peer, const Bytes& frame) {
  if (admits && !admits(router->UserOf(peer))) {  // revoked since it connected
    router->Ignore(peer);
    ForgetPeer(peer);
    return;
  }
  auto message = wire::Decode<net::BulkMessage, wire::Layout::kPositional>(frame);
  if (!message.ok()) {
    log::Warning("bulk: a malformed message; its sender is ignored from now on: %s", TextOf(message.status()));
    router->Ignore(peer);
    ForgetPeer(peer);
    return;
  }
  std::visit([&](const auto& body) { On(Key{peer, body.transfer}, body); }, *message);
}

void BulkServer::State::Run() {
  net::Poller poller;
  while (true) {
    std::vector<net::Received> received;
    const bool more = router->Receive(kReadAtOnce, received) == kReadAtOnce;
    for (const net::Received& item : received) Take(item.peer, item.payload);
    for (const PeerId peer : router->TakeMalformed()) ForgetPeer(peer);
    for (const PeerId peer : router->TakeGone()) ForgetPeer(peer);
    const std::map<Key, bool> again = std::exchange(stalled, {});
    for (const auto& [key, unused] : again) Pump(key);
    std::vector<net::PollItem> items(3);
    items[0].socket = router->native();
    items[1].fd = router->wake_fd();
    items[2].fd = end.fd();
    auto until = std::chrono::steady_clock::time_point::max();
    if (!stalled.empty()) until = std::chrono::steady_clock::now() + kResume;
    if (more) until = std::chrono::steady_clock::time_point::min();
    const auto ready = poller.Wait(items, until);
    if (!ready.ok()) log::Error("bulk: %s", TextOf(ready.status()));
    if (items[2].readable) return;
  }
}

absl::StatusOr<std::unique_ptr<BulkServer>> BulkServer::Start(net::SocketContext& context,
                                                              const net::Endpoint& endpoint, net::RouterOptions options,
                                                              store::BlobStore blobs, std::uint64_t max_size,
                                                              Admits admits) {
  // Peers count their transfers from 1: this is about none, and they pass it over. Who is asked may well be there.
  options.probe = Bytes(wire::Encode<wire::Layout::kPositional>(net::BulkMessage(net::BulkRefused{})));
  MILLRACE_ASSIGN_OR_RETURN(auto router, net::Router::Bind(context, endpoint, std::move(options)));
  auto state = std::make_unique<State>(std::move(router), std::move(blobs), max_size);
  state->admits = std::move(admits);
  state->thread = std::thread([raw = state.get()] { raw->Run(); });
  return std::unique_ptr<BulkServer>(new BulkServer(std::move(state)));
}

BulkServer::BulkServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

BulkServer::~BulkServer() {
  state_->end.Signal();
  state_->thread.join();
}

const std::string& BulkServer::endpoint() const { return state_->endpoint; }

}  // namespace millrace::serve
