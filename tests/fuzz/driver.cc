// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without a fuzzer, in every build: its corpus, then mutations of it, always the same ones. The
// fuzzer proper (tools/fuzz) is guided by coverage; this one holds what it has found and what it has been shown.
//
//   fuzz_TARGET [--mutations N] FOLDER|FOLDER/BEGIN_OF_NAMES...     files that end in .hex are hexadecimal digits
#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "millrace/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Told by sanitizers before they end the program.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using millrace::Random;
using Inputs = std::vector<std::string>;

constexpr std::size_t kLongest = 4096;
const std::string* current = nullptr;

// Whatever ends the program: the input is what one needs.
void Show() {
  if (current == nullptr) return;
  std::fprintf(stderr, "fuzz: the input, %zu bytes (xxd -r -p makes a file of it):\n", current->size());
  for (const char byte : *current)
    std::fprintf(stderr, "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  std::fputc('\n', stderr);
  current = nullptr;
}
void OnSignal(int signal) {
  Show();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void Run(const std::string& input) {
  current = &input;
  // A buffer of its own, of this very size: a sanitizer sees a read beyond it.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  current = nullptr;
}

std::string Read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (file.extension() != ".hex") return text;
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0) digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

void Collect(const std::filesystem::path& path, std::vector<std::filesystem::path>& files) {
  const bool all = std::filesystem::is_directory(path);
  const std::string begin = all ? "" : path.filename().string();
  for (const auto& entry : std::filesystem::directory_iterator(all ? path : path.parent_path())) {
    if (entry.path().filename().string().starts_with(begin)) files.push_back(entry.path());
  }
}

void Change(std::string& input, const Inputs& corpus, Random& random) {
  constexpr unsigned char kLoud[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0xc0, 0xc1, 0xd3, 0xdb, 0xdd, 0xdf, 0xff};
  const std::size_t at = random.Below(input.size() + 1);
  const std::size_t count = 1 + random.Below(8);
  switch (random.Below(7)) {
    case 0: input.erase(at, count); break;
    case 1: input.insert(at, input.substr(random.Below(input.size() + 1), count)); break;
    case 2: input.insert(at, count, static_cast<char>(kLoud[random.Below(std::size(kLoud))])); break;
    case 3: input.resize(at); break;
    case 4: {
      const std::string& other = corpus[random.Below(corpus.size())];
      input.replace(at, std::string::npos, other, random.Below(other.size() + 1), std::string::npos);
      break;
    }
    case 5:
      if (at < input.size()) input[at] = static_cast<char>(kLoud[random.Below(std::size(kLoud))]);
      break;
    default:
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << random.Below(8)));
  }
  if (input.size() > kLongest) input.resize(kLongest);
}

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, OnSignal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(Show);
  std::uint64_t mutations = 2000;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--mutations" && i + 1 < argc) {
      mutations = std::strtoull(argv[++i], nullptr, 10);
    } else {
      Collect(argv[i], files);
    }
  }
  Inputs corpus;
  for (const auto& file : files) corpus.push_back(Read(file));
  std::sort(corpus.begin(), corpus.end());  // not in the order of the disk
  if (corpus.empty()) {
    std::fprintf(stderr, "fuzz: no file of a corpus was named\n");
    return 2;
  }
  Run("");
  for (const std::string& input : corpus) Run(input);
  Random random(5);
  for (std::uint64_t i = 0; i < mutations; ++i) {
    std::string input = corpus[random.Below(corpus.size())];
    for (std::uint64_t changes = 1 + random.Below(6); changes > 0; --changes) Change(input, corpus, random);
    Run(input);
  }
  std::printf("%zu inputs and %llu mutations of them\n", corpus.size(), static_cast<unsigned long long>(mutations));
  return 0;
}
