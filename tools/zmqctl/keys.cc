// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/keys.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "millrace/base/status.h"
#include "millrace/host/console.h"
#include "millrace/host/credentials.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/summary.h"
#include "millrace/keys/keyring.h"
#include "millrace/net/endpoint.h"
#include "millrace/net/zap.h"
#include "millrace/wire/json.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;
using keys::AdmittedKey;
using keys::JoinToken;
using keys::KeyFile;
using keys::KeyList;
using keys::Keyring;

void Print(const std::string& text) { std::printf("%s\n", text.c_str()); }

std::int64_t Now() { return static_cast<std::int64_t>(std::time(nullptr)); }

Keyring RingOf(const Options& options) {
  return Keyring(options.keys_dir.empty() ? fs::path(options.state_dir) / "keys" : fs::path(options.keys_dir));
}

std::vector<std::string> TagsOf(const KeysArguments& arguments) {
  std::vector<std::string> tags;
  for (const std::string& text : arguments.tags) {
    for (const absl::string_view tag : absl::StrSplit(text, ',', absl::SkipEmpty())) tags.emplace_back(tag);
  }
  return tags;
}

// A fresh pair for `name`, on the list and in a file of its own.
absl::StatusOr<fs::path> AddTo(const Keyring& ring, const std::string& name, Standing role,
                               std::vector<std::string> tags) {
  MILLRACE_ASSIGN_OR_RETURN(const KeyFile broker, ring.Broker());
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair pair, net::MakeKeyPair());
  if (name == "broker") return InvalidArgument("'broker' is the broker's own; choose another name");
  AdmittedKey key;
  key.name = name;
  key.role = role;
  key.public_key = pair.public_key;
  key.tags = std::move(tags);
  key.bearer = keys::BearerDigest(keys::BearerOf(pair.secret_key));
  MILLRACE_RETURN_IF_ERROR(ring.Update([&](KeyList& list) { return keys::AddKey(list, key, Now()); }));
  const KeyFile file{name, std::string(StandingName(role)), pair, broker.pair.public_key};
  MILLRACE_RETURN_IF_ERROR(keys::WriteSecret(ring.FileOf(name), keys::FormatKeyFile(file)));
  return ring.FileOf(name);
}

absl::StatusOr<int> Init(const KeysArguments&, const Options& options) {
  const Keyring ring = RingOf(options);
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair pair, net::MakeKeyPair());
  MILLRACE_RETURN_IF_ERROR(ring.Init(pair));
  MILLRACE_ASSIGN_OR_RETURN(const fs::path admin, AddTo(ring, "admin", Standing::kAdmin, {}));
  const std::string folder = ring.folder().string();
  Print("made the broker's key and an admin's in " + folder);
  Print("  millrace-broker --keys " + folder + "                # the broker");
  Print("  export MILLRACE_KEY_FILE=" + admin.string() + "    # you, with zmqctl");
  Print("  millrace-worker --join $(zmqctl keys token --keys " + folder + " --orchestrator tcp://HOST:PORT)");
  return host::kSucceeded;
}

absl::StatusOr<int> Add(const KeysArguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const Standing role, keys::ParseRole(arguments.role));
  MILLRACE_ASSIGN_OR_RETURN(const fs::path file, AddTo(RingOf(options), arguments.name, role, TagsOf(arguments)));
  Print(file.string());
  return host::kSucceeded;
}

std::string When(std::int64_t unix_seconds) {
  if (unix_seconds == 0) return "-";
  const std::time_t seconds = unix_seconds;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
  return text;
}

std::string StateOf(const AdmittedKey& key) { return key.revoked != 0 ? "revoked" : "admitted"; }
std::string StateOf(const JoinToken& token) {
  if (token.revoked != 0) return "revoked";
  if (token.expires <= Now()) return "expired";
  return token.uses != 0 && token.used >= token.uses ? "used up" : "open";
}

std::string JsonOf(const KeyList& list) {
  std::vector<std::string> rows;
  for (const AdmittedKey& key : list.keys) {
    rows.push_back(absl::StrFormat(
        "{\"name\":%s,\"kind\":\"key\",\"role\":\"%s\",\"state\":\"%s\",\"public\":%s,\"added\":%d,\"tags\":%s}",
        wire::JsonQuote(key.name), StandingName(key.role), StateOf(key), wire::JsonQuote(key.public_key), key.added,
        wire::JsonQuote(absl::StrJoin(key.tags, ","))));
  }
  for (const JoinToken& token : list.tokens) {
    rows.push_back(
        absl::StrFormat("{\"name\":%s,\"kind\":\"token\",\"role\":\"%s\",\"state\":\"%s\",\"added\":%d,\"expires\":%d,"
                        "\"uses\":%d,\"used\":%d,\"tags\":%s}",
                        wire::JsonQuote(token.name), StandingName(token.role), StateOf(token), token.added,
                        token.expires, token.uses, token.used, wire::JsonQuote(absl::StrJoin(token.tags, ","))));
  }
  return "[" + absl::StrJoin(rows, ",") + "]";
}

absl::StatusOr<int> List(const KeysArguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const KeyList list, RingOf(options).Load());
  if (arguments.json) {
    Print(JsonOf(list));
    return host::kSucceeded;
  }
  std::vector<std::vector<std::string>> rows = {{"name", "role", "state", "added", "key", "remarks"}};
  for (const AdmittedKey& key : list.keys) {
    std::string remarks = key.tags.empty() ? "" : "tags " + absl::StrJoin(key.tags, ",");
    if (!key.joined.empty()) remarks += (remarks.empty() ? "" : ", ") + ("joined by " + key.joined);
    rows.push_back({key.name, std::string(StandingName(key.role)), StateOf(key), When(key.added),
                    key.public_key.substr(0, 8), remarks});
  }
  for (const JoinToken& token : list.tokens) {
    const std::string uses = token.uses == 0 ? "any number" : std::to_string(token.uses);
    rows.push_back({token.name, "token for " + std::string(StandingName(token.role)), StateOf(token), When(token.added),
                    token.public_key.substr(0, 8),
                    absl::StrFormat("%d of %s joined, expires %s%s", token.used, uses, When(token.expires),
                                    token.tags.empty() ? "" : ", tags " + absl::StrJoin(token.tags, ","))});
  }
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : absl::StrFormat("%-*s  ", static_cast<int>(widths[i]), row[i]);
    }
    Print(line);
  }
  return host::kSucceeded;
}

absl::StatusOr<int> RevokeKey(const KeysArguments& arguments, const Options& options) {
  const Keyring ring = RingOf(options);
  MILLRACE_RETURN_IF_ERROR(
      ring.Update([&](KeyList& list) { return keys::Revoke(list, arguments.name, Now()).status(); }));
  std::error_code ignored;
  if (keys::CheckKeyName(arguments.name).ok()) fs::remove(ring.FileOf(arguments.name), ignored);
  Print("revoked '" + arguments.name + "'; a broker that runs has dropped it");
  return host::kSucceeded;
}

// The broker's own key: whoever was to know it has to be told.
absl::StatusOr<int> RotateBroker(const Keyring& ring) {
  MILLRACE_RETURN_IF_ERROR(ring.Broker().status());
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair pair, net::MakeKeyPair());
  MILLRACE_ASSIGN_OR_RETURN(const KeyList list, ring.Load());
  MILLRACE_RETURN_IF_ERROR(
      keys::WriteSecret(ring.broker_file(), keys::FormatKeyFile({"broker", "broker", pair, pair.public_key})));
  for (const AdmittedKey& key : list.keys) {
    if (key.revoked != 0 || !fs::exists(ring.FileOf(key.name))) continue;
    MILLRACE_ASSIGN_OR_RETURN(KeyFile file, keys::ReadKeyFile(ring.FileOf(key.name)));
    file.broker = pair.public_key;
    MILLRACE_RETURN_IF_ERROR(keys::WriteSecret(ring.FileOf(key.name), keys::FormatKeyFile(file)));
  }
  Print("the broker has a new key from its next start on. Restart it, copy the key files in " + ring.folder().string() +
        " to where they are used, and make new join tokens: the former ones are void");
  return host::kSucceeded;
}

absl::StatusOr<int> Rotate(const KeysArguments& arguments, const Options& options) {
  const Keyring ring = RingOf(options);
  if (arguments.name.empty()) return RotateBroker(ring);
  MILLRACE_ASSIGN_OR_RETURN(const KeyFile broker, ring.Broker());
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair pair, net::MakeKeyPair());
  Standing role = Standing::kClient;
  MILLRACE_RETURN_IF_ERROR(ring.Update([&](KeyList& list) {
    for (const AdmittedKey& key : list.keys) {
      if (key.name == arguments.name) role = key.role;
    }
    const std::string bearer = keys::BearerDigest(keys::BearerOf(pair.secret_key));
    return keys::Replace(list, arguments.name, pair.public_key, bearer).status();
  }));
  const KeyFile file{arguments.name, std::string(StandingName(role)), pair, broker.pair.public_key};
  MILLRACE_RETURN_IF_ERROR(keys::WriteSecret(ring.FileOf(arguments.name), keys::FormatKeyFile(file)));
  Print(ring.FileOf(arguments.name).string());
  return host::kSucceeded;
}

absl::StatusOr<int> Show(const KeysArguments& arguments, const Options& options) {
  const Keyring ring = RingOf(options);
  fs::path path = options.key_file;
  if (!arguments.name.empty()) {
    MILLRACE_RETURN_IF_ERROR(keys::CheckKeyName(arguments.name));
    path = ring.FileOf(arguments.name);
  } else if (path.empty()) {
    path = ring.broker_file();
  }
  MILLRACE_ASSIGN_OR_RETURN(const KeyFile file, keys::ReadKeyFile(path));
  if (arguments.bearer) {
    Print(keys::BearerOf(file.pair.secret_key));
  } else if (arguments.json) {
    Print(absl::StrFormat("{\"name\":%s,\"role\":%s,\"public\":%s,\"broker\":%s,\"file\":%s}",
                          wire::JsonQuote(file.name), wire::JsonQuote(file.role), wire::JsonQuote(file.pair.public_key),
                          wire::JsonQuote(file.broker), wire::JsonQuote(path.string())));
  } else {
    Print(absl::StrFormat("name    %s\nrole    %s\npublic  %s\nbroker  %s\nfile    %s", file.name, file.role,
                          file.pair.public_key, file.broker, path.string()));
  }
  return host::kSucceeded;
}

absl::StatusOr<int> Token(const KeysArguments& arguments, const Options& options) {
  const Keyring ring = RingOf(options);
  MILLRACE_ASSIGN_OR_RETURN(const KeyFile broker, ring.Broker());
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair pair, net::MakeKeyPair());
  if (!options.orchestrator_url.empty()) {
    MILLRACE_RETURN_IF_ERROR(net::ParseOrchestratorUrl(options.orchestrator_url).status());
  }
  MILLRACE_ASSIGN_OR_RETURN(const Duration lives, ParseDuration(arguments.expires));
  constexpr std::int64_t kMostUses = 1'000'000;
  if (arguments.uses < 0 || arguments.uses > kMostUses) {
    return InvalidArgument("--uses %d; allowed are 0 (any number) to %d", arguments.uses, kMostUses);
  }
  JoinToken token;
  MILLRACE_ASSIGN_OR_RETURN(token.role, keys::ParseRole(arguments.token_role));
  token.name = arguments.name.empty() ? "token-" + keys::BearerDigest(pair.public_key).substr(0, 8) : arguments.name;
  token.public_key = pair.public_key;
  token.expires = Now() + std::chrono::duration_cast<std::chrono::seconds>(lives).count();
  token.uses = static_cast<std::uint32_t>(arguments.uses);
  token.tags = TagsOf(arguments);
  MILLRACE_RETURN_IF_ERROR(ring.Update([&](KeyList& list) { return keys::AddToken(list, token, Now()); }));
  Print(keys::FormatToken({broker.pair.public_key, pair.secret_key, options.orchestrator_url}));
  return host::kSucceeded;
}

absl::StatusOr<int> JoinAs(const KeysArguments& arguments, const Options& given) {
  Options options = given;
  options.broker_lost_timeout = std::chrono::seconds(10);
  net::SocketContext context;
  MILLRACE_ASSIGN_OR_RETURN(const KeyFile key, host::Join(context, options, arguments.token, arguments.name, nullptr));
  const fs::path file = arguments.file.empty() ? key.name + ".key" : arguments.file;
  MILLRACE_RETURN_IF_ERROR(keys::WriteSecret(file, keys::FormatKeyFile(key)));
  Print(file.string());
  return host::kSucceeded;
}

}  // namespace

std::vector<KeysVerb> DeclareKeys(host::FlagParser& parser, KeysArguments& a) {
  host::Command& keys = parser.root().Add("keys", "Keys of a broker: who may work, submit, administer");
  keys.Example("zmqctl keys init", "once, on the broker's machine; then millrace-broker --keys DIR");
  const auto add = [&](const char* name, const char* summary) -> host::Command& {
    return keys.Add(name, summary).Setting("keys_dir").Setting("log_level");
  };
  const char* tags_help = "Workers with it may offer these tags only";
  return {{&add("init", "A key for the broker, one for an admin, and an empty list")
                .Example("zmqctl keys init --keys /etc/millrace/keys", "it says what to do next"),
           Init},
          {&add("add", "Admit a new key, and print where its file is")
                .Argument("ROLE", &a.role, "worker, client or admin")
                .Argument("NAME", &a.name, "A worker's key is for the worker id of that name, or NAME.ANYTHING")
                .Option("--tag", "NAME", &a.tags, tags_help)
                .Example("zmqctl keys add worker build-1",
                         "then there: millrace-worker --key build-1.key --worker-id "
                         "build-1"),
           Add},
          {&add("list", "All keys and tokens")
                .Flag("--json", &a.json, "Print the answer as JSON")
                .Example("zmqctl keys list", "names, roles, and who has joined by which token"),
           List},
          {&add("revoke", "Take a key or a token away; a running broker drops its owner within a second")
                .Argument("NAME", &a.name, "As `zmqctl keys list` shows it")
                .Example("zmqctl keys revoke build-1", "its tasks go to other workers"),
           RevokeKey},
          {&add("rotate", "A new key instead of the old one; of the broker itself without a name")
                .Argument("NAME", &a.name, "As `zmqctl keys list` shows it", false)
                .Example("zmqctl keys rotate ann", "the former key is refused at once; copy the new file"),
           Rotate},
          {&add("show", "Name, role and public key in a key file; of the broker without a name")
                .Argument("NAME", &a.name, "As `zmqctl keys list` shows it", false)
                .Setting("key_file")
                .Flag("--bearer", &a.bearer, "Print the bearer token for HTTP instead")
                .Flag("--json", &a.json, "Print the answer as JSON")
                .Example(
                    "curl -H \"Authorization: Bearer $(zmqctl keys show ann --bearer)\" http://127.0.0.1:8090/api/runs",
                    "status over HTTP"),
           Show},
          {&add("token", "One string with which workers join: address, broker's key and permission")
                .Setting("orchestrator_url")
                .Option("--role", "ROLE", &a.token_role, "Of who joins (worker)", {"worker", "client", "admin"})
                .Option("--uses", "N", &a.uses, "How many may join by it (1); 0: any number")
                .Option("--expires", "AGE", &a.expires, "How long it may be used (1h); who has joined stays")
                .Option("--tag", "NAME", &a.tags, tags_help)
                .Option("--name", "NAME", &a.name, "For the list; drawn when left out")
                .Example("millrace-worker --join $(zmqctl keys token --orchestrator tcp://build-0:8080)", "one worker")
                .Example("zmqctl keys token --uses 50 --expires 8h > fleet.token", "a fleet: --join @fleet.token"),
           Token},
          {&add("join", "Join by a token, and keep the key that was admitted in a file")
                .Argument("TOKEN", &a.token, "Of `zmqctl keys token --role client`, or @FILE")
                .Argument("NAME", &a.name, "What the key is to be called")
                .Setting("orchestrator_url")
                .Option("--file", "FILE", &a.file, "Where to keep it (NAME.key)")
                .Example("zmqctl keys join @token ann", "then: zmqctl --key ann.key status"),
           JoinAs}};
}

}  // namespace millrace::zmqctl
