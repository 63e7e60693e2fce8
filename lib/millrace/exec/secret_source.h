// SPDX-License-Identifier: Apache-2.0
// Where a worker has the values of secrets from: files in a folder, or its own environment. They are read anew for each
// attempt, so that a changed one counts at once.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/base/secrets.h"

namespace millrace::exec {

struct SecretSource {
  std::string directory;    // NAME is a file there that only its owner may read; "" = none
  std::string environment;  // PREFIX: `db-password` is in PREFIX + "DB_PASSWORD"; "" = none
};

// The value, without line breaks at its end. FailedPrecondition, with what to do about it: no source, not there, open
// to others, shorter than kMinSecret or longer than kMaxSecret, or with a NUL byte, which no environment can hold.
absl::StatusOr<std::string> ReadSecret(const SecretSource& source, std::string_view name);

// Environment variable -> value, for all that a task asks for.
absl::StatusOr<std::map<std::string, std::string>> ReadSecrets(const SecretSource& source, const SecretNames& names);

}  // namespace millrace::exec
