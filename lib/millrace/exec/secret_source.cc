// SPDX-License-Identifier: Apache-2.0
#include "millrace/exec/secret_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "millrace/base/fd.h"
#include "millrace/base/status.h"

namespace millrace::exec {
namespace {

constexpr mode_t kOthers = 0077;

// Nothing when there is no such file. A link is followed: that is how orchestrators of containers mount secrets.
absl::StatusOr<std::optional<std::string>> ReadFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid() && errno == ENOENT) return std::optional<std::string>();
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "the secret " + path);
  if (!S_ISREG(info.st_mode)) return FailedPrecondition("the secret %s is not a plain file", path);
  if ((info.st_mode & kOthers) != 0) {
    return FailedPrecondition("the secret %s is open to others (mode %o): chmod 600 %s", path, info.st_mode & 07777,
                              path);
  }
  std::string text(kMaxSecret + 3, '\0');  // room for a line break, and to see that there is more
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = read(fd.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "the secret " + path);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return std::optional(std::move(text));
}

absl::StatusOr<std::string> Find(const SecretSource& source, std::string_view name) {
  const std::string path = source.directory + "/" + std::string(name);
  if (!source.directory.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadFile(path));
    if (text) return *std::move(text);
  }
  const std::string variable = source.environment + VariableFor(name);
  if (!source.environment.empty()) {
    if (const char* value = std::getenv(variable.c_str())) return std::string(value);
  }
  if (source.directory.empty() && source.environment.empty()) {
    return FailedPrecondition(
        "the secret '%s' is not known here: this worker has none; start it with --secrets-dir DIR or "
        "--secrets-from-env PREFIX",
        name);
  }
  return FailedPrecondition("the secret '%s' is not known here: there is no %s%s%s", name,
                            source.directory.empty() ? "" : "file " + path,
                            source.directory.empty() || source.environment.empty() ? "" : " and no ",
                            source.environment.empty() ? "" : "variable " + variable);
}

}  // namespace

absl::StatusOr<std::string> ReadSecret(const SecretSource& source, std::string_view name) {
  if (!IsSecretName(name)) {
    return FailedPrecondition("'%s' is no name of a secret: use %s", name, kSecretNameRule);
  }
  MILLRACE_ASSIGN_OR_RETURN(std::string value, Find(source, name));
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.pop_back();
  if (value.size() < kMinSecret || value.size() > kMaxSecret) {
    return FailedPrecondition("the secret '%s' has %s%d bytes; what can be masked in output has %d to %d", name,
                              value.size() > kMaxSecret ? "over " : "", std::min(value.size(), kMaxSecret), kMinSecret,
                              kMaxSecret);
  }
  if (value.find('\0') != std::string::npos) {
    return FailedPrecondition("the secret '%s' has a NUL byte, which no environment can hold; store it as base64",
                              name);
  }
  return value;
}

absl::StatusOr<std::map<std::string, std::string>> ReadSecrets(const SecretSource& source, const SecretNames& names) {
  std::map<std::string, std::string> values;
  for (const auto& [variable, name] : names) {
    MILLRACE_ASSIGN_OR_RETURN(values[variable], ReadSecret(source, name));
  }
  return values;
}

}  // namespace millrace::exec
