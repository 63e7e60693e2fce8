// SPDX-License-Identifier: Apache-2.0
// Ours against msgpack-cxx, an implementation that is not ours: each reads what the other writes.
#include <gtest/gtest.h>

#include <msgpack.hpp>
#include <string>

#include "millrace/base/random.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/reader.h"
#include "millrace/wire/writer.h"
#include "tests/unit/wire/sample.h"

namespace millrace::wire {
namespace {

// Any msgpack value at random, written by `packer`; the same draws for the same seed.
template <class Stream>
void PackRandom(msgpack::packer<Stream>& packer, Random& random, int depth) {
  switch (random.Below(depth > 0 ? 10 : 7)) {
    case 0: packer.pack_nil(); return;
    case 1: packer.pack(random.Below(2) == 0); return;
    case 2: packer.pack(random.Next() >> random.Below(64)); return;
    case 3: packer.pack(static_cast<std::int64_t>(random.Next()) >> random.Below(64)); return;
    case 4: packer.pack(random.Unit() * 1e9); return;
    // Never empty: the reference compares empty ones by a null pointer, which a sanitizer takes ill.
    case 5: packer.pack(std::string(1 + random.Below(70), 'x')); return;
    case 6: packer.pack(std::vector<char>(1 + random.Below(300), 'b')); return;
    case 7:
    case 8: {
      const auto count = static_cast<std::uint32_t>(random.Below(20));
      packer.pack_array(count);
      for (std::uint32_t i = 0; i < count; ++i) PackRandom(packer, random, depth - 1);
      return;
    }
    default: {
      const auto count = static_cast<std::uint32_t>(random.Below(20));
      packer.pack_map(count);
      for (std::uint32_t i = 0; i < count; ++i) {
        packer.pack("key" + std::to_string(i));
        PackRandom(packer, random, depth - 1);
      }
    }
  }
}

// Reads a value and writes it again.
bool Copy(Reader& reader, Writer& writer) {
  std::size_t count = 0;
  std::string_view text;
  switch (reader.Peek()) {
    case Type::kNil: writer.Nil(); return reader.ReadNil();
    case Type::kBool: {
      bool value = false;
      const bool read = reader.ReadBool(value);
      writer.Bool(value);
      return read;
    }
    case Type::kInteger: {
      Reader::Integer integer;
      const bool read = reader.ReadAnyInteger(integer);
      if (integer.negative) {
        writer.Signed(static_cast<std::int64_t>(integer.bits));
      } else {
        writer.Unsigned(integer.bits);
      }
      return read;
    }
    case Type::kFloat: {
      double value = 0;
      const bool read = reader.ReadDouble(value);
      writer.Double(value);
      return read;
    }
    case Type::kString:
      if (!reader.ReadString(text)) return false;
      writer.String(text);
      return true;
    case Type::kBinary:
      if (!reader.ReadBinary(text)) return false;
      writer.Binary(text);
      return true;
    case Type::kArray:
      if (!reader.EnterArray(count)) return false;
      writer.ArrayHeader(count);
      break;
    case Type::kMap:
      if (!reader.EnterMap(count)) return false;
      writer.MapHeader(count);
      count *= 2;
      break;
    default: return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!Copy(reader, writer)) return false;
  }
  reader.Leave();
  return true;
}

TEST(Msgpack, WeReadAndWriteWhatTheReferenceDoes) {
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    msgpack::sbuffer theirs;
    msgpack::packer<msgpack::sbuffer> packer(theirs);
    PackRandom(packer, random, 4);
    Reader reader(std::string_view(theirs.data(), theirs.size()));
    std::string ours;
    Writer writer(ours);
    ASSERT_TRUE(Copy(reader, writer)) << reader.Finish();
    ASSERT_TRUE(reader.Finish().ok());
    Reader skipping(std::string_view(theirs.data(), theirs.size()));
    ASSERT_TRUE(skipping.Skip() && skipping.Finish().ok());
    // The reference writes whole doubles as integers, so values are compared, not bytes.
    std::size_t offset = 0;
    const auto a = msgpack::unpack(theirs.data(), theirs.size());
    const auto b = msgpack::unpack(ours.data(), ours.size(), offset);
    ASSERT_EQ(offset, ours.size());
    ASSERT_EQ(a.get(), b.get());
  }
}

TEST(Msgpack, EmptyTextsAndBytesAreThoseOfTheReference) {
  msgpack::sbuffer theirs;
  msgpack::packer<msgpack::sbuffer> packer(theirs);
  packer.pack_str(0);
  packer.pack_bin(0);
  std::string ours;
  Writer writer(ours);
  writer.String("");
  writer.Binary("");
  EXPECT_EQ(ours, std::string(theirs.data(), theirs.size()));
}

TEST(Msgpack, TheReferenceReadsStructsAsMapsAndArrays) {
  const std::string named = Encode(Point{.x = -5, .y = 0.5});
  const auto handle = msgpack::unpack(named.data(), named.size());
  const auto map = handle.get().as<std::map<std::string, double>>();
  EXPECT_EQ(map, (std::map<std::string, double>{{"x", -5}, {"y", 0.5}}));
  const std::string positional = Encode<Layout::kPositional>(Point{.x = -5, .y = 0.5});
  EXPECT_EQ(msgpack::unpack(positional.data(), positional.size()).get().as<std::vector<double>>(),
            (std::vector<double>{-5, 0.5}));
  const std::string sample = Encode(FullSample());
  std::size_t offset = 0;
  EXPECT_EQ(msgpack::unpack(sample.data(), sample.size(), offset).get().via.map.size, 31U);
  EXPECT_EQ(offset, sample.size());
}

TEST(Msgpack, IntegersTakeTheirShortestForm) {
  Random random(11);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = static_cast<std::int64_t>(random.Next()) >> random.Below(64);
    msgpack::sbuffer theirs;
    msgpack::pack(theirs, number);
    ASSERT_EQ(Encode(number), std::string(theirs.data(), theirs.size())) << number;
  }
}

}  // namespace
}  // namespace millrace::wire
