// SPDX-License-Identifier: Apache-2.0
// Typed values to msgpack and back, in both layouts: equality, determinism, evolution, spellings and refusals.
#include "millrace/wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "millrace/base/status.h"
#include "millrace/base/time.h"
#include "millrace/model/message.h"
#include "millrace/model/record.h"
#include "millrace/model/slot.h"
#include "millrace/wire/json.h"
#include "tests/unit/wire/sample.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

struct HoldsPointer {
  int* pointer = nullptr;
};
struct HoldsInstant {
  Instant when;
};
struct HoldsFunction {
  std::vector<std::function<void()>> functions;
};

static_assert(Supported<Sample> && Supported<Message> && Supported<Record> && Supported<SlotMessage>);
static_assert(!Supported<int*> && !Supported<HoldsPointer> && !Supported<HoldsInstant> && !Supported<HoldsFunction>);
static_assert(!Supported<std::optional<std::optional<int>>> && !Supported<std::unique_ptr<int>>);
static_assert(!Supported<std::map<double, int>> && !Supported<std::string_view> && !Supported<const char*>);
static_assert(!Supported<std::byte> && !Supported<wchar_t> && !Supported<long double>);

template <Layout L, class T>
absl::StatusOr<T> Again(const T& value) {
  return Decode<T, L>(Encode<L>(value));
}

template <class T>
absl::StatusOr<T> FromJson(std::string_view json) {
  MILLRACE_ASSIGN_OR_RETURN(const std::string msgpack, JsonToMsgpack(json));
  return Decode<T>(msgpack);
}

template <class T, Layout L = Layout::kNamed>
std::string ErrorOf(std::string_view bytes, const Limits& limits = {}) {
  return TextOf(Decode<T, L>(bytes, limits).status());
}

TEST(Codec, A33_EveryKindOfValueComesBackAsItWas) {
  for (const Sample& sample : {FullSample(), Sample()}) {
    const auto named = Again<Layout::kNamed>(sample);
    ASSERT_TRUE(named.ok()) << named.status();
    EXPECT_EQ(*named, sample);
    const auto positional = Again<Layout::kPositional>(sample);
    ASSERT_TRUE(positional.ok()) << positional.status();
    EXPECT_EQ(*positional, sample);
    // Byte for byte: what == cannot see.
    EXPECT_EQ(Encode(*named), Encode(sample));
    EXPECT_EQ(std::signbit(named->f32), std::signbit(sample.f32));
  }
}

TEST(Codec, A33_NumbersAtTheEdgesOfEveryWidth) {
  std::vector<std::int64_t> edges = {0};
  for (int bit = 0; bit < 63; ++bit) {
    for (std::int64_t delta = -1; delta <= 1; ++delta) {
      edges.push_back((std::int64_t{1} << bit) + delta);
      edges.push_back(-(std::int64_t{1} << bit) + delta);
    }
  }
  EXPECT_EQ(*Again<Layout::kNamed>(edges), edges);
  const std::vector<double> doubles = {
      0.0, -0.0, 1e308, 5e-324, std::numeric_limits<double>::infinity(), 18446744073709551616.0};
  EXPECT_EQ(*Again<Layout::kNamed>(doubles), doubles);
  EXPECT_TRUE(std::isnan(*Again<Layout::kNamed>(std::nan(""))));
  EXPECT_EQ(*Again<Layout::kNamed>(std::numeric_limits<float>::denorm_min()), std::numeric_limits<float>::denorm_min());
}

TEST(Codec, EveryLengthClassOfStringsAndContainers) {
  for (const std::size_t size : {0U, 15U, 16U, 31U, 32U, 255U, 256U, 65535U, 65536U}) {
    const std::string text(size, 'x');
    EXPECT_EQ(*Again<Layout::kNamed>(text), text);
    EXPECT_EQ(*Again<Layout::kNamed>(Bytes(text)), Bytes(text));
    const std::vector<std::int16_t> list(size, -300);
    EXPECT_EQ(*Again<Layout::kPositional>(list), list);
    std::unordered_map<std::uint32_t, bool> map;
    for (std::uint32_t i = 0; i < size; ++i) map[i] = i % 2 == 0;
    EXPECT_EQ(*Again<Layout::kPositional>(map), map);
  }
}

TEST(Codec, EqualMapsHaveEqualBytesWhateverTheirHistory) {
  std::unordered_map<int, std::string> up;
  std::unordered_map<int, std::string> down(1000);
  for (int i = 0; i < 200; ++i) up[i] = "v";
  for (int i = 199; i >= 0; --i) down[i] = "v";
  EXPECT_EQ(Encode(up), Encode(down));
  const std::map<int, std::string> sorted(up.begin(), up.end());
  EXPECT_EQ(Encode(sorted), Encode(up));
}

struct Old {
  int first = 1;
  std::string second = "two";
};
struct New {
  int first = 10;
  std::string second = "twenty";
  std::vector<int> third = {3};
  std::optional<Point> fourth = Point{};
};

// Those whose bytes are to be told apart by what is said, not by what is the default.
struct Sparse {
  int number = 7;
  Point where{};
  std::string text{};
  std::vector<Point> points{};
  double weight = 0;
  std::optional<int> maybe{};
  friend bool operator==(const Sparse&, const Sparse&) = default;
};

TEST(Codec, WhatHasItsDefaultAtTheEndIsLeftOff) {
  const auto bytes = [](const Sparse& sparse) { return Encode<Layout::kPositional>(sparse); };
  EXPECT_EQ(bytes({}).size(), bytes({.maybe = 3}).size() - 1) << "a double is always said: -0 is not 0";
  EXPECT_EQ(bytes({})[0], '\x95');
  EXPECT_EQ(bytes({.points = {{}}})[0], '\x95');
  EXPECT_EQ(Encode<Layout::kPositional>(std::vector<Old>(2)), "\x92\x90\x90");
  EXPECT_EQ(Encode<Layout::kPositional>(Old{.first = 0}), std::string("\x91\x00", 2));
  EXPECT_EQ(Encode<Layout::kPositional>(Old{.second = ""}), std::string("\x92\x01\xa0", 3));
  for (const Sparse& sparse :
       {Sparse{}, Sparse{.number = 0}, Sparse{.where = {.x = 1}}, Sparse{.text = "t"}, Sparse{.points = {{}, {.x = 2}}},
        Sparse{.weight = -0.0}, Sparse{.maybe = 0}, Sparse{.number = 1, .maybe = 2}}) {
    const auto read = Decode<Sparse, Layout::kPositional>(bytes(sparse));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, sparse);
    EXPECT_EQ(std::signbit(read->weight), std::signbit(sparse.weight));
  }
}

TEST(Codec, FieldsMayBeAddedAtTheEnd) {
  const auto newer = Decode<New, Layout::kPositional>(Encode<Layout::kPositional>(Old{.first = 5, .second = "five"}));
  ASSERT_TRUE(newer.ok()) << newer.status();
  EXPECT_EQ(newer->first, 5);
  EXPECT_EQ(newer->second, "five");
  EXPECT_EQ(newer->third, std::vector<int>{3});
  EXPECT_TRUE(newer->fourth.has_value());
  const auto older = Decode<Old, Layout::kPositional>(Encode<Layout::kPositional>(New{.second = "five", .third = {}}));
  ASSERT_TRUE(older.ok()) << older.status();
  EXPECT_EQ(older->first, 10) << "not the last field that is said";
  EXPECT_EQ(older->second, "five");
  const auto named = Decode<Old>(Encode(New{}));
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->first, 10);
  EXPECT_EQ(Decode<New>(Encode(Old{}))->third, std::vector<int>{3});
}

TEST(Codec, NamedValuesReadAsPeopleWriteThem) {
  const auto sample = FromJson<Sample>(R"({"colour": "dark_blue", "duration": "1m30s", "bytes": "AAH/", "f64": 3,
      "by_number": {"17": "x"}, "choice": {"value": {"y": 0.5}, "type": "Point"}, "labelled": ["a", "plus"],
      "by_colour": {"green": 4}, "maybe": null, "unknown": [1, {"deep": []}], "octets": "AQI="})");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->colour, Colour::kDarkBlue);
  EXPECT_EQ(sample->duration, std::chrono::seconds(90));
  EXPECT_EQ(sample->bytes, Bytes(std::string("\x00\x01\xff", 3)));
  EXPECT_EQ(sample->f64, 3.0);
  EXPECT_EQ(sample->by_number.at(17), "x");
  EXPECT_EQ(std::get<Point>(sample->choice), (Point{.x = 1, .y = 0.5}));
  EXPECT_EQ(sample->labelled.second, Sign::kPlus);
  EXPECT_EQ(sample->by_colour.at(Colour::kGreen), 4U);
  EXPECT_EQ(sample->octets, (std::vector<std::uint8_t>{1, 2}));
  // The whole sample survives the detour through JSON, but for what JSON cannot say.
  Sample full = FullSample();
  full.text = "plain";
  EXPECT_EQ(*FromJson<Sample>(*MsgpackToJson(Encode(full), JsonStyle::kIndented)), full);
}

TEST(Codec, ErrorsNameTheFieldAndWhatIsWrong) {
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"tree": {"children": [{}, {"name": 5}]}})").status()),
              HasSubstr("tree.children[1].name at byte"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"tree": {"name": 5}})").status()),
              HasSubstr("expected a string, found an integer"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"i8": 128})").status()),
              HasSubstr("128 does not fit a signed integer of 8 bits"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"u16": -1})").status()),
              HasSubstr("-1 does not fit an unsigned integer of 16"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"i64": 1.0})").status()), HasSubstr("expected an integer, found a float"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"flag": 1})").status()), HasSubstr("expected a boolean, found an integer"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"f32": 1e300})").status()), HasSubstr("does not fit a float"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"colour": "Red"})").status()),
              HasSubstr("'Red' is not one of: red, dark_blue, green"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"colour": 3})").status()), HasSubstr("3 stands for none of: red"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"duration": "soon"})").status()), HasSubstr("is not a duration"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"duration": 1})").status()), HasSubstr("1 ns is no whole number"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"bytes": "A"})").status()), HasSubstr("base64"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"choice": {"type": "Circle", "value": 1}})").status()),
              HasSubstr("no alternative is named 'Circle'"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"choice": {"type": "Point"}})").status()),
              HasSubstr("one of them is missing"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"by_number": {"x": ""}})").status()), HasSubstr("'x' is no integer key"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"pair_of_points": [{}]})").status()),
              HasSubstr("1 elements for an array of 2"));
  EXPECT_THAT(TextOf(FromJson<Sample>(R"({"labelled": ["a"]})").status()), HasSubstr("1 elements for a pair"));
  EXPECT_THAT(TextOf(FromJson<Sample>("[]").status()), HasSubstr("expected a map, found an array"));
}

TEST(Codec, A48_RefusesDoubledKeysTrailingBytesAndExtensions) {
  EXPECT_THAT((ErrorOf<std::map<std::string, int>>("\x82\xa1k\x01\xa1k\x02")), HasSubstr("in the map already"));
  EXPECT_THAT((ErrorOf<std::map<int, int>>("\x82\x01\x01\xd0\x01\x02")), HasSubstr("in the map already"));
  EXPECT_THAT(ErrorOf<std::set<int>>("\x92\x01\x01"), HasSubstr("in the set already"));
  EXPECT_THAT(ErrorOf<Point>("\x82\xa1x\x01\xa1x\x02"), HasSubstr("'x' is there twice"));
  EXPECT_THAT(ErrorOf<int>("\x01\x02"), HasSubstr("1 bytes follow the value"));
  EXPECT_THAT(ErrorOf<int>("\xd4\x01\x02"), HasSubstr("expected an integer, found an extension"));
  EXPECT_THAT(ErrorOf<Point>("\x81\xa1z\xc1"), HasSubstr("found an extension"));
  EXPECT_THAT(ErrorOf<int>(""), HasSubstr("byte 0: expected an integer, found the end"));
}

TEST(Codec, BytesShareTheInputUnlessTheyWouldKeepMuchMoreAlive) {
  const Bytes frame(Encode(std::vector<Bytes>{Bytes::Copy("small"), Bytes(std::string(1000, 'x'))}));
  const auto parts = Decode<std::vector<Bytes>>(frame);
  ASSERT_TRUE(parts.ok());
  EXPECT_EQ((*parts)[0].owner(), frame.owner());
  EXPECT_GT((*parts)[1].data(), frame.data());
  EXPECT_LT((*parts)[1].data(), frame.data() + frame.size());
  const Bytes big(Encode(std::vector<Bytes>{Bytes::Copy("small"), Bytes(std::string(1 << 20, 'x'))}));
  const auto of_big = Decode<std::vector<Bytes>>(big);
  EXPECT_NE((*of_big)[0].owner(), big.owner());
  EXPECT_EQ((*of_big)[1].owner(), big.owner());
  const auto of_view = Decode<std::vector<Bytes>>(big.view());
  EXPECT_EQ((*of_view)[0].str(), "small");
  EXPECT_NE((*of_view)[1].owner(), big.owner());
}

TEST(Codec, DurationsKeepWhatTheirUnitCanSay) {
  EXPECT_EQ(*Again<Layout::kPositional>(kNever.time_since_epoch()), kNever.time_since_epoch());
  EXPECT_EQ(*Again<Layout::kPositional>(std::chrono::hours(-5)), std::chrono::hours(-5));
  EXPECT_EQ(*Again<Layout::kNamed>(std::chrono::duration<double>(0.25)), std::chrono::duration<double>(0.25));
  // Longer than 292 years stays as long as can be said.
  EXPECT_GT(*Again<Layout::kPositional>(std::chrono::hours::max()), std::chrono::hours(2'000'000));
}

TEST(Codec, EncodesAppending) {
  std::string out = "before";
  EncodeTo(out, 5);
  EncodeTo<Layout::kPositional>(out, Point{});
  EXPECT_EQ(out.substr(0, 7), "before\x05");
  EXPECT_TRUE((Decode<Point, Layout::kPositional>(std::string_view(out).substr(7)).ok()));
}

TEST(Codec, VariantsTellAlternativesOfOneNameApart) {
  using Twins = std::variant<std::vector<int>, std::array<int, 2>, std::string>;
  for (const Twins& twin : {Twins(std::vector<int>{1, 2}), Twins(std::array<int, 2>{1, 2})}) {
    EXPECT_EQ(Again<Layout::kNamed>(twin)->index(), twin.index());
    EXPECT_EQ(Again<Layout::kPositional>(twin)->index(), twin.index());
  }
}

}  // namespace
}  // namespace millrace::wire
