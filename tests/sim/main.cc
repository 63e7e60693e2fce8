// SPDX-License-Identifier: Apache-2.0
// millrace-sim: plays random schedules of brokers, workers, network and disk against the real brains.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

#include "simulate.h"

namespace {

constexpr const char* kHelp =
    "usage: millrace-sim [options]\n"
    "\n"
    "Plays schedules of a broker, workers, a client, a network and a disk in virtual time, each from one seed, and\n"
    "checks after every step that what is promised is kept. Exits 1 when a seed fails.\n"
    "\n"
    "  --seed N       play this one, and say what it came to\n"
    "  --trace        with --seed: print every message, record and fault\n"
    "  --seeds N      play so many (default 10000)\n"
    "  --from N       ... beginning with this one (default 1)\n"
    "  --minutes M    ... until so much time has passed, instead of --seeds\n"
    "  --faults LIST  leave out all classes of faults but these, e.g. loss,pause; none; all\n"
    "  --failures N   stop after so many failing seeds (default 5)\n"
    "\n"
    "examples:\n"
    "  millrace-sim --seeds 100000              # what to run before a change of the brains is done\n"
    "  millrace-sim --from 1000000 --minutes 30 # a soak; another range, other schedules\n"
    "  millrace-sim --seed 4711 --faults broker-crash --trace\n";

struct Options {
  std::uint64_t from = 1;
  std::uint64_t seeds = 10'000;
  std::uint64_t failures = 5;
  double minutes = 0;
  bool one = false;
  bool trace = false;
  millrace::sim::FaultSet faults = millrace::sim::FaultSet::All();
};

[[noreturn]] void Refuse(const std::string& why) {
  std::fprintf(stderr, "millrace-sim: %s\n\n%s", why.c_str(), kHelp);
  std::exit(64);
}

std::uint64_t Number(std::string_view option, const char* text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (end == text || *end != 0) Refuse(std::string(option) + " wants a number, not '" + text + "'");
  return value;
}

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--help" || option == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    if (option == "--trace") {
      options.trace = true;
      continue;
    }
    if (i + 1 == argc) Refuse("unknown option, or one without its value: " + std::string(option));
    const char* value = argv[++i];
    if (option == "--seed") {
      options.one = true;
      options.from = Number(option, value);
    } else if (option == "--seeds") {
      options.seeds = Number(option, value);
    } else if (option == "--from") {
      options.from = Number(option, value);
    } else if (option == "--minutes") {
      options.minutes = std::strtod(value, nullptr);
      if (options.minutes <= 0) Refuse("--minutes wants a number above 0");
    } else if (option == "--failures") {
      options.failures = Number(option, value);
    } else if (option == "--faults") {
      if (!millrace::sim::FaultSet::Parse(value, options.faults))
        Refuse("--faults: unknown class in " + std::string(value));
    } else {
      Refuse("unknown option " + std::string(option));
    }
  }
  return options;
}

int PlayOne(const Options& options) {
  const millrace::sim::Verdict verdict = millrace::sim::PlaySeed(options.from, options.faults, options.trace);
  std::printf("seed %" PRIu64 ": %s; %" PRIu64 " deeds, hash %016" PRIx64 ", faults %s\n", options.from,
              verdict.problem.empty() ? "all promises kept" : verdict.problem.c_str(), verdict.deeds, verdict.hash,
              millrace::sim::MakePlan(options.from, options.faults).faults.Text().c_str());
  return verdict.problem.empty() ? 0 : 1;
}

int PlayMany(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::uint64_t played = 0;
  std::uint64_t failed = 0;
  std::uint64_t deeds = 0;
  for (; options.minutes > 0 ? seconds() < options.minutes * 60 : played < options.seeds; ++played) {
    const std::uint64_t seed = options.from + played;
    const millrace::sim::Verdict verdict = millrace::sim::PlaySeed(seed, options.faults);
    deeds += verdict.deeds;
    if (verdict.problem.empty()) continue;
    std::printf("%s\n", millrace::sim::Explain(seed, options.faults, verdict).c_str());
    std::fflush(stdout);
    if (++failed == options.failures) {
      ++played;
      break;
    }
  }
  // A core's minute, whoever else may want it.
  const double busy = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  std::printf("%" PRIu64 " schedules, %" PRIu64 " failed; %.0f a minute of a core, %" PRIu64 " deeds each\n", played,
              failed, static_cast<double>(played) / busy * 60, played == 0 ? 0 : deeds / played);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  return options.one ? PlayOne(options) : PlayMany(options);
}
