#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/mount.h>

#include "runsc-cpp/oci/annotations.h"
#include "runsc-cpp/oci/features_report.h"
#include "runsc-cpp/oci/mount_options.h"
#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/oci/spec_template.h"
#include "runsc-cpp/oci/state.h"
#include "runsc-cpp/oci/stats.h"
#include "runsc-cpp/oci/test_json.h"
#include "runsc-cpp/oci/words.h"

namespace runsc::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

ContainerState State() {
  ContainerState state;
  state.version = "1.0.2-dev";
  state.id = "hoA";
  state.pid = 16252;
  state.status = "created";
  state.bundle = "/tmp/ho/b2";
  state.rootfs = "/tmp/ho/b2/rootfs";
  state.created_ns = 1'795'857'643'794'063'473;
  return state;
}

// The expected texts are runc 1.1.5's.

TEST(StateTest, AsRuncPrintsIt) {
  EXPECT_EQ(StateToJson(State()), R"({
  "ociVersion": "1.0.2-dev",
  "id": "hoA",
  "pid": 16252,
  "status": "created",
  "bundle": "/tmp/ho/b2",
  "rootfs": "/tmp/ho/b2/rootfs",
  "created": "2026-11-28T09:20:43.794063473Z",
  "owner": ""
})");
}

TEST(StateTest, ListAsRuncPrintsIt) {
  ContainerState state = State();
  state.owner = "root";
  EXPECT_EQ(ListToJson({state}),
            R"([{"ociVersion":"1.0.2-dev","id":"hoA","pid":16252,"status":"created","bundle":"/tmp/ho/b2",)"
            R"("rootfs":"/tmp/ho/b2/rootfs","created":"2026-11-28T09:20:43.794063473Z","owner":"root"}])"
            "\n");
  EXPECT_EQ(ListToJson({}), "null\n");
  EXPECT_EQ(ListToTable({}), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(ListToTable({state}),
            "ID          PID         STATUS      BUNDLE       CREATED                          OWNER\n"
            "hoA         16252       created     /tmp/ho/b2   2026-11-28T09:20:43.794063473Z   root\n");
  EXPECT_EQ(PidsToJson({1, 22}), "[1,22]");
}

TEST(StateTest, ForHooks) {
  ContainerState state = State();
  state.annotations = {{"a", "b"}};
  EXPECT_EQ(StateForHook(state),
            R"({"ociVersion":"1.0.2-dev","id":"hoA","status":"created","pid":16252,"bundle":"/tmp/ho/b2",)"
            R"("annotations":{"a":"b"}})");
}

TEST(StateTest, TimestampsLoseTrailingZeros) {
  EXPECT_EQ(Timestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Timestamp(1'500'000'000), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(Timestamp(1'000'000'001), "1970-01-01T00:00:01.000000001Z");
}

TEST(StatsTest, AsRuncPrintsThem) {
  Stats stats;
  stats.cpu.total = 9319607;
  stats.cpu.per_cpu = {8714850, 604757};
  stats.cpuset.cpus = {0, 1};
  stats.cpuset.sched_relax_domain_level = -1;
  stats.memory.usage = {9223372036854771712u, 2514944, 2781184, 0};
  stats.memory.raw = {{"rss", 1806336}, {"cache", 0}};
  stats.pids.current = 6;
  EXPECT_EQ(
      StatsEvent("hoA", stats),
      R"({"type":"stats","id":"hoA","data":{"cpu":{"usage":{"total":9319607,"percpu":[8714850,604757],"kernel":0,)"
      R"("user":0},"throttling":{}},"cpuset":{"cpus":[0,1],"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,)"
      R"("memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,)"
      R"("sched_relax_domain_level":-1},"memory":{"usage":{"limit":9223372036854771712,"usage":2514944,"max":2781184,)"
      R"("failcnt":0},"swap":{"limit":0,"failcnt":0},"kernel":{"limit":0,"failcnt":0},"kernelTCP":{"limit":0,)"
      R"("failcnt":0},"raw":{"cache":0,"rss":1806336}},"pids":{"current":6},"blkio":{},"hugetlb":{},"intel_rdt":{},)"
      R"("network_interfaces":null}})"
      "\n");
  EXPECT_EQ(OomEvent("hoA"), "{\"type\":\"oom\",\"id\":\"hoA\"}\n");
}

TEST(StatsTest, EveryMemberIsPrinted) {
  Stats stats;
  stats.cpu.pressure.emplace().some.avg10 = "1.25";
  stats.blkio.service_bytes = {{8, 0, "Read", 7}};
  stats.hugetlb = {{"2MB", {1, 2, 0}}};
  NetworkStats eth0;
  eth0.name = "eth0";
  eth0.tx_dropped = 3;
  stats.network_interfaces = {eth0};
  const std::string line = StatsEvent("x", stats);
  EXPECT_THAT(line, HasSubstr(R"("psi":{"some":{"avg10":1.25,"avg60":0.00,"avg300":0.00,"total":0},"full":{)"));
  EXPECT_THAT(line, HasSubstr(R"("blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":7}]})"));
  EXPECT_THAT(line, HasSubstr(R"("hugetlb":{"2MB":{"usage":1,"max":2,"failcnt":0}})"));
  EXPECT_THAT(line, HasSubstr(R"("network_interfaces":[{"Name":"eth0","RxBytes":0,)"));
  EXPECT_TRUE(ParseJson(line, "events").ok());
}

TEST(FeaturesTest, TellsWhatTheTablesSay) {
  CgroupFeatures cgroup;
  cgroup.v1 = true;
  cgroup.systemd = false;
  const std::string text = FeaturesToJson(OurFeatures("0.1.0", cgroup));
  EXPECT_TRUE(ParseJson(text, "features").ok());
  EXPECT_THAT(text, StartsWith("{\n    \"ociVersionMin\": \"1.0.0\",\n    \"ociVersionMax\": \"1.2.0\",\n"));
  EXPECT_THAT(text, HasSubstr("\"cgroup\": {\n            \"v1\": true,\n            \"systemd\": false\n"));
  EXPECT_THAT(text, HasSubstr("\"potentiallyUnsafeConfigAnnotations\": [\n        \"dev.runsc-cpp.\"\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("SCMP_ACT_NOTIFY")));
  EXPECT_THAT(text, testing::Not(HasSubstr("\"time\"")));
}

TEST(TemplateTest, IsCanonicalAndParsesToItself) {
  for (const Spec& spec : {TemplateSpec(), RootlessTemplateSpec(1000, 1001)}) {
    const std::string text = SpecToJson(spec);
    EXPECT_EQ(SpecToJson(ParseSpec(text)->value), text);
  }
  EXPECT_THAT(SpecToJson(RootlessTemplateSpec(1000, 1001)), HasSubstr("\"hostID\": 1001"));
}

// --- Mount options ---

TEST(MountOptionsTest, EveryWordIsKnownAndSorted) {
  const auto words = KnownMountOptions();
  EXPECT_TRUE(std::is_sorted(words.begin(), words.end()));
  EXPECT_EQ(words.size(), 62u);
  for (const std::string& word : words) EXPECT_EQ(ParseMountOptions({word}).data, "") << word;
}

TEST(MountOptionsTest, LaterWordsWin) {
  EXPECT_EQ(ParseMountOptions({"ro", "rw"}).flags, 0u);
  EXPECT_EQ(ParseMountOptions({"ro", "rw"}).cleared, uint64_t{MS_RDONLY});
  EXPECT_EQ(ParseMountOptions({"rw", "ro"}).flags, uint64_t{MS_RDONLY});
  EXPECT_EQ(ParseMountOptions({"rro", "rrw"}).recursive_clear, uint64_t{MOUNT_ATTR_RDONLY});
  EXPECT_EQ(ParseMountOptions({"rro", "rrw"}).recursive_set, 0u);
  EXPECT_TRUE(ParseMountOptions({"ridmap"}).recursive_idmap);
  EXPECT_FALSE(ParseMountOptions({"ridmap", "idmap"}).recursive_idmap);
}

TEST(MountOptionsTest, NegativeWordsUndoPositiveOnes) {
  for (const char* pair : {"dev", "exec", "suid", "atime", "diratime", "symfollow", "mand", "relatime", "strictatime",
                           "iversion", "lazytime"}) {
    const std::string no = std::string("no") + pair;
    const MountOptions both = ParseMountOptions({pair, no}), reverse = ParseMountOptions({no, pair});
    EXPECT_EQ(both.flags, reverse.cleared) << pair;
    EXPECT_EQ(both.cleared, reverse.flags) << pair;
    EXPECT_NE(both.flags | both.cleared, 0u) << pair;
  }
}

TEST(MountOptionsTest, TimesClearTheWholeMask) {
  EXPECT_EQ(ParseMountOptions({"rnoatime"}).recursive_set, uint64_t{MOUNT_ATTR_NOATIME});
  EXPECT_EQ(ParseMountOptions({"rnoatime"}).recursive_clear, uint64_t{MOUNT_ATTR__ATIME});
  EXPECT_EQ(ParseMountOptions({"rnosuid"}).recursive_clear, 0u);
}

TEST(MountOptionsTest, PropagationAndData) {
  const MountOptions o = ParseMountOptions({"mode=755", "rprivate", "size=1k", "shared", "defaults", "tmpcopyup"});
  EXPECT_EQ(o.data, "mode=755,size=1k");
  EXPECT_THAT(o.propagation, ElementsAre(uint64_t{MS_PRIVATE | MS_REC}, uint64_t{MS_SHARED}));
  EXPECT_TRUE(o.copy_up);
  for (const std::string_view word : kPropagations) EXPECT_EQ(PropagationFlags(word) == 0, word.empty()) << word;
  EXPECT_EQ(PropagationFlags("ro"), 0u);
}

// --- Annotations ---

class AnnotationsTest : public testing::Test {
 protected:
  SandboxSettings Apply(const std::string& name, const std::string& value) {
    AnnotatedSettings result = ApplyAnnotations(given_, {{"dev.runsc-cpp." + name, value}, {"other", "x"}});
    refusals_ = std::move(result.refusals);
    return result.settings;
  }
  SandboxSettings given_;
  std::vector<std::string> refusals_;
};

TEST_F(AnnotationsTest, OverlayOnlyOn) {
  EXPECT_TRUE(Apply("overlay", "true").overlay);
  EXPECT_THAT(refusals_, IsEmpty());
  given_.overlay = true;
  EXPECT_TRUE(Apply("overlay", "false").overlay);
  EXPECT_THAT(refusals_, ElementsAre("annotation dev.runsc-cpp.overlay: \"false\" would let writes through to the "
                                     "host's files"));
  Apply("overlay", "yes");
  EXPECT_THAT(refusals_, ElementsAre(HasSubstr("is not true or false")));
}

TEST_F(AnnotationsTest, NetworkOnlyToLess) {
  EXPECT_EQ(Apply("network", "none").network, "none");
  given_.network = "none";
  EXPECT_EQ(Apply("network", "passthrough").network, "none");
  EXPECT_THAT(refusals_, ElementsAre(HasSubstr("would reach more than none")));
  EXPECT_EQ(Apply("network", "host").network, "none");
  EXPECT_THAT(refusals_, ElementsAre(HasSubstr("is not one of none, sandbox, passthrough")));
}

TEST_F(AnnotationsTest, PlatformOnlyOfTheList) {
  EXPECT_EQ(Apply("platform", "ptrace").platform, "auto");
  EXPECT_EQ(refusals_.size(), 1u);
  given_.tenant_platforms = {"ptrace"};
  EXPECT_EQ(Apply("platform", "ptrace").platform, "ptrace");
  EXPECT_THAT(refusals_, IsEmpty());
}

TEST_F(AnnotationsTest, LogsOnlyByLeave) {
  for (const char* name : {"strace", "debug"}) {
    given_.tenant_logs = false;
    EXPECT_FALSE(Apply(name, "true").strace || Apply(name, "true").debug);
    EXPECT_EQ(refusals_.size(), 1u);
    Apply(name, "false");
    EXPECT_THAT(refusals_, IsEmpty());
    given_.tenant_logs = true;
    EXPECT_TRUE(Apply(name, "true").strace || Apply(name, "true").debug);
  }
}

TEST_F(AnnotationsTest, LimitsOnlyDown) {
  EXPECT_EQ(Apply("memory", "1000").memory_limit, 1000u);
  given_.memory_limit = 500;
  given_.cpus = 2;
  EXPECT_EQ(Apply("memory", "1000").memory_limit, 500u);
  EXPECT_EQ(refusals_.size(), 1u);
  EXPECT_EQ(Apply("cpus", "1").cpus, 1u);
  for (const char* bad : {"0", "-1", "", "1k", "99999999999999999999"}) {
    EXPECT_EQ(Apply("cpus", bad).cpus, 2u) << bad;
    EXPECT_EQ(refusals_.size(), 1u) << bad;
  }
}

TEST_F(AnnotationsTest, UnknownOnesOfOursAreRefused) {
  Apply("rootfs", "x");
  EXPECT_THAT(refusals_, ElementsAre("annotation dev.runsc-cpp.rootfs: \"x\" is not known"));
  EXPECT_EQ(AnnotationRules().size(), 7u);
}

}  // namespace
}  // namespace runsc::oci
