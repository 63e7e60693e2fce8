// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/dependency.h"

#include "millrace/base/status.h"

namespace millrace::detail {

void ThrowNoValue(const std::string& name, const absl::Status& why) {
  throw NoValue(absl::StrFormat("the dependency '%s' has no value (%s); ask ok() before taking it", name, TextOf(why)));
}

}  // namespace millrace::detail
