// SPDX-License-Identifier: Apache-2.0
// What a worker or a client proves itself with: the key file that it was given, or one of its own that a join token
// gets admitted.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "millrace/host/interrupts.h"
#include "millrace/host/options.h"
#include "millrace/keys/key_file.h"
#include "millrace/net/context.h"

namespace millrace::host {

// A worker without an id of its own: host name and process id.
std::string DefaultWorkerId();

// Makes the context speak with the key of `options.key_file`, if there is one; gives it.
absl::StatusOr<std::optional<keys::KeyFile>> UseKeyFile(net::SocketContext& context, const Options& options);

// Asks the broker to admit a fresh key under this name, and gives it with the name and the role that it got. The
// context speaks with it from then on. `token`: the text, or @FILE. `options.orchestrator_url` is filled in from it
// where empty.
absl::StatusOr<keys::KeyFile> Join(net::SocketContext& context, Options& options, const std::string& token,
                                   const std::string& name, Interrupts* interrupts);

// Of a worker: one of the above, or neither. A key that was joined with is kept in the state directory of a worker that
// has an id, so that the same worker joins once. Gives the name of its key, "" without.
absl::StatusOr<std::string> EquipWorker(net::SocketContext& context, Options& options, Interrupts& interrupts);

}  // namespace millrace::host
