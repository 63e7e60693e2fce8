// SPDX-License-Identifier: Apache-2.0
// A head is understood in one way or refused, at the edge of each limit too.
#include "millrace/serve/http_parse.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::serve {
namespace {

using testing::HasSubstr;

std::string Head(const std::string& fields) { return absl::StrCat("GET / HTTP/1.1\r\nHost: a\r\n", fields, "\r\n"); }
int RefusedWith(const std::string& fields) { return ParseHttp(Head(fields)).refused; }

TEST(HttpParseTest, SaysWhatWasAsked) {
  const std::string head =
      "HEAD /api/runs?since=1&x HTTP/1.1\r\nhOsT:  example:80 \r\nAuthorization:\tBearer abc\r\nX: \xc3\xa4\r\n\r\n";
  const HttpParsed parsed = ParseHttp(head + "GET /next");
  EXPECT_EQ(parsed.refused, 0) << parsed.why;
  EXPECT_EQ(parsed.size, head.size());
  EXPECT_EQ(parsed.request.method, "HEAD");
  EXPECT_EQ(parsed.request.path, "/api/runs");
  EXPECT_EQ(parsed.request.host, "example:80");
  EXPECT_EQ(parsed.request.authorization, "Bearer abc");
  EXPECT_TRUE(parsed.request.keep_alive);
}

TEST(HttpParseTest, MoreMustComeUntilTheHeadIsWhole) {
  const std::string head = Head("A: b\r\n");
  for (std::size_t size = 0; size < head.size(); ++size) {
    const HttpParsed parsed = ParseHttp(head.substr(0, size));
    EXPECT_EQ(parsed.size, 0u) << size;
    EXPECT_EQ(parsed.refused, 0) << size;
  }
  EXPECT_EQ(ParseHttp(head).size, head.size());
}

TEST(HttpParseTest, StaysOpenAsTheVersionAndTheClientSay) {
  const auto kept = [](std::string_view head) { return ParseHttp(head).request.keep_alive; };
  EXPECT_FALSE(kept("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_TRUE(kept(Head("")));
  EXPECT_FALSE(kept(Head("Connection: x, Close\r\n")));
}

TEST(HttpParseTest, LinesAndHeadsHaveALimit) {
  const auto line = [](std::size_t bytes) {
    return ParseHttp(absl::StrCat("GET /", std::string(bytes - 14, 'a'), " HTTP/1.1\r\nHost: a\r\n\r\n"));
  };
  EXPECT_EQ(line(kMaxHttpLine).refused, 0);
  EXPECT_EQ(line(kMaxHttpLine + 1).refused, 414);
  EXPECT_THAT(line(kMaxHttpLine + 1).why, HasSubstr("2048 bytes"));
  EXPECT_EQ(ParseHttp(std::string(kMaxHttpLine + 1, 'a')).refused, 0);  // "\r\n" may come yet
  EXPECT_EQ(ParseHttp(std::string(kMaxHttpLine + 2, 'a')).refused, 414);
  const std::size_t rest = Head("A: \r\n").size();
  EXPECT_EQ(ParseHttp(Head(absl::StrCat("A: ", std::string(kMaxHttpHead - rest, 'a'), "\r\n"))).size, kMaxHttpHead);
  EXPECT_EQ(RefusedWith(absl::StrCat("A: ", std::string(kMaxHttpHead - rest + 1, 'a'), "\r\n")), 431);
  std::string fields;
  for (std::size_t i = 1; i < kMaxHttpFields; ++i) fields += "A: b\r\n";
  EXPECT_EQ(RefusedWith(fields), 0);
  EXPECT_EQ(RefusedWith(fields + "A: b\r\n"), 431);
}

TEST(HttpParseTest, WhatIsAmbiguousIsRefused) {
  for (const char* line :
       {"GET  / HTTP/1.1", "GET /", "GET / HTTP/1.1 ", "GET x HTTP/1.1", "G(T / HTTP/1.1", " / HTTP/1.1",
        "GET http://a/ HTTP/1.1", "GET * HTTP/1.1", "GET /\x01 HTTP/1.1", "GET / FTP/1.1", ""}) {
    EXPECT_EQ(ParseHttp(absl::StrCat(line, "\r\nHost: a\r\n\r\n")).refused, 400) << line;
  }
  EXPECT_EQ(ParseHttp("GET / HTTP/2.0\r\nHost: a\r\n\r\n").refused, 505);
  EXPECT_EQ(ParseHttp("GET / HTTP/1.1\r\n\r\n").refused, 400) << "a Host is owed";
  EXPECT_EQ(ParseHttp("GET / HTTP/1.0\r\n\r\n").refused, 0);
  for (const char* field :
       {"Host: b", "no colon", ": nothing", "A : b", " folded", "A: \x01", "A: b\nC: d", "A\r: b", "Content-Length: -1",
        "Content-Length: 0x0", "Content-Length:", "Content-Length: 0, 0", "Authorization: a\r\nAuthorization: b",
        "Content-Length: 0\r\nContent-Length: 0", "Content-Length: 0\r\nTransfer-Encoding: chunked"}) {
    EXPECT_EQ(RefusedWith(absl::StrCat(field, "\r\n")), 400) << field;
  }
  EXPECT_EQ(RefusedWith("Content-Length: 000\r\n"), 0);
}

TEST(HttpParseTest, BodiesAreNotTaken) {
  EXPECT_EQ(RefusedWith("Content-Length: 1\r\n"), 413);
  EXPECT_EQ(RefusedWith("content-length: 99999999999999999999999999\r\n"), 413);
  EXPECT_EQ(RefusedWith("Transfer-Encoding: chunked\r\n"), 411);
}

}  // namespace
}  // namespace millrace::serve
