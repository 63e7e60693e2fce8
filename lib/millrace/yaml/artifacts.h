// SPDX-License-Identifier: Apache-2.0
// `produces` and `consumes` of a step: which files it hands on, and which it wants.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/model/job.h"
#include "millrace/yaml/document.h"
#include "millrace/yaml/template.h"

namespace millrace::yaml {

// produces: {app: build/app, docs: {paths: [docs/**], may_be_empty: true}}
std::vector<Produce> ReadProduces(const Node& node, std::string_view where, Problems& problems);
// consumes: [build, test/report, {from: build, artifact: app, into: bin}]
std::vector<Consume> ReadConsumes(const Node& node, std::string_view where, Problems& problems);

// Whether something there differs by instance.
bool HasTemplates(const Policy& policy);
// Paths and names as one instance of a matrix has them.
Policy WithArtifactsOf(Policy policy, const Variables& variables);

// A problem for each entry of `consumes` of this task that nothing it needs can satisfy.
void CheckConsumed(const JobSpec& job, std::uint32_t task, Mark mark, Problems& problems);

// What is known, for suggestions and for the JSON Schema.
std::vector<std::string> ProduceKeys();
std::vector<std::string> ConsumeKeys();

}  // namespace millrace::yaml
