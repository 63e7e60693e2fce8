// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/local_link.h"

#include <utility>

namespace millrace::net {

struct LocalHub::Shared {
  Mailbox<Item> inbox;
  std::mutex mutex;
  bool closed = false;
  std::uint64_t last_peer = 0;
  std::map<PeerId, std::shared_ptr<Mailbox<LinkEvent>>> links;  // connected ones

  // Drops what comes from a peer that is not (any more). Held while pushing, so that nothing overtakes the end.
  void Push(LocalHub::Item item) {
    const std::lock_guard lock(mutex);
    if (links.contains(item.peer)) inbox.Push(std::move(item));
  }
};

class LocalLink final : public Link {
 public:
  explicit LocalLink(std::shared_ptr<LocalHub::Shared> shared) : shared_(std::move(shared)) { Dial(); }
  ~LocalLink() override { HangUp(); }

  void Send(Message message) override { shared_->Push({peer_, std::move(message), false}); }
  void Publish(Message message) override { shared_->Push({peer_, std::move(message), true}); }
  void Reconnect() override {
    HangUp();
    Dial();
  }
  void Receive(std::vector<LinkEvent>& events) override { mailbox_->DrainInto(events); }
  void AppendPollItems(std::vector<PollItem>& items) override {
    PollItem item;
    item.fd = mailbox_->fd();
    items.push_back(item);
  }
  void Close(Duration) override { HangUp(); }

 private:
  void Dial() {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->closed) {
      mailbox_->Push(LinkDown{"the broker in this process has ended"});
      return;
    }
    peer_ = PeerId{kLocalPeerBit | ++shared_->last_peer};
    shared_->links[peer_] = mailbox_;
    mailbox_->Push(LinkUp{});
  }
  void HangUp() {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->links.erase(peer_) > 0) shared_->inbox.Push({peer_, std::nullopt, false});
    peer_ = {};
  }

  std::shared_ptr<LocalHub::Shared> shared_;
  std::shared_ptr<Mailbox<LinkEvent>> mailbox_ = std::make_shared<Mailbox<LinkEvent>>();
  PeerId peer_;
};

LocalHub::LocalHub() : shared_(std::make_shared<Shared>()) {}

LocalHub::~LocalHub() {
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  for (auto& [peer, mailbox] : shared_->links) mailbox->Push(LinkDown{"the broker in this process has ended"});
  shared_->links.clear();
}

std::unique_ptr<Link> LocalHub::Connect() { return std::make_unique<LocalLink>(shared_); }

Mailbox<LocalHub::Item>& LocalHub::inbox() { return shared_->inbox; }

bool LocalHub::Send(PeerId peer, Message message) {
  const std::lock_guard lock(shared_->mutex);
  const auto link = shared_->links.find(peer);
  if (link == shared_->links.end()) return false;
  link->second->Push(LinkHeard{std::move(message), false});
  return true;
}

void LocalHub::Broadcast(const Message& message) {
  const std::lock_guard lock(shared_->mutex);
  for (auto& [peer, mailbox] : shared_->links) mailbox->Push(LinkHeard{message, true});
}

void LocalHub::Disconnect(PeerId peer) {
  const std::lock_guard lock(shared_->mutex);
  const auto link = shared_->links.find(peer);
  if (link == shared_->links.end()) return;
  link->second->Push(LinkDown{"the broker closed the connection"});
  shared_->links.erase(link);
}

}  // namespace millrace::net
