// SPDX-License-Identifier: Apache-2.0
// Join tokens, key files and lists of keys, which people copy and edit: what is read is written so that it reads the
// same, and a list stays sound under whatever is done to it.
#include "millrace/keys/key_file.h"
#include "millrace/keys/key_list.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

template <class Parse, class Format>
void Read(std::string_view text, Parse parse, Format format) {
  const auto value = parse(text);
  if (!value.ok()) return fuzz::Require(!value.status().message().empty(), "refused without a reason");
  const auto again = parse(format(*value));
  fuzz::Require(again.status(), "what was read is written as something that is refused");
  fuzz::Require(*again == *value, "what was read is written as something else");
}

std::string KeyOf(fuzz::Choices& choices) {
  keys::RawKey raw{};
  for (std::uint8_t& byte : raw) byte = choices.Byte();
  return keys::EncodeKey(raw);
}

void Token(fuzz::Choices choices) {
  keys::TokenText token;
  token.broker = KeyOf(choices);
  token.secret = KeyOf(choices);
  token.url = choices.Rest();
  const std::string text = keys::FormatToken(token);
  const auto read = keys::ParseToken(text);
  fuzz::Require(read.status(), "a token is refused");
  fuzz::Require(*read == token, "a token reads as another one");
  fuzz::Require(!keys::ParseToken(text.substr(0, text.size() - 1)).ok(), "a part of a token is accepted");
}

void Use(keys::KeyList list, fuzz::Choices choices) {
  constexpr const char* kNames[] = {"a", "a.b", "b", "w1", "tokens"};
  for (int i = 0; i < 6; ++i) {
    const std::string name = kNames[choices.Below(std::size(kNames))];
    const keys::UnixSeconds now = std::int64_t{choices.Word()} << choices.Below(17);
    const std::string key = KeyOf(choices);
    switch (choices.Below(5)) {
      case 0: {
        keys::AdmittedKey added{.name = name, .public_key = key};
        static_cast<void>(keys::AddKey(list, added, now));
        break;
      }
      case 1: {
        keys::JoinToken added{.name = name, .public_key = key, .expires = now + choices.Byte()};
        static_cast<void>(keys::AddToken(list, added, now));
        break;
      }
      case 2: static_cast<void>(keys::Revoke(list, name, now)); break;
      case 3: static_cast<void>(keys::Replace(list, name, key, "")); break;
      default:
        if (!list.tokens.empty()) {
          static_cast<void>(keys::Join(list, std::string(list.tokens.front().public_key), key, name, now));
        }
    }
  }
  const auto again = keys::ParseKeyList(keys::FormatKeyList(list));
  fuzz::Require(again.status(), "a list that was changed is refused");
  fuzz::Require(*again == list, "a list that was changed reads as another one");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::TextOf(data, size));
  static_cast<void>(keys::DecodeKey(text));
  Read(text, keys::ParseToken, keys::FormatToken);
  Read(text, keys::ParseKeyFile, keys::FormatKeyFile);
  Read(text, keys::ParseKeyList, keys::FormatKeyList);
  Token(fuzz::Choices(data, size));
  auto list = keys::ParseKeyList(text);
  Use(list.ok() ? *std::move(list) : keys::KeyList{}, fuzz::Choices(data, size));
  return 0;
}
