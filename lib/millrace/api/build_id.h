// SPDX-License-Identifier: Apache-2.0
// What tells two builds of this program apart: the version of every module that names none of its own, so that a
// changed program never finds results of the old one in a cache.
#pragma once

#include <string>

namespace millrace {

// 16 hex digits of the SHA-256 of the running executable; worked out once. "unknown-PID-TIME" when it cannot be read,
// which no cache will ever match.
const std::string& BuildId();

}  // namespace millrace
