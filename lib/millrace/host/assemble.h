// SPDX-License-Identifier: Apache-2.0
// From options to the parts they describe: what the brains are configured with, what this machine offers, how a broker
// is reached.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/api/registry.h"
#include "millrace/client/client.h"
#include "millrace/exec/secret_source.h"
#include "millrace/host/options.h"
#include "millrace/net/bulk_client.h"
#include "millrace/net/context.h"
#include "millrace/net/link.h"
#include "millrace/serve/broker.h"
#include "millrace/serve/worker.h"

namespace millrace::host {

serve::BrokerOptions BrokerOptionsOf(const Options& options, bool with_network);

// `local`: beside a broker in this process. `key_name`: of its key, "" without.
absl::StatusOr<serve::WorkerOptions> WorkerOptionsOf(const Options& options, const Registry& registry, bool local,
                                                     const std::string& key_name = "");

// Where this machine has the values of secrets from.
absl::StatusOr<exec::SecretSource> SecretsOf(const Options& options);

// A broker somewhere else: the control link and the bulk plane.
struct RemoteBroker {
  std::unique_ptr<net::BulkClient> blobs;
  std::unique_ptr<net::Link> link;
};
// `changes`: whether it hears what changes in which run.
absl::StatusOr<RemoteBroker> Dial(net::SocketContext& context, const Options& options, bool changes = true);

client::ClientOptions ClientOptionsOf(const Options& options);

// Atomically, so that whoever waits for the file never reads half of it.
absl::Status WriteReadyFile(const std::string& file, const std::string& endpoint);

// The version of this build, from git.
std::string Version();

}  // namespace millrace::host
