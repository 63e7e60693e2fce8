// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/artifacts.h"

namespace millrace::agent {

std::vector<Consumed> ConsumedOf(std::span<const Consume> consumes, std::span<const Needed> needs) {
  std::vector<Consumed> consumed;
  for (const Consume& consume : consumes) {
    for (const Needed& need : needs) {
      const Datum& datum = *need.datum;
      if (!datum.artifacts || !IsConsumed(consume.from, datum.name)) continue;
      consumed.push_back(
          {.task = datum.name, .tree = *datum.artifacts, .artifact = consume.artifact, .into = consume.into});
    }
  }
  return consumed;
}

}  // namespace millrace::agent
