// SPDX-License-Identifier: Apache-2.0
// Decides who is let in: a thread that answers ZeroMQ's questions about keys from the list of a keyring, follows that
// list as it changes, and adds to it whoever joins by a token. It looks at the list once more before it refuses a key,
// so that one that was just added is admitted at once.
//
// Some builds of ZeroMQ admit everybody if nobody answers (docs/security.md). So the gate is there before the first
// socket and goes after the last, and it keeps trying to get in with a key that is on no list: were that ever to work,
// the process has to end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/base/ids.h"
#include "millrace/keys/keyring.h"
#include "millrace/model/caller.h"
#include "millrace/model/message.h"
#include "millrace/net/context.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/mailbox.h"

namespace millrace::serve {

struct KeysChanged {
  std::vector<std::string> gone;   // public keys that are not admitted any more, or not as they were
  std::vector<std::string> lines;  // what has changed, for the audit log
};
struct KeyRefused {
  std::string address;
  std::string key;  // "" = it came without one
};
struct JoinAnswered {
  PeerId peer;
  Answer answer;
};
// The list cannot be read: the last good one counts. OK = it can again.
struct GateTrouble {
  absl::Status status;
};
using GateNews = std::variant<KeysChanged, KeyRefused, JoinAnswered, GateTrouble>;

class Gate {
 public:
  // The context must have no sockets yet. `on_open`: a key that is on no list got in; called on the gate's thread.
  static absl::StatusOr<std::unique_ptr<Gate>> Start(net::SocketContext& context, keys::Keyring keyring,
                                                     std::function<void(const absl::Status&)> on_open,
                                                     std::chrono::nanoseconds test_again = std::chrono::minutes(1));
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Returns when a foreign key was refused at this socket; it is tried again every `test_again` from then on.
  absl::Status Test(const net::Endpoint& control);

  // Any thread. Null = not admitted, or not any more.
  std::shared_ptr<const Caller> Find(std::string_view public_key) const;
  std::shared_ptr<const Caller> FindBearer(std::string_view bearer) const;
  // Any thread. The bearer of `token_key` asks to be admitted (CommandKind::kJoin); the answer is among the news.
  void Join(PeerId peer, const std::string& token_key, Command command);

  net::Mailbox<GateNews>& news();

 private:
  struct State;
  explicit Gate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::serve
