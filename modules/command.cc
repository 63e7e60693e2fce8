// SPDX-License-Identifier: Apache-2.0
#include "modules/command.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "millrace/base/digest.h"
#include "modules/step_folder.h"

namespace millrace::modules {
namespace {

constexpr std::size_t kLongestFileName = 200;

// The result of a command that wrote none of its own.
struct Ended {
  std::int32_t exit_code = 0;
  std::string output;
};

bool StaysAsItIs(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._-=[],").find(c) != std::string_view::npos;
}

absl::Status WriteFile(const std::filesystem::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  return file ? absl::OkStatus() : Unavailable("cannot write %s", path.string());
}

absl::Status WriteInputs(const Context& context, const std::filesystem::path& directory) {
  for (const DependencyView& dependency : context.dependencies()) {
    if (!IsGood(dependency.outcome) || dependency.result.empty()) continue;
    auto json = ToJson(dependency.result);
    if (!json.ok()) return Annotate(json.status(), "the result of '" + dependency.name + "' as JSON");
    MILLRACE_RETURN_IF_ERROR(WriteFile(directory / (InputFileName(dependency.name) + ".json"), *json + "\n"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Value> OwnResult(const std::filesystem::path& path, CommandResult& ended) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream read;
  if (file && file.peek() != std::ifstream::traits_type::eof()) read << file.rdbuf();  // iterators would throw
  const std::string text = std::move(read).str();
  if (file.bad()) return InvalidArgument("what is at $MILLRACE_OUTPUT cannot be read: is it a folder?");
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return MakeValue(Ended{ended.exit_code, std::move(ended.output)});
  }
  auto encoded = FromJson(text);
  if (!encoded.ok()) return Annotate(encoded.status(), "what was written to $MILLRACE_OUTPUT is no JSON");
  return Value{*std::move(encoded)};
}

}  // namespace

std::string InputFileName(std::string_view task) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : task) {
    const bool hidden = name.empty() && c == '.';  // neither hidden files nor ".."
    if (StaysAsItIs(c) && !hidden) {
      name += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      name += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (name.size() > kLongestFileName) name = name.substr(0, kLongestFileName) + "~" + Sha256(task).Hex().substr(0, 8);
  return name;
}

absl::StatusOr<Value> Command::Run(Context& context) const {
  if (shell.empty() == argv.empty()) return InvalidArgument("a command has either 'shell' or 'argv', and not both");
  MILLRACE_ASSIGN_OR_RETURN(const StepFolder folder, StepFolder::Take());
  const std::filesystem::path inputs = folder.inputs();
  const std::filesystem::path output = folder.output();
  MILLRACE_RETURN_IF_ERROR(WriteInputs(context, inputs));

  CommandSpec spec;
  spec.env = env;
  spec.env.insert_or_assign("MILLRACE_INPUTS", inputs.string());
  spec.env.insert_or_assign("MILLRACE_OUTPUT", output.string());
  spec.directory = directory;
  spec.input = input;
  spec.output_limit = output_limit;
  if (!shell.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(CommandResult ended, context.Shell(shell, spec));
    return OwnResult(output, ended);
  }
  spec.program = argv.front();
  spec.args.assign(argv.begin() + 1, argv.end());
  MILLRACE_ASSIGN_OR_RETURN(CommandResult ended, context.Execute(spec));
  return OwnResult(output, ended);
}

}  // namespace millrace::modules
