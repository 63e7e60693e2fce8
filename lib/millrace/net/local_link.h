// SPDX-License-Identifier: Apache-2.0
// Links inside one process: messages move as they are, through mailboxes; no port, no bytes. The broker's side is the
// hub.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "millrace/base/ids.h"
#include "millrace/model/message.h"
#include "millrace/net/link.h"
#include "millrace/net/mailbox.h"

namespace millrace::net {

// PeerIds of local links have this bit; a Router's never do.
inline constexpr std::uint64_t kLocalPeerBit = std::uint64_t{1} << 63;
constexpr bool IsLocal(PeerId peer) { return (peer.value & kLocalPeerBit) != 0; }

class LocalHub {
 public:
  struct Item {
    PeerId peer;
    std::optional<Message> message;  // none: this connection has ended
    bool on_heartbeat_channel = false;
  };

  LocalHub();
  ~LocalHub();
  LocalHub(const LocalHub&) = delete;
  LocalHub& operator=(const LocalHub&) = delete;

  // A new connection. Any thread; the link may outlive the hub, which then is down for good.
  std::unique_ptr<Link> Connect();

  // ---- the broker's thread ----
  Mailbox<Item>& inbox();
  // False: this peer is gone.
  bool Send(PeerId peer, Message message);
  // To every link, as from the heartbeat or event channel.
  void Broadcast(const Message& message);
  // The link sees LinkDown, and nothing of it reaches the inbox any more, not even its end.
  void Disconnect(PeerId peer);

 private:
  friend class LocalLink;
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace millrace::net
