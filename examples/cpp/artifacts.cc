// SPDX-License-Identifier: Apache-2.0
// Files from one module to another, whichever worker each runs on:
//   example-artifacts run | plan | orchestrator --port 8080 | worker --orchestrator URL | submit --orchestrator URL
#include <string>
#include <string_view>

#include "millrace/millrace.h"

namespace {

struct Compile {
  static constexpr std::string_view kName = "compile";
  // What is there when Run has succeeded is handed on, with exec bits, links and empty directories. That one of these
  // is missing, or all of it empty, is a failure of this module.
  millrace::Policy policy() const {
    return {.produces = {{.name = "app", .paths = {"out/app"}}, {.name = "docs", .paths = {"out/docs/**"}}}};
  }
  absl::Status Run(millrace::Context& context) const {
    return context
        .Shell(
            "mkdir -p out/docs && echo 'read me' > out/docs/readme.txt && "
            "printf '#!/bin/sh\\necho built and run\\n' > out/app && chmod +x out/app")
        .status();
  }
};

struct Check {
  static constexpr std::string_view kName = "check";
  // In front of the paths that they had, `into`; without it they are where they were.
  millrace::Policy policy() const { return {.consumes = {{.from = "compile", .artifact = "app", .into = "checked"}}}; }
  absl::StatusOr<std::string> Run(millrace::Context& context, millrace::From<Compile>) const {
    auto said = context.Shell("checked/out/app && test ! -e checked/out/docs");
    if (!said.ok()) return said.status();
    return said->output;
  }
};

}  // namespace

int main(int argc, char** argv) {
  return millrace::Main(argc, argv, millrace::Pipeline{Compile{}, Check{}}.Named("artifacts"));
}
