// SPDX-License-Identifier: Apache-2.0
#include "millrace/keys/key_file.h"

#include "absl/strings/str_split.h"
#include "millrace/base/digest.h"
#include "millrace/base/status.h"

namespace millrace::keys {
namespace {

constexpr std::string_view kMark = "mrj1.";
constexpr std::size_t kHexOfKey = 2 * kKeyBytes;
constexpr std::size_t kChecksum = 8;  // hex digits: finds what was not copied whole, proves nothing

// 32 bytes are 32 bytes: Digest knows their hexadecimal form.
absl::StatusOr<std::string> HexOf(const std::string& z85) {
  MILLRACE_ASSIGN_OR_RETURN(const RawKey raw, DecodeKey(z85));
  return Digest{raw}.Hex();
}

absl::StatusOr<std::string> KeyOfHex(std::string_view hex) {
  MILLRACE_ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(hex));
  return EncodeKey(digest.value);
}

std::string Checksum(std::string_view keys, std::string_view url) {
  Hasher hasher;
  hasher.AddField(keys);
  hasher.AddField(url);
  return hasher.Finish().Hex().substr(0, kChecksum);
}

}  // namespace

absl::StatusOr<KeyFile> ParseKeyFile(std::string_view text) {
  KeyFile file;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(Av(text), '\n')) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::pair<absl::string_view, absl::string_view> word = absl::StrSplit(line, absl::MaxSplits('=', 1));
    const std::string value(word.second);
    if (word.first == "name") {
      file.name = value;
    } else if (word.first == "role") {
      file.role = value;
    } else if (word.first == "public") {
      file.pair.public_key = value;
    } else if (word.first == "secret") {
      file.pair.secret_key = value;
    } else if (word.first == "broker") {
      file.broker = value;
    } else {
      return InvalidArgument("line %d is not of a key file (`zmqctl keys add` makes them)", number);
    }
  }
  if (file.name.empty() || file.role.empty()) return InvalidArgument("this is no key file: name or role are missing");
  MILLRACE_RETURN_IF_ERROR(Annotate(DecodeKey(file.pair.public_key).status(), "public"));
  MILLRACE_RETURN_IF_ERROR(Annotate(DecodeKey(file.pair.secret_key).status(), "secret"));
  MILLRACE_RETURN_IF_ERROR(Annotate(DecodeKey(file.broker).status(), "broker"));
  return file;
}

std::string FormatKeyFile(const KeyFile& file) {
  return absl::StrFormat(
      "# A key of Millrace. Whoever can read this file can act as '%s': keep it to yourself.\n"
      "name=%s\nrole=%s\npublic=%s\nsecret=%s\nbroker=%s\n",
      file.name, file.name, file.role, file.pair.public_key, file.pair.secret_key, file.broker);
}

std::string FormatToken(const TokenText& token) {
  const std::string keys = HexOf(token.broker).value_or("") + HexOf(token.secret).value_or("");
  return std::string(kMark) + keys + Checksum(keys, token.url) + (token.url.empty() ? "" : "@" + token.url);
}

absl::StatusOr<TokenText> ParseToken(std::string_view text) {
  const std::size_t length = kMark.size() + 2 * kHexOfKey + kChecksum;
  if (!text.starts_with(kMark) || text.size() < length || (text.size() > length && text[length] != '@')) {
    return InvalidArgument("this is no join token: one begins with %s and has %d characters before its @ address",
                           kMark, length);
  }
  const std::string_view keys = text.substr(kMark.size(), 2 * kHexOfKey);
  TokenText token;
  if (text.size() > length) token.url = text.substr(length + 1);
  if (text.substr(kMark.size() + keys.size(), kChecksum) != Checksum(keys, token.url)) {
    return InvalidArgument("the join token was not copied whole: its checksum is wrong");
  }
  MILLRACE_ASSIGN_OR_RETURN(token.broker, KeyOfHex(keys.substr(0, kHexOfKey)));
  MILLRACE_ASSIGN_OR_RETURN(token.secret, KeyOfHex(keys.substr(kHexOfKey)));
  return token;
}

std::string BearerOf(const std::string& secret_key) {
  Hasher hasher;
  hasher.AddField("millrace http bearer");
  hasher.AddField(secret_key);
  return hasher.Finish().Hex();
}

std::string BearerDigest(std::string_view bearer) { return Sha256(bearer).Hex(); }

}  // namespace millrace::keys
