// SPDX-License-Identifier: Apache-2.0
// Secrets by name: what a job says of them. Values are known to workers only (exec/secret_source.h).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace millrace {

// Environment variable -> name of the secret that it holds.
using SecretNames = std::map<std::string, std::string>;

inline constexpr std::size_t kMaxSecrets = 64;       // of a task
inline constexpr std::size_t kMaxSecretName = 100;   // bytes
inline constexpr std::size_t kMinSecret = 4;         // bytes of a value: less cannot be masked without masking chance
inline constexpr std::size_t kMaxSecret = 16 << 10;  // bytes of a value

// A name is also the name of a file: letters, digits, '_', '-' and '.', and no '.' or '-' in front.
constexpr bool IsSecretName(std::string_view name) {
  if (name.empty() || name.size() > kMaxSecretName || name.front() == '.' || name.front() == '-') return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && c != '.') return false;
  }
  return true;
}
inline constexpr char kSecretNameRule[] =
    "1 to 100 letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'";

// db-password -> DB_PASSWORD: the variable that a secret most likely is for.
inline std::string VariableFor(std::string_view secret) {
  std::string variable(secret);
  for (char& c : variable) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (c == '-' || c == '.') c = '_';
  }
  return variable;
}

// What a cache key knows of a task's environment: its variables, and of secrets the names.
inline std::map<std::string, std::string> CacheEnvironment(std::map<std::string, std::string> env,
                                                           const SecretNames& secrets) {
  for (const auto& [variable, name] : secrets) env.insert_or_assign(variable, "secret://" + name);
  return env;
}

}  // namespace millrace
