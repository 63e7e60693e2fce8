// SPDX-License-Identifier: Apache-2.0
// A folder for one test, with files in it.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "modules/scratch.h"

namespace millrace::testing {

class Folder {
 public:
  const std::filesystem::path& path() const { return scratch_.path(); }
  void Write(const std::filesystem::path& name, std::string_view text) const {
    std::filesystem::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << text;
  }
  std::string Read(const std::filesystem::path& name) const {
    std::ifstream file(path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool Has(const std::filesystem::path& name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path() / name));
  }

 private:
  modules::Scratch scratch_ = modules::Scratch::Create().value();
};

}  // namespace millrace::testing
