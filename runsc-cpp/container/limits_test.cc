#include "runsc-cpp/container/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace runsc {
namespace {

using sentry::control::Limits;
using testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

Limits Guest(const oci::LinuxResources& resources) {
  const absl::StatusOr<Limits> limits = ForGuest(resources);
  EXPECT_TRUE(limits.ok()) << limits.status();
  return limits.ok() ? *limits : Limits();
}
std::string Refusal(const char* file, const char* value) {
  oci::LinuxResources resources;
  resources.unified = {{file, value}};
  return std::string(ForGuest(resources).status().message());
}

TEST(LimitsTest, WhatIsNotAskedForStaysAsItIs) {
  EXPECT_EQ(Guest({}).SerializeAsString(), "");
  // As of an update, or where an engine writes 0 for "unset".
  oci::LinuxResources resources;
  resources.memory.emplace().limit = 0;
  resources.cpu.emplace().quota = 0;
  resources.cpu->shares = 0;
  resources.pids.emplace().limit = 40;
  Limits expected;
  expected.set_pids(40);
  EXPECT_EQ(Guest(resources).SerializeAsString(), expected.SerializeAsString());
  EXPECT_EQ(*ForHost(resources).memory->limit, 0);
}

TEST(LimitsTest, TheGuestGetsWhatWasAskedFor) {
  oci::LinuxResources resources;
  resources.memory.emplace().limit = 64 * kMiB;
  resources.pids.emplace().limit = -1;
  oci::LinuxCPU& cpu = resources.cpu.emplace();
  cpu.quota = 50'000, cpu.period = 200'000, cpu.shares = 1024;
  const Limits limits = Guest(resources);
  EXPECT_EQ(limits.memory_bytes(), 64 * kMiB);
  EXPECT_EQ(limits.oom_show_bytes(), static_cast<uint64_t>((64 + 2 * (16 + 2)) * kMiB));
  EXPECT_EQ(limits.pids(), -1);
  EXPECT_EQ(limits.cpu_quota_us(), 50'000);
  EXPECT_EQ(limits.cpu_period_us(), 200'000u);
  EXPECT_EQ(limits.cpu_weight(), 100u);
  resources.memory->limit = -1;
  EXPECT_EQ(Guest(resources).memory_bytes(), -1);
  EXPECT_EQ(Guest(resources).oom_show_bytes(), 0u);
  cpu.cpus = "4-2";
  EXPECT_FALSE(ForGuest(resources).ok());
}

TEST(LimitsTest, TheHostGetsRoomForTheSandbox) {
  oci::LinuxResources resources;
  resources.memory.emplace().limit = 64 * kMiB;
  resources.memory->swap = 96 * kMiB;
  resources.pids.emplace().limit = 100;
  oci::LinuxResources host = ForHost(resources);
  EXPECT_EQ(*host.memory->limit, (64 + 16 + 2) * kMiB);
  EXPECT_EQ(*host.memory->swap, (96 + 16 + 2) * kMiB);  // so that the swap alone is as much as before
  EXPECT_EQ(*host.pids->limit, 3 * 100 + 64);
  resources.memory->limit = INT64_MAX - 1;
  resources.memory->swap = -1;
  resources.pids->limit = INT64_MAX;
  host = ForHost(resources);
  EXPECT_EQ(*host.memory->limit, INT64_MAX);
  EXPECT_EQ(*host.memory->swap, -1);
  EXPECT_EQ(*host.pids->limit, INT64_MAX);
}

TEST(LimitsTest, AnnotationsOnlyNarrow) {
  oci::SandboxSettings settings;
  settings.memory_limit = 32 * kMiB;
  settings.cpus = 2;
  oci::LinuxResources narrowed = Narrowed({}, settings);
  EXPECT_EQ(*narrowed.memory->limit, 32 * kMiB);
  EXPECT_EQ(*narrowed.cpu->quota, 200'000);
  oci::LinuxResources resources;
  resources.memory.emplace().limit = -1;
  resources.cpu.emplace().period = 50'000;
  resources.cpu->quota = 200'000;
  narrowed = Narrowed(resources, settings);
  EXPECT_EQ(*narrowed.memory->limit, 32 * kMiB);
  EXPECT_EQ(*narrowed.cpu->quota, 100'000);
  resources.memory->limit = 8 * kMiB;
  resources.cpu->quota = 20'000;
  narrowed = Narrowed(resources, settings);
  EXPECT_EQ(*narrowed.memory->limit, 8 * kMiB);
  EXPECT_EQ(*narrowed.cpu->quota, 20'000);
  EXPECT_FALSE(Narrowed({}, {}).memory.has_value());
}

TEST(LimitsTest, AnnotationsNarrowUnifiedToo) {
  oci::SandboxSettings settings;
  settings.memory_limit = 32 * kMiB;
  settings.cpus = 2;
  oci::LinuxResources resources;
  resources.unified = {{"memory.max", "max"}, {"cpu.max", "max 50000"}};
  oci::LinuxResources narrowed = Narrowed(resources, settings);
  EXPECT_EQ(narrowed.unified["memory.max"], std::to_string(32 * kMiB));
  EXPECT_EQ(narrowed.unified["cpu.max"], "100000 50000");
  resources.unified = {{"memory.max", "8M"}, {"cpu.max", "1000"}};
  narrowed = Narrowed(resources, settings);
  EXPECT_EQ(narrowed.unified["memory.max"], std::to_string(8 * kMiB));
  EXPECT_EQ(narrowed.unified["cpu.max"], "1000 100000");
}

TEST(LimitsTest, UnifiedReachesTheGuest) {
  oci::LinuxResources resources;
  resources.memory.emplace().limit = 8 * kMiB;  // the last word is the file's
  resources.unified = {{"memory.max", "64M\n"},    {"memory.high", "50331648"}, {"pids.max", "77"},
                       {"cpu.max", "20000 50000"}, {"cpu.weight", "5"},         {"cpuset.cpus", "0"},
                       {"io.weight", "default 50"}};
  Limits limits = Guest(resources);
  EXPECT_EQ(limits.memory_bytes(), 64 * kMiB);
  EXPECT_EQ(limits.memory_high_bytes(), 48 * kMiB);
  EXPECT_EQ(limits.pids(), 77);
  EXPECT_EQ(limits.cpu_quota_us(), 20'000);
  EXPECT_EQ(limits.cpu_period_us(), 50'000u);
  EXPECT_EQ(limits.cpu_weight(), 5u);
  EXPECT_TRUE(limits.has_cpus());
  resources.unified = {
      {"memory.max", "max"}, {"memory.high", "max"}, {"pids.max", "max"}, {"cpu.max", "max"}, {"cpuset.cpus", ""}};
  limits = Guest(resources);
  EXPECT_EQ(limits.memory_bytes(), -1);
  EXPECT_EQ(limits.memory_high_bytes(), -1);
  EXPECT_EQ(limits.pids(), -1);
  EXPECT_EQ(limits.cpu_quota_us(), -1);
  EXPECT_FALSE(limits.has_cpu_period_us());
  EXPECT_EQ(limits.cpus(), 0u);
}

TEST(LimitsTest, UnifiedHasRoomOnTheHost) {
  oci::LinuxResources resources;
  resources.unified = {{"memory.max", "64M"}, {"memory.high", "32M"}, {"pids.max", "100"}, {"cpu.weight", "5"}};
  const oci::LinuxResources host = ForHost(resources);
  EXPECT_EQ(host.unified.at("memory.max"), std::to_string((64 + 16 + 2) * kMiB));
  EXPECT_EQ(host.unified.at("memory.high"), std::to_string((32 + 16 + 1) * kMiB));
  EXPECT_EQ(host.unified.at("pids.max"), "364");
  EXPECT_EQ(host.unified.at("cpu.weight"), "5");
  resources.unified = {{"memory.max", "max"}, {"pids.max", "max"}};
  EXPECT_EQ(ForHost(resources).unified, resources.unified);
}

TEST(LimitsTest, UnifiedWithoutSenseIsRefused) {
  EXPECT_THAT(Refusal("memory.max", "lots"),
              HasSubstr(R"(linux.resources.unified["memory.max"]: "lots" is not "max")"));
  for (const char* value : {"", "-1", "1Z", "16E", "9223372036854775808", "1 2"}) {
    EXPECT_THAT(Refusal("memory.high", value), HasSubstr("memory.high")) << value;
  }
  for (const char* value : {"", "-1", "1k"}) EXPECT_THAT(Refusal("pids.max", value), HasSubstr("pids.max")) << value;
  for (const char* value : {"0", "10001", "max"}) EXPECT_THAT(Refusal("cpu.weight", value), HasSubstr("cpu.weight"));
  for (const char* value : {"", "0", "999", "1000 999", "1000 1000001", "1000 0", "1 2 3", "x 100000"}) {
    EXPECT_THAT(Refusal("cpu.max", value), HasSubstr("cpu.max")) << value;
  }
  EXPECT_THAT(Refusal("cpuset.cpus", "2-1"), HasSubstr("cpuset.cpus"));
}

}  // namespace
}  // namespace runsc
