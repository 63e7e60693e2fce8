// SPDX-License-Identifier: Apache-2.0
// The part of broker_loop.h that deals with who somebody is, who is sent away, and what people are warned of.
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/serve/broker_loop.h"
#include "millrace/serve/clock.h"

namespace millrace::serve {
namespace {

constexpr int kStrikes = 3;  // malformed messages until a peer is ignored

}  // namespace

bool BrokerLoop::Identify(PeerId peer, std::shared_ptr<const Caller>& caller) {
  if (parts_.gate == nullptr) return true;
  const auto known = peers_.find(peer);
  if (known != peers_.end() && known->second.caller != nullptr) {
    caller = known->second.caller;
    return true;
  }
  caller = parts_.gate->Find(parts_.sockets.control->UserOf(peer));
  if (caller == nullptr) {  // it was revoked between the handshake and this
    Dismiss(peer, "the key is not admitted (any more)");
    return false;
  }
  peers_[peer].caller = caller;
  return true;
}

void BrokerLoop::Dismiss(PeerId peer, const std::string& reason) {
  Refused refused;
  refused.code = RefusalCode::kNotAllowed;
  refused.reason = reason;
  SendTo(peer, std::move(refused));
  parts_.sockets.control->Ignore(peer);
  peers_.erase(peer);
  audit_.Gone(peer);
  events_.push_back(sched::PeerGone{.peer = peer, .process_dead = false, .revoked = true});
}

void BrokerLoop::CollectGate() {
  std::vector<GateNews> news;
  parts_.gate->news().DrainInto(news);
  for (const GateNews& item : news) std::visit([this](const auto& body) { OnNews(body); }, item);
}

void BrokerLoop::OnNews(const KeysChanged& changed) {
  for (const std::string& line : changed.lines) {
    log::Info("keys: %s", line);
    audit_.KeysChanged(line);
  }
  const std::set<std::string> gone(changed.gone.begin(), changed.gone.end());
  std::vector<PeerId> dismissed;
  for (const auto& [peer, info] : peers_) {
    if (info.caller != nullptr && gone.contains(info.caller->key)) dismissed.push_back(peer);
  }
  for (const PeerId peer : dismissed) {
    Dismiss(peer, absl::StrFormat("the key '%s' was revoked or changed", peers_[peer].caller->name));
  }
}

void BrokerLoop::OnNews(const KeyRefused& refused) {
  audit_.Refused(Now(), absl::StrFormat("a peer at %s", refused.address),
                 refused.key.empty()
                     ? "it has no key"
                     : absl::StrFormat("its key %s... is not admitted (zmqctl keys list)", refused.key.substr(0, 8)));
}

void BrokerLoop::OnNews(const JoinAnswered& joined) {
  if (joined.answer.code == 0) log::Info("admitted %s '%s'", joined.answer.lines[1], joined.answer.lines[0]);
  SendTo(joined.peer, joined.answer);
}

void BrokerLoop::OnNews(const GateTrouble& trouble) {
  gate_trouble_ = trouble.status;
  changed_ = true;
}

void BrokerLoop::Audit(PeerId peer, const Message& message) {
  audit_.Answered(peer, message);
  const auto known = peers_.find(peer);
  const Caller* const caller = known == peers_.end() ? nullptr : known->second.caller.get();
  const auto* answer = std::get_if<Answer>(&message);
  if (answer != nullptr && answer->code == static_cast<std::int32_t>(absl::StatusCode::kPermissionDenied)) {
    audit_.Refused(Now(), WhoIs(peer, caller), answer->message);
  } else if (const auto* refused = std::get_if<Refused>(&message);
             refused != nullptr && refused->code == RefusalCode::kNotAllowed) {
    audit_.Refused(Now(), WhoIs(peer, caller), refused->reason);
  }
}

void BrokerLoop::Strike(PeerId peer, const std::string& reason) {
  ++malformed_;
  PeerInfo& info = peers_[peer];
  ++info.strikes;
  if (info.strikes > kStrikes) return;
  const std::string who = info.worker.empty() ? "a client" : info.worker;
  log::Warning("malformed message %d of %d from %s: %s", info.strikes, kStrikes, who, reason);
  if (info.strikes < kStrikes) return;
  log::Warning("%s sent %d malformed messages and is ignored from now on", who, kStrikes);
  Refused refused;
  refused.code = RefusalCode::kMalformed;
  refused.reason = absl::StrFormat("%d malformed messages, the last one: %s", kStrikes, reason);
  SendTo(peer, std::move(refused));
  parts_.sockets.control->Ignore(peer);
  Lost(peer);
}

// With what the shell knows and the brain does not.
void BrokerLoop::AnswerStatus(PeerId peer, std::uint64_t request) {
  Answer answer;
  answer.request = request;
  answer.broker.push_back(View(Now()));
  SendTo(peer, std::move(answer));
}

bool BrokerLoop::HasWarnings() const {
  return !history_state_.trouble.ok() || !gate_trouble_.ok() || !parts_.insecure_on.empty();
}

BrokerView BrokerLoop::View(Instant now) const {
  BrokerView view = brain_.Broker(now);
  view.protocol_errors += malformed_;
  if (!news_.trouble.ok()) {
    view.warnings.insert(
        view.warnings.begin(),
        absl::StrFormat("the journal cannot be written, nothing is acknowledged and no run is taken: %s",
                        TextOf(news_.trouble)));
  }
  if (!history_state_.trouble.ok()) {
    view.warnings.push_back(absl::StrFormat("the history cannot be written: %s; %d ended runs wait for it",
                                            TextOf(history_state_.trouble), history_state_.waiting));
  }
  if (!gate_trouble_.ok()) {
    view.warnings.push_back(
        absl::StrFormat("the list of keys cannot be read, the former one counts: %s", TextOf(gate_trouble_)));
  }
  if (!parts_.insecure_on.empty()) {
    view.warnings.push_back("INSECURE: plaintext is allowed on " + parts_.insecure_on);
  }
  return view;
}

}  // namespace millrace::serve
