// SPDX-License-Identifier: Apache-2.0
// Without memory or threads a program says so in a line and ends with 71; what is a defect still aborts.
#include "millrace/host/memory.h"

#include <barrier>
#include <csignal>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "millrace/host/exit_code.h"

namespace millrace::host {
namespace {

template <class Error>
void EndOnAThread(const Error& error) {
  EndPlainlyWithoutMemory();
  EndPlainlyWithoutMemory();  // twice is as good as once
  std::thread([error] { throw error; }).join();
  std::_Exit(0);
}

TEST(MemoryTest, NoMemoryIsOneLineAnd71) {
  EXPECT_EXIT(
      EndOnAThread(std::bad_alloc()), testing::ExitedWithCode(kNoResources),
      "^host_test: the system gives it no more memory. It ends here as if it had been killed; give it more .*\n$");
}

TEST(MemoryTest, NoThreadIsOneLineAnd71) {
  const std::system_error error(std::make_error_code(std::errc::resource_unavailable_try_again), "a thread");
  EXPECT_EXIT(EndOnAThread(error), testing::ExitedWithCode(kNoResources),
              "^host_test: a thread: Resource temporarily unavailable. It ends .*\n$");
}

TEST(MemoryTest, OfManyThreadsOneSpeaks) {
  const auto end_on_many = [] {
    EndPlainlyWithoutMemory();
    std::barrier together(8);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&together] {
        together.arrive_and_wait();
        throw std::bad_alloc();
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  EXPECT_EXIT(end_on_many(), testing::ExitedWithCode(kNoResources), "^host_test: the system gives [^\n]*\n$");
}

TEST(MemoryTest, ADefectAborts) {
  EXPECT_EXIT(EndOnAThread(std::logic_error("ours")), testing::KilledBySignal(SIGABRT), "ours");
}

}  // namespace
}  // namespace millrace::host
