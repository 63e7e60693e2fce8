// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/remote_link.h"

#include <utility>

#include "millrace/base/status.h"
#include "millrace/net/dealer.h"
#include "millrace/net/pubsub.h"
#include "millrace/net/topics.h"
#include "millrace/wire/frame.h"

namespace millrace::net {
namespace {

constexpr std::size_t kReadAtOnce = 1000;

class RemoteLink final : public Link {
 public:
  RemoteLink(SocketContext& context, Endpoint control, RemoteLinkOptions options, std::unique_ptr<Dealer> dealer)
      : context_(context), control_(std::move(control)), options_(std::move(options)), dealer_(std::move(dealer)) {}

  void Send(Message message) override { dealer_->Send(Bytes(wire::EncodeMessage(message))); }

  void Publish(Message message) override {
    if (publisher_) publisher_->Publish(kBeatTopic, wire::EncodeMessage(message));
  }

  void Reconnect() override {
    const absl::Status status = dealer_->Reset();
    if (!status.ok()) failure_ = TextOf(status);
  }

  void Receive(std::vector<LinkEvent>& events) override {
    if (!failure_.empty()) events.push_back(LinkDown{std::exchange(failure_, {}), false});
    // A message that is there belongs to the connection whose event is told first.
    for (ConnectionEvent& event : dealer_->TakeConnectionEvents()) {
      if (event.kind == ConnectionEvent::Kind::kConnected) {
        events.emplace_back(std::in_place_type<LinkUp>);
      } else {
        events.push_back(LinkDown{std::move(event.reason), event.refused});
      }
    }
    std::vector<Bytes> frames;
    while (dealer_->Receive(kReadAtOnce, frames) == kReadAtOnce) {
    }
    for (const Bytes& frame : frames) Take(frame, false, events);
    if (!subscriber_) return;
    std::vector<Published> published;
    while (subscriber_->Receive(kReadAtOnce, published) == kReadAtOnce) {
    }
    for (const Published& item : published) Take(item.payload, true, events);
  }

  void AppendPollItems(std::vector<PollItem>& items) override {
    PollItem wake;
    wake.fd = dealer_->wake_fd();
    items.push_back(wake);
    PollItem control;
    control.socket = dealer_->native();
    items.push_back(control);
    if (!subscriber_) return;
    PollItem events;
    events.socket = subscriber_->native();
    items.push_back(events);
  }

  void Close(Duration linger) override {
    dealer_->Close(std::chrono::duration_cast<std::chrono::milliseconds>(linger));
  }

 private:
  // What cannot be decoded is dropped: a broker of another version refuses in words that every version knows.
  void Take(const Bytes& frame, bool on_heartbeat_channel, std::vector<LinkEvent>& events) {
    auto message = wire::DecodeMessage(frame);
    if (!message.ok()) return;
    if (const auto* welcome = std::get_if<Welcome>(&*message)) Attach(welcome->planes);
    events.push_back(LinkHeard{*std::move(message), on_heartbeat_channel});
  }

  // Connects the side channels, again when a broker has come back elsewhere. One that cannot be dialled is a degraded
  // heartbeat, which the brains notice by themselves.
  void Attach(const Planes& planes) {
    if (planes == planes_ || !options_.listen) return;
    planes_ = planes;
    publisher_.reset();
    subscriber_.reset();
    PubSubOptions pubsub;
    pubsub.insecure_allow_plaintext_on = options_.insecure_allow_plaintext_on;
    if (const auto endpoint = DialledPlane(planes.heartbeat, control_); endpoint.ok()) {
      auto publisher = Publisher::Connect(context_, *endpoint, pubsub);
      if (publisher.ok()) publisher_ = *std::move(publisher);
    }
    if (const auto endpoint = DialledPlane(planes.events, control_); endpoint.ok()) {
      std::string topics{kBeaconTopic};
      if (options_.changes) topics += kChangedTopic;
      auto subscriber = Subscriber::Connect(context_, *endpoint, topics, pubsub);
      if (subscriber.ok()) subscriber_ = *std::move(subscriber);
    }
  }

  SocketContext& context_;
  Endpoint control_;
  RemoteLinkOptions options_;
  std::unique_ptr<Dealer> dealer_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<Subscriber> subscriber_;
  Planes planes_;
  std::string failure_;
};

}  // namespace

absl::StatusOr<Endpoint> DialledPlane(const std::string& announced, const Endpoint& control) {
  if (announced.empty()) return NotFound("the broker has no such plane");
  if (control.transport != Transport::kTcp) return ParseEndpoint(announced);
  // A wildcard address is none that one could dial, so only the port is read, off a stand-in.
  const auto port = announced.rfind(':');
  if (port == std::string::npos) return InvalidArgument("'%s' is not the address of a plane", announced);
  MILLRACE_ASSIGN_OR_RETURN(Endpoint plane, ParseEndpoint("tcp://127.0.0.1" + announced.substr(port)));
  plane.host = control.host;
  return plane;
}

absl::StatusOr<std::unique_ptr<Link>> ConnectRemote(SocketContext& context, const Endpoint& control,
                                                    RemoteLinkOptions options) {
  DealerOptions dealer_options;
  dealer_options.insecure_allow_plaintext_on = options.insecure_allow_plaintext_on;
  MILLRACE_ASSIGN_OR_RETURN(auto dealer, Dealer::Connect(context, control, dealer_options));
  return std::unique_ptr<Link>(new RemoteLink(context, control, std::move(options), std::move(dealer)));
}

}  // namespace millrace::net
