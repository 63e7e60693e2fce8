// SPDX-License-Identifier: Apache-2.0
// What a step hands to its module, as the msgpack map that the module's codec reads.
#pragma once

#include "millrace/base/bytes.h"
#include "millrace/yaml/step.h"
#include "millrace/yaml/template.h"

namespace millrace::yaml {

// {"shell": text} or {"argv": [texts]} for `run`, the map of `with` for `module`; empty when there is nothing to say.
//
// Values of `with` have no schema here, so they are read as JSON would read them: null, true, false and numbers in
// JSON's notation stand for themselves, everything else (quoted text, `yes`, `010`, `1.2.3`) is text. ${matrix.KEY} is
// replaced in plain and quoted text alike; a plain one is read after that, so that `${matrix.shard}` may become a
// number.
Bytes EncodeInputs(const Step& step, const Variables& variables);

}  // namespace millrace::yaml
