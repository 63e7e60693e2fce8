// SPDX-License-Identifier: Apache-2.0
#include "millrace/keys/key_list.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/base/time.h"
#include "millrace/keys/z85.h"

namespace millrace::keys {
namespace {

constexpr std::string_view kHead = "millrace-keys 1";
constexpr UnixSeconds kLatest = 253'402'300'799;  // the last second of the year 9999
constexpr std::string_view kNameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

// One `word=value` of a line, put where it belongs. False: there is no such word, or its value is none.
template <class Number>
bool Take(absl::string_view value, Number& target) {
  return absl::SimpleAtoi(value, &target);
}
// What is added to it, a week, does not overflow.
bool Take(absl::string_view value, UnixSeconds& target) {
  return absl::SimpleAtoi(value, &target) && target >= 0 && target <= kLatest;
}
bool Take(absl::string_view value, std::string& target) {
  target = std::string(value);
  return !target.empty();
}
bool Take(absl::string_view value, std::vector<std::string>& target) {
  target = absl::StrSplit(value, ',', absl::SkipEmpty());
  return true;
}
bool Take(absl::string_view value, Standing& target) {
  const auto role = ParseRole({value.data(), value.size()});
  if (role.ok()) target = *role;
  return role.ok();
}

template <class Entry>
bool TakeCommon(absl::string_view word, absl::string_view value, Entry& entry) {
  if (word == "role") return Take(value, entry.role);
  if (word == "public") return Take(value, entry.public_key);
  if (word == "added") return Take(value, entry.added);
  if (word == "revoked") return Take(value, entry.revoked);
  if (word == "tags") return Take(value, entry.tags);
  return false;
}

bool TakeWord(absl::string_view word, absl::string_view value, AdmittedKey& key) {
  if (word == "bearer") return Take(value, key.bearer);
  if (word == "joined") return Take(value, key.joined);
  return TakeCommon(word, value, key);
}

bool TakeWord(absl::string_view word, absl::string_view value, JoinToken& token) {
  if (word == "expires") return Take(value, token.expires);
  if (word == "uses") return Take(value, token.uses);
  if (word == "used") return Take(value, token.used);
  return TakeCommon(word, value, token);
}

template <class Entry>
absl::Status ParseEntry(const std::vector<std::string>& words, std::vector<Entry>& entries) {
  if (words.size() < 2) return InvalidArgument("the name is missing");
  Entry entry;
  entry.name = words[1];
  MILLRACE_RETURN_IF_ERROR(CheckKeyName(entry.name));
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> word = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    if (!TakeWord(word.first, word.second, entry)) return InvalidArgument("'%s' is not understood", words[i]);
  }
  MILLRACE_RETURN_IF_ERROR(DecodeKey(entry.public_key).status());
  entries.push_back(std::move(entry));
  return absl::OkStatus();
}

template <class Entry>
std::string Common(std::string_view kind, const Entry& entry) {
  std::string line = absl::StrFormat("%s %s role=%s public=%s added=%d", kind, entry.name, StandingName(entry.role),
                                     entry.public_key, entry.added);
  if (entry.revoked != 0) line += absl::StrFormat(" revoked=%d", entry.revoked);
  if (!entry.tags.empty()) line += " tags=" + absl::StrJoin(entry.tags, ",");
  return line;
}

bool IsOver(const JoinToken& token, UnixSeconds now) { return token.revoked != 0 || token.expires <= now; }

void DropOld(KeyList& list, UnixSeconds now) {
  std::erase_if(list.keys,
                [now](const AdmittedKey& key) { return key.revoked != 0 && key.revoked + kKeptAfterEnd < now; });
  std::erase_if(list.tokens, [now](const JoinToken& token) {
    const UnixSeconds end = token.revoked != 0 ? token.revoked : token.expires;
    return end + kKeptAfterEnd < now;
  });
}

std::vector<std::string> Names(const KeyList& list) {
  std::vector<std::string> names;
  for (const AdmittedKey& key : list.keys) names.push_back(key.name);
  for (const JoinToken& token : list.tokens) names.push_back(token.name);
  return names;
}

absl::Status CheckFree(const KeyList& list, const std::string& name) {
  MILLRACE_RETURN_IF_ERROR(CheckKeyName(name));
  if (list.keys.size() + list.tokens.size() >= kMostEntries) {
    return ResourceExhausted("there are %d keys and tokens already, the limit", kMostEntries);
  }
  for (const std::string& other : Names(list)) {
    if (!OwnsWorkerId(other, name) && !OwnsWorkerId(name, other)) continue;
    return Error(absl::StatusCode::kAlreadyExists,
                 "the name '%s' is taken by '%s' (revoked and expired ones keep theirs for a week); choose another",
                 name, other);
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const std::string& public_key, const std::vector<std::string>& tags) {
  MILLRACE_RETURN_IF_ERROR(DecodeKey(public_key).status());
  for (const std::string& tag : tags) {
    if (tag.empty() || tag.find_first_of(" ,\t\n\r") != std::string::npos) {
      return InvalidArgument("'%s' cannot be a tag: no blanks and commas", tag);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Standing> ParseRole(std::string_view text) {
  for (const Standing role : {Standing::kWorker, Standing::kClient, Standing::kAdmin}) {
    if (text == StandingName(role)) return role;
  }
  return InvalidArgument("'%s' is no role; allowed are worker, client, admin", text);
}

absl::Status CheckKeyName(std::string_view name) {
  if (!name.empty() && name.size() <= kLongestName && name.front() != '.' &&
      name.find_first_not_of(kNameBytes) == std::string_view::npos) {
    return absl::OkStatus();
  }
  return InvalidArgument("'%s' of %d bytes cannot be the name of a key: 1 to %d letters, digits, '_', '-' and '.'",
                         name.substr(0, kLongestName), name.size(), kLongestName);
}

absl::StatusOr<KeyList> ParseKeyList(std::string_view text) {
  KeyList list;
  int number = 0;
  bool headed = false;
  for (const absl::string_view line : absl::StrSplit(Av(text), '\n')) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    if (!headed) {
      if (line != Av(kHead)) return InvalidArgument("line %d: the list begins with '%s'", number, kHead);
      headed = true;
      continue;
    }
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    absl::Status status;
    if (words.empty()) continue;
    if (words.front() == "key") {
      status = ParseEntry(words, list.keys);
    } else if (words.front() == "token") {
      status = ParseEntry(words, list.tokens);
    } else {
      status = InvalidArgument("'%s' is neither key nor token", words.front());
    }
    if (!status.ok()) return Annotate(status, absl::StrFormat("line %d", number));
    if (list.keys.size() + list.tokens.size() > kMostEntries) {
      return ResourceExhausted("line %d: over %d keys and tokens", number, kMostEntries);
    }
  }
  if (!headed) return InvalidArgument("the list is empty: it begins with '%s'", kHead);
  return list;
}

std::string FormatKeyList(const KeyList& list) {
  std::string text = std::string(kHead) + "\n";
  for (const AdmittedKey& key : list.keys) {
    text += Common("key", key);
    if (!key.bearer.empty()) text += " bearer=" + key.bearer;
    if (!key.joined.empty()) text += " joined=" + key.joined;
    text += "\n";
  }
  for (const JoinToken& token : list.tokens) {
    text += Common("token", token);
    text += absl::StrFormat(" expires=%d uses=%d used=%d\n", token.expires, token.uses, token.used);
  }
  return text;
}

absl::Status AddKey(KeyList& list, AdmittedKey key, UnixSeconds now) {
  DropOld(list, now);
  MILLRACE_RETURN_IF_ERROR(CheckFree(list, key.name));
  MILLRACE_RETURN_IF_ERROR(CheckEntry(key.public_key, key.tags));
  key.added = now;
  list.keys.push_back(std::move(key));
  return absl::OkStatus();
}

absl::Status AddToken(KeyList& list, JoinToken token, UnixSeconds now) {
  DropOld(list, now);
  MILLRACE_RETURN_IF_ERROR(CheckFree(list, token.name));
  MILLRACE_RETURN_IF_ERROR(CheckEntry(token.public_key, token.tags));
  token.added = now;
  list.tokens.push_back(std::move(token));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Revoke(KeyList& list, std::string_view name, UnixSeconds now) {
  DropOld(list, now);
  const auto revoke = [now](auto& entry) -> absl::StatusOr<std::string> {
    if (entry.revoked != 0) return FailedPrecondition("'%s' is revoked already", entry.name);
    entry.revoked = now;
    return entry.public_key;
  };
  for (AdmittedKey& key : list.keys) {
    if (key.name == name) return revoke(key);
  }
  for (JoinToken& token : list.tokens) {
    if (token.name == name) return revoke(token);
  }
  return NotFound("there is no key or token '%s'%s", name, DidYouMean(name, Names(list)));
}

absl::StatusOr<std::string> Replace(KeyList& list, std::string_view name, const std::string& public_key,
                                    const std::string& bearer) {
  MILLRACE_RETURN_IF_ERROR(DecodeKey(public_key).status());
  for (AdmittedKey& key : list.keys) {
    if (key.name != name) continue;
    if (key.revoked != 0) return FailedPrecondition("'%s' is revoked; add a key with another name", name);
    key.bearer = bearer;
    return std::exchange(key.public_key, public_key);
  }
  return NotFound("there is no key '%s'%s", name, DidYouMean(name, Names(list)));
}

absl::StatusOr<AdmittedKey> Join(KeyList& list, std::string_view token_key, const std::string& own_key,
                                 const std::string& name, UnixSeconds now) {
  const auto token = std::find_if(list.tokens.begin(), list.tokens.end(),
                                  [&](const JoinToken& one) { return one.public_key == token_key; });
  if (token == list.tokens.end()) return Error(absl::StatusCode::kPermissionDenied, "this join token is not known");
  constexpr std::string_view kFix = "make another with: zmqctl keys token";
  if (token->revoked != 0) {
    return Error(absl::StatusCode::kPermissionDenied, "the join token '%s' is revoked; %s", token->name, kFix);
  }
  if (IsOver(*token, now)) {
    return Error(absl::StatusCode::kPermissionDenied, "the join token '%s' expired %s ago; %s", token->name,
                 FormatDuration(std::chrono::seconds(now - token->expires)), kFix);
  }
  // The same key again is the same joining: its answer was lost.
  for (const AdmittedKey& key : list.keys) {
    if (key.public_key == own_key && key.joined == token->name && key.revoked == 0) return key;
  }
  if (token->uses != 0 && token->used >= token->uses) {
    return Error(absl::StatusCode::kPermissionDenied, "the join token '%s' is used up: %d of %d have joined; %s",
                 token->name, token->used, token->uses, kFix);
  }
  AdmittedKey key;
  key.name = name;
  key.role = token->role;
  key.public_key = own_key;
  key.tags = token->tags;
  key.joined = token->name;
  const std::string token_name = token->name;
  MILLRACE_RETURN_IF_ERROR(AddKey(list, key, now));
  for (JoinToken& one : list.tokens) {
    if (one.name == token_name) ++one.used;
  }
  return list.keys.back();
}

}  // namespace millrace::keys
