// SPDX-License-Identifier: Apache-2.0
// `zmqctl keys`: makes, lists and takes away the keys of a broker. Works on the keys folder alone; a broker that runs
// follows it by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/host/flags.h"
#include "millrace/host/options.h"

namespace millrace::zmqctl {

struct KeysArguments {
  std::string role;
  std::string name;
  std::string token;
  std::string file;
  std::vector<std::string> tags;
  std::string token_role = "worker";
  std::string expires = "1h";
  std::int64_t uses = 1;
  bool bearer = false;
  bool json = false;
};

struct KeysVerb {
  host::Command* command;
  absl::StatusOr<int> (*run)(const KeysArguments&, const Options&);
};

std::vector<KeysVerb> DeclareKeys(host::FlagParser& parser, KeysArguments& arguments);

}  // namespace millrace::zmqctl
