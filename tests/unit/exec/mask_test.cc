// SPDX-License-Identifier: Apache-2.0
// Secrets in every form, whole and in chunks cut anywhere.
#include "millrace/exec/mask.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/exec/secret_forms.h"

namespace millrace::exec {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string Base64(std::string_view text) { return absl::Base64Escape(absl::string_view(text.data(), text.size())); }

// In chunks of at most `most` bytes, as `random` cuts them.
std::string InChunks(const Masks& masks, std::string_view text, std::size_t most, std::mt19937& random) {
  MaskStream stream(masks);
  std::string out;
  while (!text.empty()) {
    const std::size_t size = std::min<std::size_t>(1 + random() % most, text.size());
    out += stream.Feed(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out + stream.End();
}

// By looking for each form at each place.
std::string Naively(const std::vector<std::string>& secrets, const std::string& text) {
  std::vector<FoundRange> ranges;
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 1)) {
      ranges.push_back({at, at + secret.size()});
    }
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::string out;
  std::uint64_t shown = 0;
  for (const FoundRange& range : ranges) {
    if (range.begin >= shown) out += text.substr(shown, range.begin - shown) + std::string(kMasked);
    shown = std::max(shown, range.end);
  }
  return out + text.substr(shown);
}

TEST(Mask, A41_PlainAndAsOthersWriteIt) {
  const std::string secret = "p@ss w/\"o'r\\d\n$<\xc3\xa9>";
  const Masks masks({secret});
  for (const std::string& form : {
           secret,
           std::string("p%40ss%20w%2F%22o%27r%5Cd%0A%24%3C%C3%A9%3E"),    // RFC 3986
           std::string("p%40ss+w%2f%22o%27r%5cd%0a%24%3c%c3%a9%3e"),      // a form
           std::string("p%40ss%20w%2F%22o'r%5Cd%0A%24%3C%C3%A9%3E"),      // encodeURIComponent
           std::string("p@ss w/\\\"o'r\\\\d\\n$<\xc3\xa9>"),              // JSON
           std::string("p@ss w/\\\"o'r\\\\d\\n$<\\u00e9>"),               // JSON in ASCII
           std::string("p@ss w\\/\\\"o'r\\\\d\\n$<\\u00e9>"),             // as PHP writes it
           std::string("p@ss w/\\\"o'r\\\\d\\n$\\u003c\xc3\xa9\\u003e"),  // as Go writes it
           std::string("p@ss w/\"o'\\''r\\d\n$<\xc3\xa9>"),               // sh -x
           std::string("p@ss w/\"o'\"'\"'r\\d\n$<\xc3\xa9>"),             // shlex.quote
           std::string("p@ss w/\\\"o'r\\\\d\n\\$<\xc3\xa9>"),             // between double quotes
           std::string("p@ss w/\"o\\'r\\\\d\\n$<\xc3\xa9>"),              // $'...'
           Base64(secret),
           Base64(secret + "\n"),
       }) {
    EXPECT_EQ(masks.Mask("<" + form + ">"), "<***>") << form;
  }
  EXPECT_EQ(masks.Mask("nothing to see"), "nothing to see");
  EXPECT_EQ(masks.Mask(secret.substr(1)), secret.substr(1));
}

TEST(Mask, A41_AsAPartOfSomethingInBase64) {
  const std::string secret = "correct-horse_battery?staple>";
  const Masks masks({secret});
  for (const std::string before : {"", "u", "us", "user:", "x", "xyzuv:"}) {
    for (const std::string after : {"", "\n", "@host", "!!"}) {
      for (std::string encoded : {Base64(before + secret + after)}) {
        for (const bool web : {false, true}) {
          if (web) {
            std::replace(encoded.begin(), encoded.end(), '+', '-');
            std::replace(encoded.begin(), encoded.end(), '/', '_');
          }
          const std::string masked = masks.Mask("Basic " + encoded + ".");
          EXPECT_THAT(masked, HasSubstr("***")) << encoded;
          // At most a character at each end is left, of which some bits are the secret's.
          EXPECT_LE(masked.size(), std::string("Basic ***.").size() + (before.size() + after.size() + 2) * 4 / 3 + 4)
              << masked;
        }
      }
    }
  }
}

TEST(Mask, A41_InBase64ThatIsBrokenIntoLines) {
  std::string secret;
  for (int i = 0; i < 40; ++i) secret += "key" + std::to_string(i * 7919) + ";";
  const Masks masks({secret});
  const std::string encoded = Base64(secret);
  for (const std::string line_break : {"\n", "\r\n"}) {
    for (std::size_t column = 1; column <= 76; ++column) {  // where the first break is
      std::string text = encoded;
      for (std::size_t at = column; at < text.size(); at += 76 + line_break.size()) text.insert(at, line_break);
      const std::string masked = masks.Mask("[" + text + "]");
      EXPECT_LE(masked.size(), 2 + 3 + line_break.size() + 3) << masked;
    }
  }
}

TEST(Mask, A41_EachLineOfAKey) {
  const std::string key = "-----BEGIN KEY-----\r\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASC\nxx==\n-----END KEY-----";
  const Masks masks({key});
  EXPECT_EQ(masks.Mask("a\n" + key + "\nb"), "a\n***\nb");
  EXPECT_EQ(masks.Mask("line 3: kiG9w0BAQEFAASC."), "line 3: ***.");
  EXPECT_EQ(masks.Mask("{\"line\": \"MIIEvQIBADANBgkqh\"}"), "{\"line\": \"***\"}");
}

TEST(Mask, OverlappingOnesAreOne) {
  const Masks masks({"abcdef", "defghi", "efgh"});
  EXPECT_EQ(masks.Mask("abcdefghi"), "***");
  EXPECT_EQ(masks.Mask("abcdefabcdef"), "******");
  EXPECT_EQ(masks.Mask("abcdeabcdef"), "abcde***");
}

TEST(Mask, A41_WhereChunksAreCutMakesNoDifference) {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> secrets(1 + random() % 3);
    for (std::string& secret : secrets) {
      secret.resize(4 + random() % 5);
      for (char& c : secret) c = "ab"[random() % 2];
    }
    std::string text(random() % 60, ' ');
    for (char& c : text) c = "ab.ab"[random() % 5];
    const Masks masks(secrets);
    const std::string wanted = Naively(secrets, text);
    ASSERT_EQ(masks.Mask(text), wanted) << text << " without " << secrets.front();
    ASSERT_EQ(InChunks(masks, text, 1 + random() % 9, random), wanted) << text << " without " << secrets.front();
  }
}

TEST(Mask, A41_FormsAreFoundWhereverTheyAreCut) {
  std::mt19937 random(11);
  const std::string secret = "s3cr3t/with \"quotes\" & more+than=one&line\nof-it";
  const Masks masks({secret});
  const SecretForms forms = FormsOf(secret);
  std::vector<std::string> all = forms.exact;
  all.insert(all.end(), forms.base64.begin(), forms.base64.end());
  ASSERT_GT(all.size(), 40u);
  for (const std::string& form : all) {
    for (int round = 0; round < 5; ++round) {
      ASSERT_EQ(InChunks(masks, "(" + form + ")(" + form + ")", 1 + random() % 20, random), "(***)(***)") << form;
    }
  }
}

TEST(Mask, WhatCannotBeTheBeginningOfASecretIsShownAtOnce) {
  const Masks masks({"hunter2222"});
  MaskStream stream(masks);
  EXPECT_EQ(stream.Feed("working...\n"), "working...\n");
  EXPECT_EQ(stream.Feed("the hunt"), "the ");
  EXPECT_EQ(stream.Feed("ing season\n"), "hunting season\n");
  EXPECT_EQ(stream.Feed("a hunter2222"), "a ***");
  EXPECT_EQ(stream.Feed("hunter"), "");
  EXPECT_EQ(stream.End(), "hunter");
}

// A secret that goes on with itself could be held back for ever.
TEST(Mask, AnEndlessRepetitionTakesNoMemory) {
  const Masks masks({"aaaa"});
  MaskStream stream(masks);
  std::string out;
  for (int i = 0; i < 100'000; ++i) {
    out += stream.Feed("aaaaaaaaaa");
    ASSERT_LE(out.size(), 3u);
  }
  out += stream.Feed("b");
  EXPECT_EQ(out + stream.End(), "***b");
}

TEST(Mask, TheLargestSecretIsNoTrouble) {
  std::mt19937 random(3);
  std::string secret(16 << 10, ' ');
  for (char& c : secret) c = static_cast<char>(' ' + random() % 95);
  const Masks masks({secret});
  EXPECT_THAT(masks.Mask("x" + secret + "y"), testing::AllOf(testing::StartsWith("x***"), Not(HasSubstr(secret))));
  EXPECT_EQ(masks.Mask("x" + Base64(secret) + "!"), "x***!");
}

}  // namespace
}  // namespace millrace::exec
