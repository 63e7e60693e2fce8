// SPDX-License-Identifier: Apache-2.0
// A shared object that tests preload into the real programs: disks that fail, memory and threads that run out,
// a wall clock that jumps.
//
//   MILLRACE_FAULTY_SWITCH=FILE   while this file is there and holds "CALLS PATH ERRNO", such as "write,fsync
//                                 journal.sqlite 5", these calls fail so on files whose path has PATH in it
//   MILLRACE_FAULTY_NEW=N         from the N-th allocation by `operator new` on, all fail
//   MILLRACE_FAULTY_THREAD=N      from the N-th thread on, none is started
//   MILLRACE_FAULTY_CLOCK=FILE    the wall clock is wrong by the seconds that this file holds
//
// Calls are write (pwrite too) and fsync (fdatasync too). Nothing in here allocates. libzmq is spared, since it aborts
// by itself, with a line of its own: its threads, and allocations that ask for nullptr.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

namespace {

long NumberIn(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atol(text) : 0;
}

// What is in a file, cut to the size; nothing when it is not there.
void ReadFile(const char* file, char* to, std::size_t size) {
  const int before = errno;
  const long opened = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
  if (opened >= 0) {
    const long count = syscall(SYS_read, opened, to, size - 1);
    to[count > 0 ? count : 0] = '\0';
    syscall(SYS_close, opened);
  }
  errno = before;
}

// 0, or the errno with which `call` on `descriptor` fails now.
int FaultOf(const char* call, int descriptor) {
  static const char* const file = std::getenv("MILLRACE_FAULTY_SWITCH");
  if (file == nullptr) return 0;
  const int before = errno;
  char fault[256] = {};
  ReadFile(file, fault, sizeof(fault));
  char calls[64] = {};
  char part[128] = {};
  int number = 0;
  if (std::sscanf(fault, "%63s %127s %d", calls, part, &number) != 3 || std::strstr(calls, call) == nullptr) return 0;
  char link[64];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  char path[512] = {};
  const bool named = readlink(link, path, sizeof(path) - 1) > 0;
  errno = before;
  return named && std::strstr(path, part) != nullptr ? number : 0;
}

template <class... Arguments>
ssize_t CallUnlessItFails(const char* name, long call, int descriptor, Arguments... arguments) {
  if (const int fault = FaultOf(name, descriptor); fault != 0) {
    errno = fault;
    return -1;
  }
  return static_cast<ssize_t>(syscall(call, descriptor, arguments...));
}

std::atomic<long> allocations = 0;
std::atomic<long> threads = 0;

void* AllocateUnlessItFails(std::size_t size) {
  static const long limit = NumberIn("MILLRACE_FAULTY_NEW");
  if (limit > 0 && ++allocations >= limit) throw std::bad_alloc();
  void* const memory = std::malloc(size != 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

extern "C" {

// Names of their own, since the headers may give another one to the same call.
ssize_t FaultyWrite(int descriptor, const void* bytes, size_t count) __asm__("write");
ssize_t FaultyPwrite(int descriptor, const void* bytes, size_t count, off_t offset) __asm__("pwrite");
ssize_t FaultyPwrite64(int descriptor, const void* bytes, size_t count, off_t offset) __asm__("pwrite64");
int FaultyFsync(int descriptor) __asm__("fsync");
int FaultyFdatasync(int descriptor) __asm__("fdatasync");
int FaultyCreate(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*),
                 void* argument) __asm__("pthread_create");
int FaultyTime(clockid_t clock, timespec* time) __asm__("clock_gettime");

ssize_t FaultyWrite(int descriptor, const void* bytes, size_t count) {
  return CallUnlessItFails("write", SYS_write, descriptor, bytes, count);
}
ssize_t FaultyPwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return CallUnlessItFails("write", SYS_pwrite64, descriptor, bytes, count, offset);
}
ssize_t FaultyPwrite64(int descriptor, const void* bytes, size_t count, off_t offset) {
  return FaultyPwrite(descriptor, bytes, count, offset);
}
int FaultyFsync(int descriptor) { return static_cast<int>(CallUnlessItFails("fsync", SYS_fsync, descriptor)); }
int FaultyFdatasync(int descriptor) { return static_cast<int>(CallUnlessItFails("fsync", SYS_fdatasync, descriptor)); }

int FaultyCreate(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*), void* argument) {
  static const long limit = NumberIn("MILLRACE_FAULTY_THREAD");
  Dl_info caller{};
  const bool ours = dladdr(__builtin_return_address(0), &caller) == 0 || caller.dli_fname == nullptr ||
                    std::strstr(caller.dli_fname, "libzmq") == nullptr;
  if (ours && limit > 0 && ++threads >= limit) return EAGAIN;
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return create(thread, attributes, work, argument);
}

int FaultyTime(clockid_t clock, timespec* time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  static const char* const file = std::getenv("MILLRACE_FAULTY_CLOCK");
  if (file == nullptr || clock != CLOCK_REALTIME || result != 0) return static_cast<int>(result);
  char seconds[32] = {};
  ReadFile(file, seconds, sizeof(seconds));
  time->tv_sec += std::atol(seconds);
  return 0;
}

}  // extern "C"

// The library's array forms call these.
void* operator new(std::size_t size) { return AllocateUnlessItFails(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size != 0 ? size : 1); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
