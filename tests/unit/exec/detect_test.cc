// SPDX-License-Identifier: Apache-2.0
// What a machine is and has: limits of cgroups, versions, and tools that hang.
#include "millrace/exec/detect.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::exec {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class DetectTest : public testing::Test {
 protected:
  DetectTest() {
    std::string pattern = (fs::temp_directory_path() / "detect.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~DetectTest() override { fs::remove_all(root_); }

  void Write(const fs::path& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void WriteTool(const std::string& name, const std::string& script) {
    Write(name, "#!/bin/sh\n" + script + "\n");
    fs::permissions(root_ / name, fs::perms::owner_all);
  }
  std::vector<InstalledTool> Detect(const std::vector<std::string>& names, Duration tool_limit, Duration total_limit) {
    ToolSearch search;
    search.probes.clear();
    for (const std::string& name : names) search.probes.push_back({name});
    search.path = root_.string() + ":/bin:/usr/bin";
    search.tool_limit = tool_limit;
    search.total_limit = total_limit;
    return DetectTools(search);
  }

  fs::path root_;
};

constexpr Duration kLong = std::chrono::minutes(2);

TEST_F(DetectTest, ThisMachineIsSomething) {
  const Machine machine = DetectMachine();
  EXPECT_FALSE(machine.os.empty());
  EXPECT_FALSE(machine.arch.empty());
  EXPECT_FALSE(machine.hostname.empty());
  EXPECT_GE(machine.cpus, 1);
  EXPECT_GT(machine.memory, 1 << 20);
}

TEST_F(DetectTest, NothingToReadIsNoError) {
  const Machine machine = DetectMachine(root_);
  EXPECT_GE(machine.cpus, 1);
  EXPECT_EQ(machine.memory, 0);
}

TEST_F(DetectTest, TheTightestUnifiedCgroupLimitHolds) {
  Write("proc/meminfo", "MemFree: 5 kB\nMemTotal:       8388608 kB\n");
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  Write("sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("sys/fs/cgroup/a/memory.max", "1073741824\n");
  Write("sys/fs/cgroup/memory.max", "2147483648\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.cpus, 1);  // half a cpu
  EXPECT_EQ(machine.memory, 1073741824);
}

TEST_F(DetectTest, OlderCgroupsCountToo) {
  Write("proc/meminfo", "MemTotal: 1048576 kB\n");
  Write("proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n");
  Write("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "100000\n");
  Write("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  Write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  const Machine machine = DetectMachine(root_);
  EXPECT_EQ(machine.cpus, 1);
  EXPECT_EQ(machine.memory, 536870912);
}

TEST_F(DetectTest, MemoryOfTheMachineWithoutLimits) {
  Write("proc/meminfo", "MemTotal: 1048576 kB\n");
  Write("proc/self/cgroup", "0::/gone\n");
  EXPECT_EQ(DetectMachine(root_).memory, 1073741824);
}

TEST(VersionInTest, FindsTheVersion) {
  const struct {
    const char* output;
    const char* version;
  } kCases[] = {
      {"git version 2.39.5\n", "2.39.5"},
      {"g++ (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022\n", "12.2.0"},
      {"go version go1.21.3 linux/amd64\n", "1.21.3"},
      {"v20.11.0\n", "20.11.0"},
      {"OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15 3 Sep 2024\n", "9.2"},
      {"openjdk version \"17.0.9\" 2023-10-17\n", "17.0.9"},
      {"openjdk version \"21\" 2023-09-19\nOpenJDK 64-Bit Server VM (build 21+35-2513, mixed mode)\n", "21"},
      {"\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux\n", "5.36.0"},
      {"\x1b[1mApache Maven 3.8.7\x1b[m\n", "3.8.7"},
      {"less 590 (GNU regular expressions)\n", "590"},
      {"Kernel 6.\n", "6"},
      {"1.2.\n", "1.2"},
      {"no digits here\n", ""},
      {"x86_64 only\n", ""},
      {"", ""},
  };
  for (const auto& item : kCases) EXPECT_EQ(VersionIn(item.output), item.version) << item.output;
}

TEST_F(DetectTest, ToolsAreFoundWithTheirVersions) {
  WriteTool("tool-b", "echo tool-b 1.2.3");
  WriteTool("tool-a", "echo tool-a 4.5 >&2");
  WriteTool("fails", "echo 9.9; exit 3");
  WriteTool("silent", "exit 0");
  EXPECT_THAT(Detect({"tool-b", "tool-a", "fails", "silent", "surely-not-there"}, kLong, kLong),
              ElementsAre(InstalledTool{"fails", ""}, InstalledTool{"silent", ""}, InstalledTool{"tool-a", "4.5"},
                          InstalledTool{"tool-b", "1.2.3"}));
}

TEST_F(DetectTest, AToolThatHangsIsKilledAndHasNoVersion) {
  WriteTool("hangs", "trap '' TERM; sleep 600; echo 1.0");
  WriteTool("good", "echo 1.0");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(Detect({"hangs"}, std::chrono::milliseconds(100), kLong), ElementsAre(InstalledTool{"hangs", ""}));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_THAT(Detect({"good"}, kLong, kLong), ElementsAre(InstalledTool{"good", "1.0"}));
}

TEST_F(DetectTest, TheWholeSearchIsBounded) {
  WriteTool("hangs", "sleep 20");
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<InstalledTool> found = Detect({"hangs"}, std::chrono::seconds(1), std::chrono::milliseconds(1));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_LE(found.size(), 1u);
}

TEST_F(DetectTest, NothingToLookForIsNothing) { EXPECT_TRUE(Detect({}, kLong, kLong).empty()); }

TEST(WellKnownToolsTest, AreUniqueAndTheUsualOnesAreAmongThem) {
  std::set<std::string> names;
  for (const ToolProbe& probe : WellKnownTools()) EXPECT_TRUE(names.insert(probe.name).second) << probe.name;
  for (const char* name :
       {"git",    "cmake", "ninja", "make",  "gcc",   "g++", "clang",  "clang++", "python3", "node", "npm",
        "docker", "java",  "mvn",   "cargo", "rustc", "go",  "dotnet", "meson",   "tar",     "curl"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

}  // namespace
}  // namespace millrace::exec
