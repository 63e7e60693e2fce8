// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/zap.h"

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/net/socket.h"

namespace millrace::net {
namespace {

constexpr char kZapEndpoint[] = "inproc://zeromq.zap.01";
constexpr std::string_view kZapVersion = "1.0";
constexpr std::size_t kHeaderFrames = 6;  // version, request, domain, address, routing id, mechanism
constexpr std::size_t kMostFrames = 16;

absl::Status NoCurve(int error) {
  if (error == ENOTSUP) return FailedPrecondition("this build of libzmq has no CURVE: install one with libsodium");
  return ZmqStatus(error, "making a key");
}

}  // namespace

struct ZapSocket::State {
  zmq::socket_t socket;
  std::string request_id;

  void Answer(std::string_view code, std::string_view text, std::string_view user) {
    const std::array<std::string_view, 6> parts = {kZapVersion, request_id, code, text, user, ""};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      zmq::message_t frame(parts[i].data(), parts[i].size());
      SendFrame(socket, frame, i + 1 < parts.size());
    }
  }
};

ZapSocket::ZapSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZapSocket::~ZapSocket() = default;

absl::StatusOr<std::unique_ptr<ZapSocket>> ZapSocket::Bind(SocketContext& context) {
  auto state = std::make_unique<State>();
  MILLRACE_ASSIGN_OR_RETURN(state->socket, MakeSocket(context, zmq::socket_type::rep, {.max_message_bytes = -1}));
  if (zmq_bind(state->socket.handle(), kZapEndpoint) != 0) {
    return ZmqStatus(zmq_errno(), "binding the socket that admits keys");
  }
  return std::unique_ptr<ZapSocket>(new ZapSocket(std::move(state)));
}

bool ZapSocket::Receive(ZapRequest& request) {
  State& s = *state_;
  std::vector<std::string> frames;
  zmq::message_t frame;
  if (ReceiveFrame(s.socket, frame) != FrameResult::kDone) return false;
  frames.emplace_back(frame.data<char>(), frame.size());
  while (frame.more() && frames.size() < kMostFrames && ReceiveFrame(s.socket, frame) == FrameResult::kDone) {
    frames.emplace_back(frame.data<char>(), frame.size());
  }
  DropRest(s.socket, frame);
  request = {};
  s.request_id = frames.size() > 1 ? frames[1] : "";
  if (frames.size() < kHeaderFrames || frames[0] != kZapVersion) return true;
  request.domain = frames[2];
  request.address = frames[3];
  if (frames[5] != "CURVE" || frames.size() != kHeaderFrames + 1 || frames[6].size() != keys::kKeyBytes) return true;
  keys::RawKey raw{};
  std::memcpy(raw.data(), frames[6].data(), raw.size());
  request.public_key = keys::EncodeKey(raw);
  return true;
}

void ZapSocket::Admit(std::string_view user) { state_->Answer("200", "OK", user); }
void ZapSocket::Refuse() { state_->Answer("400", "not admitted", ""); }
void* ZapSocket::native() { return state_->socket.handle(); }

absl::StatusOr<keys::KeyPair> MakeKeyPair() {
  std::array<char, keys::kKeyChars + 1> public_key{};
  std::array<char, keys::kKeyChars + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) return NoCurve(zmq_errno());
  return keys::KeyPair{public_key.data(), secret_key.data()};
}

absl::StatusOr<keys::KeyPair> KeyPairOf(const std::string& secret_key) {
  MILLRACE_RETURN_IF_ERROR(keys::DecodeKey(secret_key).status());
  std::array<char, keys::kKeyChars + 1> public_key{};
  if (zmq_curve_public(public_key.data(), secret_key.c_str()) != 0) return NoCurve(zmq_errno());
  return keys::KeyPair{public_key.data(), secret_key};
}

}  // namespace millrace::net
