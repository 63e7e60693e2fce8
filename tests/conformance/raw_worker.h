// SPDX-License-Identifier: Apache-2.0
// A worker that the test itself speaks for, message by message: it keeps the protocol where the test does not say
// otherwise, and may claim what no real worker would.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/model/message.h"
#include "millrace/net/link.h"
#include "tests/conformance/cluster.h"

namespace millrace::testing {

class RawWorker {
 public:
  RawWorker(std::unique_ptr<net::Link> link, const std::string& name, Offer offer) : link_(std::move(link)) {
    hello_.name = name;
    hello_.incarnation = Incarnation{std::hash<std::string>{}(name) | 1};
    hello_.host = "elsewhere";  // its process cannot be looked at: only its silence tells
    hello_.pid = 1;
    hello_.version = "raw";
    hello_.offer = std::move(offer);
  }
  ~RawWorker() { Vanish(); }

  // What it will say of itself.
  Hello& hello() { return hello_; }
  SessionId session() const { return session_; }

  void Attach() { session_ = Take<Welcome>().session; }
  // The next message of this kind; waits for it.
  template <class M>
  M Take() {
    M taken;
    WaitFor("a message of kind " + std::to_string(M::kKind), [&] {
      Pump();
      for (auto it = heard_.begin(); it != heard_.end(); ++it) {
        if (!std::holds_alternative<M>(*it)) continue;
        taken = std::get<M>(std::move(*it));
        heard_.erase(it);
        return true;
      }
      return false;
    });
    return taken;
  }
  // Whether such a message has come.
  template <class M>
  bool Has() {
    Pump();
    for (const Message& message : heard_) {
      if (std::holds_alternative<M>(message)) return true;
    }
    return false;
  }

  void Send(Message message) { link_->Send(std::move(message)); }
  // On the control channel, or on the channel that heartbeats have.
  void SendBeat(bool on_heartbeat_channel = false) {
    Beat beat;
    beat.session = session_;
    beat.incarnation = hello_.incarnation;
    beat.number = ++beats_;
    beat.orders_through = orders_;
    if (on_heartbeat_channel) {
      link_->Publish(beat);
    } else {
      link_->Send(beat);
    }
  }
  // The report of one attempt that succeeded, under the next number.
  Report Success(AttemptId attempt, Payload result = {}) {
    Report report;
    report.session = session_;
    report.orders_through = orders_;
    report.first_number = ++reports_;
    AttemptReport one;
    one.attempt = attempt;
    one.outcome = Outcome::kSucceeded;
    one.result = std::move(result);
    report.reports.push_back(std::move(one));
    return report;
  }
  // Is gone without a word.
  void Vanish() {
    if (link_ != nullptr) link_->Close(Duration::zero());
    link_.reset();
  }

 private:
  void Pump() {
    std::vector<net::LinkEvent> events;
    link_->Receive(events);
    for (net::LinkEvent& event : events) {
      if (std::holds_alternative<net::LinkUp>(event)) link_->Send(hello_);
      if (auto* heard = std::get_if<net::LinkHeard>(&event)) Hear(std::move(heard->message));
    }
  }
  void Hear(Message message) {
    if (const auto* ping = std::get_if<Ping>(&message)) return link_->Send(Pong{ping->nonce});
    const bool fresh = std::visit([this](const auto& m) { return IsFresh(m); }, message);
    if (fresh) heard_.push_back(std::move(message));
  }
  // Orders are numbered and said again until they are acknowledged; each is taken once.
  template <class M>
  bool IsFresh(const M& message) {
    if constexpr (requires { message.number; } && !std::is_same_v<M, Beacon> && !std::is_same_v<M, Beat>) {
      if (message.number <= orders_) return false;
      orders_ = message.number;
      SendBeat();  // acknowledges
    }
    return true;
  }

  std::unique_ptr<net::Link> link_;
  Hello hello_;
  SessionId session_;
  std::deque<Message> heard_;
  std::uint64_t orders_ = 0;
  std::uint64_t beats_ = 0;
  std::uint64_t reports_ = 0;
};

}  // namespace millrace::testing
