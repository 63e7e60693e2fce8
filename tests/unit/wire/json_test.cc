// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "millrace/base/status.h"
#include "millrace/wire/base64.h"
#include "millrace/wire/codec.h"
#include "tests/unit/wire/sample.h"

namespace millrace::wire {
namespace {

using ::testing::HasSubstr;

std::string Again(std::string_view json) {
  const auto msgpack = JsonToMsgpack(json);
  if (!msgpack.ok()) return TextOf(msgpack.status());
  const auto text = MsgpackToJson(*msgpack);
  return text.ok() ? *text : TextOf(text.status());
}

TEST(Json, ValuesComeBack) {
  for (const std::string_view json :
       {"null", "true", "0", "-1", "18446744073709551615", "-9223372036854775808", "0.1", "1e+300", R"("a\"b\\\n")",
        "[]", "{}", R"([1,[2,[3]],{"a":{"b":null}}])", R"({"a":1,"b":[true,false],"c":"é"})", "2.0"}) {
    EXPECT_EQ(Again(json), json);
  }
}

TEST(Json, ShowsWhatJsonHasNoWordFor) {
  EXPECT_EQ(*MsgpackToJson(Encode(Bytes::Copy("hello"))), R"("aGVsbG8=")");
  EXPECT_EQ(*MsgpackToJson(Encode(std::nan(""))), "null");
  EXPECT_EQ(*MsgpackToJson(Encode(std::map<int, int>{{-1, 2}, {300, 4}})), R"({"-1":2,"300":4})");
  EXPECT_EQ(*MsgpackToJson(Encode(std::string("a\xff"))), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(*MsgpackToJson(Encode(std::vector<Colour>{Colour::kDarkBlue})), R"(["dark_blue"])");
}

TEST(Json, IndentsForPeople) {
  EXPECT_EQ(*MsgpackToJson(Encode(Tree{"a", {{"b", {}}}}), JsonStyle::kIndented), R"({
  "name": "a",
  "children": [
    {
      "name": "b",
      "children": []
    }
  ]
})");
}

TEST(Json, A48_RefusesWhatIsNotOneValue) {
  for (const std::string_view json : {"", "{", "[1,]", "{\"a\":}", "1 2", "nan", "// x\n1", "\"\xff\"", "'a'"}) {
    EXPECT_THAT(TextOf(JsonToMsgpack(json).status()), HasSubstr("not valid JSON")) << json;
  }
  EXPECT_THAT(TextOf(JsonToMsgpack(R"({"a":{"k":1,"k":2}})").status()), HasSubstr("has the key 'k' twice"));
  EXPECT_TRUE(JsonToMsgpack(R"([{"k":{"k":1}},{"k":1}])").ok());
}

TEST(Json, A48_DepthIsLimitedBothWays) {
  const std::string at_limit = std::string(64, '[') + std::string(64, ']');
  EXPECT_EQ(Again(at_limit), at_limit);
  EXPECT_THAT(Again("[" + at_limit + "]"), HasSubstr("deeper than 64 levels"));
  EXPECT_THAT(Again(std::string(5'000'000, '[')), HasSubstr("deeper than 64 levels"));
  EXPECT_EQ(Again(R"("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[[[[")").front(), '"');
  EXPECT_THAT(TextOf(MsgpackToJson(std::string(100, '\x91') + '\x01').status()), HasSubstr("max_depth 64"));
}

TEST(Json, A48_RefusesBadMsgpack) {
  EXPECT_THAT(TextOf(MsgpackToJson("").status()), HasSubstr("found the end"));
  EXPECT_THAT(TextOf(MsgpackToJson("\x01\x01").status()), HasSubstr("follow the value"));
  EXPECT_THAT(TextOf(MsgpackToJson("\xd4\x01\x01").status()), HasSubstr("found an extension"));
  EXPECT_THAT(TextOf(MsgpackToJson("\x81\xc3\x01").status()), HasSubstr("expected a string, found a boolean"));
  EXPECT_THAT(TextOf(MsgpackToJson("\x82\x01\x01\xa1\x31\x02").status()), HasSubstr("in the map already"));
  const std::string sample = Encode(FullSample());
  for (std::size_t size = 0; size < sample.size(); ++size) {
    ASSERT_FALSE(MsgpackToJson(std::string_view(sample).substr(0, size)).ok());
  }
}

TEST(Base64, FollowsTheTestVectorsOfRfc4648) {
  const std::map<std::string, std::string> vectors = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"},
                                                      {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    std::string decoded;
    EXPECT_TRUE(DecodeBase64(text, decoded));
    EXPECT_EQ(decoded, bytes);
  }
  std::string unused;
  for (const std::string_view bad :
       {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", "Zm-v"}) {
    EXPECT_FALSE(DecodeBase64(bad, unused)) << bad;
  }
}

}  // namespace
}  // namespace millrace::wire
