// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/writer.h"

#include <array>
#include <bit>
#include <msgpack.hpp>

namespace millrace::wire {
namespace {

struct Appender {
  std::string& out;
  void write(const char* bytes, std::size_t size) { out.append(bytes, size); }
};

// What msgpack can say is 32 bits wide; no payload of ours comes near (max_payload_size refuses it long before).
std::uint32_t Width32(std::size_t size) { return static_cast<std::uint32_t>(size); }

template <class F>
void Pack(std::string& out, F&& pack) {
  Appender appender{out};
  msgpack::packer<Appender> packer(appender);
  pack(packer);
}

}  // namespace

void Writer::WideUnsigned(std::uint64_t value) {
  Pack(out_, [&](auto& packer) { packer.pack_uint64(value); });
}
void Writer::Negative(std::int64_t value) {
  Pack(out_, [&](auto& packer) { packer.pack_int64(value); });
}
// Not by msgpack's packer, which writes 2.0 as the integer 2 and so turns -0.0 into 0.
void Writer::Float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  std::array<char, 5> text{static_cast<char>(0xca)};
  for (int i = 0; i < 4; ++i) text[static_cast<std::size_t>(i + 1)] = static_cast<char>(bits >> (24 - 8 * i));
  out_.append(text.data(), text.size());
}
void Writer::Double(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  std::array<char, 9> text{static_cast<char>(0xcb)};
  for (int i = 0; i < 8; ++i) text[static_cast<std::size_t>(i + 1)] = static_cast<char>(bits >> (56 - 8 * i));
  out_.append(text.data(), text.size());
}
void Writer::String(std::string_view text) {
  if (text.size() < 32) {
    out_.push_back(static_cast<char>(0xa0 | text.size()));
    out_.append(text);
    return;
  }
  Pack(out_, [&](auto& packer) {
    packer.pack_str(Width32(text.size()));
    packer.pack_str_body(text.data(), Width32(text.size()));
  });
}
void Writer::Binary(std::string_view bytes) {
  Pack(out_, [&](auto& packer) {
    packer.pack_bin(Width32(bytes.size()));
    packer.pack_bin_body(bytes.data(), Width32(bytes.size()));
  });
}
void Writer::WideArrayHeader(std::size_t count) {
  Pack(out_, [&](auto& packer) { packer.pack_array(Width32(count)); });
}
void Writer::MapHeader(std::size_t count) {
  Pack(out_, [&](auto& packer) { packer.pack_map(Width32(count)); });
}

}  // namespace millrace::wire
