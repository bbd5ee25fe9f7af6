#include "runsc-cpp/cgroup/stats.h"

#include <gtest/gtest.h>

#include "runsc-cpp/cgroup/fake_tree.h"

namespace runsc::cgroup {
namespace {

TEST(StatsV1, ReadsAllControllers) {
  FakeTree tree;
  tree.Put("cpu/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 4000\n");
  tree.Put("cpuacct/cpuacct.stat", "user 300\nsystem 200\n");
  tree.Put("cpuacct/cpuacct.usage", "5000000001\n");
  tree.Put("cpuacct/cpuacct.usage_percpu", "3000000000 2000000001 \n");
  tree.Put("cpuacct/cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4\n");
  tree.Put("cpuset/cpuset.cpus", "0-2,5\n");
  tree.Put("cpuset/cpuset.mems", "0\n");
  tree.Put("cpuset/cpuset.sched_load_balance", "1\n");
  tree.Put("cpuset/cpuset.sched_relax_domain_level", "-1\n");
  tree.Put("memory/memory.stat", "cache 512\nrss 1024\ntotal_cache 600\n");
  tree.Put("memory/memory.usage_in_bytes", "2048\n");
  tree.Put("memory/memory.max_usage_in_bytes", "4096\n");
  tree.Put("memory/memory.failcnt", "100\n");
  tree.Put("memory/memory.limit_in_bytes", "8192\n");
  tree.Put("pids/pids.current", "3\n");
  tree.Put("pids/pids.max", "max\n");
  tree.Put("blkio/blkio.throttle.io_service_bytes_recursive",
           "8:0 Read 100\n8:0 Write 200\n8:0 Total 300\nTotal 300\n");
  tree.Put("blkio/blkio.throttle.io_serviced_recursive", "8:0 Read 1\nTotal 1\n");
  Paths paths;
  for (const char* c : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio"}) paths[c] = tree.Path(c);
  const auto stats = StatsV1(paths);
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cpu.total, 5000000001u);
  EXPECT_EQ(stats->cpu.user, 3000000000u);
  EXPECT_EQ(stats->cpu.kernel, 2000000000u);
  EXPECT_EQ(stats->cpu.per_cpu, (std::vector<uint64_t>{3000000000, 2000000001}));
  EXPECT_EQ(stats->cpu.per_cpu_user, (std::vector<uint64_t>{1, 3}));
  EXPECT_EQ(stats->cpu.per_cpu_kernel, (std::vector<uint64_t>{2, 4}));
  EXPECT_EQ(stats->cpu.periods, 10u);
  EXPECT_EQ(stats->cpu.throttled_periods, 4u);
  EXPECT_EQ(stats->cpu.throttled_time, 4000u);
  EXPECT_EQ(stats->cpuset.cpus, (std::vector<uint16_t>{0, 1, 2, 5}));
  EXPECT_EQ(stats->cpuset.sched_load_balance, 1u);
  EXPECT_EQ(stats->cpuset.sched_relax_domain_level, -1);
  EXPECT_EQ(stats->memory.cache, 512u);
  EXPECT_EQ(stats->memory.usage.usage, 2048u);
  EXPECT_EQ(stats->memory.usage.max, 4096u);
  EXPECT_EQ(stats->memory.usage.failcnt, 100u);
  EXPECT_EQ(stats->memory.usage.limit, 8192u);
  EXPECT_EQ(stats->memory.swap.limit, 0u);  // not accounted
  EXPECT_EQ(stats->memory.raw.at("rss"), 1024u);
  EXPECT_EQ(stats->pids.current, 3u);
  EXPECT_EQ(stats->pids.limit, 0u);
  ASSERT_EQ(stats->blkio.service_bytes.size(), 3u);
  EXPECT_EQ(stats->blkio.service_bytes[1].op, "Write");
  EXPECT_EQ(stats->blkio.service_bytes[1].value, 200u);
  EXPECT_EQ(stats->blkio.serviced.size(), 1u);
}

TEST(StatsV1, NothingThereIsAllZero) {
  FakeTree tree;
  Paths paths;
  for (const char* c : {"cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb"}) {
    paths[c] = tree.Path(c);
  }
  const auto stats = StatsV1(paths);
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cpu.total, 0u);
}

TEST(StatsV1, AMalformedLineIsAnErrorWithTheFile) {
  FakeTree tree;
  tree.Put("memory/memory.stat", "cache many\n");
  const auto stats = StatsV1({{"memory", tree.Path("memory")}});
  EXPECT_EQ(stats.status().message(),
            "read " + tree.Path("memory/memory.stat") + ": not \"key number\": \"cache many\"");
}

TEST(StatsV2, ReadsAllControllersInV1sUnits) {
  FakeTree tree;
  tree.Put("cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 1\nthrottled_usec 7\n");
  tree.Put("cpu.pressure",
           "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.25 avg300=0.00 total=3\n");
  tree.Put("memory.stat", "anon 10\nfile 77\n");
  tree.Put("memory.current", "1000\n");
  tree.Put("memory.max", "4000\n");
  tree.Put("memory.peak", "1500\n");
  tree.Put("memory.events", "low 0\nmax 6\noom_kill 2\n");
  tree.Put("memory.swap.current", "50\n");
  tree.Put("memory.swap.max", "500\n");
  tree.Put("pids.current", "3\n");
  tree.Put("pids.max", "99\n");
  tree.Put("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n(unknown) rbytes=1\n");
  const auto stats = StatsV2(tree.root());
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cpu.total, 5000u);
  EXPECT_EQ(stats->cpu.user, 3000u);
  EXPECT_EQ(stats->cpu.kernel, 2000u);
  EXPECT_EQ(stats->cpu.throttled_time, 7000u);
  ASSERT_TRUE(stats->cpu.pressure.has_value());
  EXPECT_EQ(stats->cpu.pressure->some.avg10, "1.50");
  EXPECT_EQ(stats->cpu.pressure->full.avg60, "0.25");
  EXPECT_EQ(stats->cpu.pressure->full.total, 3u);
  EXPECT_EQ(stats->memory.cache, 77u);
  EXPECT_EQ(stats->memory.usage.usage, 1000u);
  EXPECT_EQ(stats->memory.usage.limit, 4000u);
  EXPECT_EQ(stats->memory.usage.max, 1500u);
  EXPECT_EQ(stats->memory.usage.failcnt, 6u);
  EXPECT_EQ(stats->memory.swap.usage, 1050u);
  EXPECT_EQ(stats->memory.swap.limit, 4500u);
  EXPECT_EQ(stats->pids.limit, 99u);
  ASSERT_EQ(stats->blkio.service_bytes.size(), 2u);
  EXPECT_EQ(stats->blkio.service_bytes[0].op, "Read");
  EXPECT_EQ(stats->blkio.serviced[1].value, 4u);
}

TEST(StatsV2, WithoutPidsControllerProcessesAreCounted) {
  FakeTree tree;
  tree.Put("cgroup.procs", "1\n2\n");
  tree.Put("memory.swap.current", "50\n");
  const auto stats = StatsV2(tree.root());
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->pids.current, 2u);
}

TEST(HugepageSizes, AreSpelledAsInCgroupFiles) {
  FakeTree tree;
  for (const char* name : {"hugepages-2048kB", "hugepages-1048576kB", "hugepages-64kB", "other"}) {
    std::filesystem::create_directories(tree.Path(name));
  }
  EXPECT_EQ(HugepageSizes(tree.root()), (std::vector<std::string>{"1GB", "2MB", "64KB"}));
}

}  // namespace
}  // namespace runsc::cgroup
