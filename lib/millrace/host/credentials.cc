// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/credentials.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "millrace/base/status.h"
#include "millrace/client/client.h"
#include "millrace/host/assemble.h"
#include "millrace/keys/keyring.h"
#include "millrace/log/log.h"
#include "millrace/net/remote_link.h"
#include "millrace/net/zap.h"
#include "millrace/serve/process_watch.h"

namespace millrace::host {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<keys::TokenText> ReadToken(const std::string& text) {
  if (text.empty() || text.front() != '@') return keys::ParseToken(text);
  MILLRACE_ASSIGN_OR_RETURN(const std::string content, keys::ReadSecret(text.substr(1)));
  absl::string_view stripped = absl::StripAsciiWhitespace(content);
  return keys::ParseToken({stripped.data(), stripped.size()});
}

// Where a worker with an id keeps the key that it joined with.
fs::path KeptKey(const Options& options) {
  if (options.worker_id.empty() || options.state_dir.empty()) return {};
  return fs::path(options.state_dir) / "keys" / (options.worker_id + ".key");
}

absl::Status Keep(const fs::path& file, const keys::KeyFile& key) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) return ErrnoStatus(error.value(), file.parent_path().string());
  return keys::WriteSecret(file, keys::FormatKeyFile(key));
}

}  // namespace

std::string DefaultWorkerId() { return absl::StrFormat("%s-%d", serve::HostName(), getpid()); }

absl::StatusOr<std::optional<keys::KeyFile>> UseKeyFile(net::SocketContext& context, const Options& options) {
  if (options.key_file.empty()) return std::nullopt;
  MILLRACE_ASSIGN_OR_RETURN(keys::KeyFile key, keys::ReadKeyFile(options.key_file));
  if (key.role == "broker") {
    return FailedPrecondition("%s is the broker's own key, for --keys; make another: zmqctl keys add client NAME",
                              options.key_file);
  }
  context.UseKeys(net::SocketKeys{key.pair, key.broker});
  return std::optional<keys::KeyFile>(std::move(key));
}

absl::StatusOr<keys::KeyFile> Join(net::SocketContext& context, Options& options, const std::string& text,
                                   const std::string& name, Interrupts* interrupts) {
  MILLRACE_ASSIGN_OR_RETURN(const keys::TokenText token, ReadToken(text));
  if (options.orchestrator_url.empty()) options.orchestrator_url = token.url;
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyPair bearer, net::KeyPairOf(token.secret));
  keys::KeyFile key;
  MILLRACE_ASSIGN_OR_RETURN(key.pair, net::MakeKeyPair());
  key.broker = token.broker;
  context.UseKeys(net::SocketKeys{bearer, token.broker});
  Options as_bearer = options;
  as_bearer.key_file.clear();
  MILLRACE_ASSIGN_OR_RETURN(RemoteBroker remote, Dial(context, as_bearer));
  client::ClientOptions client_options = ClientOptionsOf(options);
  client_options.patience = std::chrono::duration_cast<std::chrono::milliseconds>(options.broker_lost_timeout);
  client::Client client(std::move(remote.link), *remote.blobs, client_options);
  if (interrupts != nullptr) interrupts->SetHandler([&client](int) { client.Interrupt(); });
  Command join;
  join.kind = CommandKind::kJoin;
  join.target = key.pair.public_key;
  join.reason = name;
  absl::StatusOr<Answer> answer = client.Tell(std::move(join));
  if (interrupts != nullptr) interrupts->SetHandler({});
  if (!answer.ok()) return Annotate(answer.status(), "joining " + options.orchestrator_url);
  if (answer->lines.size() != 2) return Internal("the broker's answer to a join has %d lines", answer->lines.size());
  key.name = answer->lines[0];
  key.role = answer->lines[1];
  context.UseKeys(net::SocketKeys{key.pair, key.broker});
  return key;
}

absl::StatusOr<std::string> EquipWorker(net::SocketContext& context, Options& options, Interrupts& interrupts) {
  if (options.join_token.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(const std::optional<keys::KeyFile> given, UseKeyFile(context, options));
    return given ? given->name : "";
  }
  options.key_file.clear();  // the token says more
  MILLRACE_ASSIGN_OR_RETURN(const keys::TokenText token, ReadToken(options.join_token));
  if (options.orchestrator_url.empty()) options.orchestrator_url = token.url;
  const fs::path kept = KeptKey(options);
  if (!kept.empty() && fs::exists(kept)) {
    MILLRACE_ASSIGN_OR_RETURN(const keys::KeyFile key, keys::ReadKeyFile(kept));
    if (key.broker == token.broker) {
      log::Info("joined before: using the key %s", kept.string());
      context.UseKeys(net::SocketKeys{key.pair, key.broker});
      return key.name;
    }
  }
  const std::string name = options.worker_id.empty() ? DefaultWorkerId() : options.worker_id;
  MILLRACE_ASSIGN_OR_RETURN(const keys::KeyFile key, Join(context, options, options.join_token, name, &interrupts));
  if (key.role != "worker") return FailedPrecondition("the join token is for the role %s, not for a worker", key.role);
  log::Info("joined as '%s'", key.name);
  if (!kept.empty()) MILLRACE_RETURN_IF_ERROR(Keep(kept, key));
  return key.name;
}

}  // namespace millrace::host
