// SPDX-License-Identifier: Apache-2.0
// The folder with a broker's keys: broker.key, the list of who is admitted, and the files for those it was made for.
// All are of this user alone (0600 in a folder of 0700), and refused otherwise.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/keys/key_file.h"
#include "millrace/keys/key_list.h"

namespace millrace::keys {

inline constexpr std::size_t kMostKeyFileBytes = 64u << 20;

// FailedPrecondition, with the command that helps, when others may read it, it is somebody else's, or no plain file.
absl::StatusOr<std::string> ReadSecret(const std::filesystem::path& file);
// Replaces the file as a whole, and for good when it returns.
absl::Status WriteSecret(const std::filesystem::path& file, const std::string& text);

absl::StatusOr<KeyFile> ReadKeyFile(const std::filesystem::path& file);

class Keyring {
 public:
  explicit Keyring(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // A folder without keys becomes one with this pair as the broker's, and an empty list. AlreadyExists otherwise.
  absl::Status Init(const KeyPair& broker) const;
  absl::StatusOr<KeyFile> Broker() const;
  absl::StatusOr<KeyList> Load() const;
  // One change at a time, over all processes. Nothing is written when `change` fails.
  absl::Status Update(const std::function<absl::Status(KeyList&)>& change) const;

  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path list_file() const { return folder_ / kListName; }
  std::filesystem::path broker_file() const { return folder_ / "broker.key"; }
  std::filesystem::path FileOf(const std::string& name) const { return folder_ / (name + ".key"); }

  static constexpr char kListName[] = "admitted";

 private:
  std::filesystem::path folder_;
};

}  // namespace millrace::keys
