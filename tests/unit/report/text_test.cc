// SPDX-License-Identifier: Apache-2.0
// Texts of others cannot break out of where they are put.
#include "millrace/report/text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::report {
namespace {

TEST(TextTest, WhatIsNotUtf8IsReplacedAndTheRestStays) {
  EXPECT_EQ(CleanUtf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  for (const char* bad : {"\xff", "\x80", "\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                          "\xef\xbf\xbf", "\xe0\x80\xaf"}) {
    const std::string clean = CleanUtf8(bad);
    EXPECT_EQ(clean.substr(0, 3), "\xef\xbf\xbd") << bad;
    EXPECT_EQ(CleanUtf8(clean), clean);
  }
}

TEST(TextTest, XmlKeepsNothingThatIsMarkupOrThatItDoesNotKnow) {
  EXPECT_EQ(EscapeXml("<a href=\"x\" b='y'>&</a>]]>"),
            "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;&lt;/a&gt;]]&gt;");
  EXPECT_EQ(EscapeXml(std::string_view("\0\x1b\x7f\r", 4)), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(EscapeXml("a\n\tb"), "a&#10;&#9;b");
  EXPECT_EQ(EscapeXmlText("a\n\tb<"), "a\n\tb&lt;");
}

TEST(TextTest, MermaidAndDotGetOneLineThatEndsNoString) {
  EXPECT_EQ(EscapeMermaid("a\"b`c\n#d;<e>[f]"), "a#34;b#96;c #35;d#59;#60;e#62;#91;f#93;");
  EXPECT_EQ(EscapeDot("a\"b\\N\n&lt;"), "a\\\"b\\\\N &amp;lt;");
  EXPECT_LE(OneLine(std::string(5000, 'x')).size(), 200u);
}

}  // namespace
}  // namespace millrace::report
