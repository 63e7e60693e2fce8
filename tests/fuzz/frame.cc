// SPDX-License-Identifier: Apache-2.0
// The stream between a worker and a module host, where a module may write what it likes: frames are the same however
// the stream is cut into pieces, and each is a message or refused.
#include <algorithm>

#include "millrace/exec/frame.h"
#include "millrace/wire/slot_frame.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

constexpr std::size_t kMaxFrame = 1024;

struct Heard {
  std::vector<std::string> frames;
  bool failed = false;
  friend bool operator==(const Heard&, const Heard&) = default;
};

Heard Listen(std::string_view stream, std::size_t piece) {
  Heard heard;
  exec::FrameReader reader(kMaxFrame);
  while (!stream.empty() && !heard.failed) {
    const std::string_view part = stream.substr(0, piece);
    stream.remove_prefix(part.size());
    heard.failed = !reader.Feed(part, &heard.frames).ok();
  }
  return heard;
}

void Judge(const std::string& frame) {
  fuzz::Require(frame.size() <= kMaxFrame, "a frame is over the limit");
  fuzz::RequireRoundTrip(
      Bytes::Copy(frame), [](const Bytes& bytes) { return wire::DecodeSlotMessage(bytes); }, wire::EncodeSlotMessage);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::TextOf(data, size));
  if (text.size() <= kMaxFrame) Judge(text);
  const Heard whole = Listen(text, text.size());
  const std::size_t piece = size == 0 ? 1 : 1 + data[size - 1] % 16;
  fuzz::Require(Listen(text, piece) == whole, "the frames depend on how the stream is cut");
  for (const std::string& frame : whole.frames) Judge(frame);

  // And what is framed is heard, whatever it is.
  std::string framed;
  std::vector<std::string> said;
  for (std::size_t at = 0; at < text.size(); at += said.back().size()) {
    said.push_back(text.substr(at, 1 + data[at] % 64));
    exec::AppendFrame(said.back(), &framed);
  }
  const Heard heard = Listen(framed, piece);
  fuzz::Require(!heard.failed && heard.frames == said, "what was framed was not heard");
  return 0;
}
