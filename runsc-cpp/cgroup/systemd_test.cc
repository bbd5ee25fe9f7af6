// The systemd driver against a fake systemd, over its real protocol.
#include "runsc-cpp/cgroup/systemd.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/cgroup/fake_tree.h"
#include "runsc-cpp/cgroup/unit_properties.h"
#include "runsc-cpp/dbus/fake_peer.h"

namespace runsc::cgroup {
namespace {

using dbus::BodyReader;
using dbus::BodyWriter;
using dbus::FakePeer;
using dbus::Message;
using dbus::Value;

constexpr char kManager[] = "org.freedesktop.systemd1.Manager";

Message JobRemoved(const std::string& job, const std::string& unit, const std::string& result) {
  BodyWriter body;
  body.Put(uint32_t{1});
  body.PutString(job);
  body.PutString(unit);
  body.PutString(result);
  Message m;
  m.type = dbus::MessageType::kSignal;
  m.serial = 9;
  m.path = "/org/freedesktop/systemd1";
  m.interface = kManager;
  m.member = "JobRemoved";
  m.signature = "uoss";
  m.body = body.bytes();
  return m;
}

Message ReplyWith(const Message& call, const char* signature, const Value& value) {
  BodyWriter body;
  if (std::string(signature) == "v")
    body.PutVariant(value);
  else
    body.Put(value);
  return FakePeer::Reply(call, signature, body.bytes());
}

// Records the calls; every job ends with `result`, whose signal comes first.
struct FakeSystemd {
  explicit FakeSystemd(std::string result = "done")
      : job_result(std::move(result)), peer([this](const Message& call) { return Answer(call); }) {}

  std::vector<Message> Answer(const Message& call) {
    const std::string unit = call.signature[0] == 's' ? BodyReader(call.body).String() : "";
    calls.push_back(absl::StrCat(call.member, " ", unit));
    if (call.member == "Get") {
      BodyReader body(call.body);
      body.String();
      const std::string name = body.String();
      return {ReplyWith(call, "v", std::string(name == "Version" ? "252.1-1~deb12" : "/user.slice/u@1.service"))};
    }
    if (call.member == "StartTransientUnit" && exists_left > 0 && exists_left-- > 0) {
      return {FakePeer::Error(call, "org.freedesktop.systemd1.UnitExists", "Unit was already loaded.")};
    }
    if (call.member == "StopUnit" && no_such_unit) {
      return {FakePeer::Error(call, "org.freedesktop.systemd1.NoSuchUnit", "Unit not loaded.")};
    }
    if (call.member == "StartTransientUnit") start_body = call.body;
    if (call.member == "StartTransientUnit" || call.member == "StopUnit") {
      const std::string job = "/org/freedesktop/systemd1/job/77";
      return {JobRemoved("/other", unit, "failed"), JobRemoved(job, unit, job_result),
              ReplyWith(call, "o", dbus::ObjectPath{job})};
    }
    return {FakePeer::Reply(call)};
  }

  std::unique_ptr<Systemd> Connect(dbus::PeerKind kind = dbus::PeerKind::kDirect) {
    auto systemd = Systemd::Connect({{kind, peer.path()}});
    EXPECT_TRUE(systemd.ok()) << systemd.status();
    return systemd.ok() ? *std::move(systemd) : nullptr;
  }

  std::vector<std::string> calls;
  std::string start_body;
  std::string job_result;
  int exists_left = 0;
  bool no_such_unit = false;
  FakePeer peer;  // last: its thread uses the others
};

using Calls = std::vector<std::string>;

TEST(Systemd, StartsAUnitAndWaitsForItsJob) {
  FakeSystemd fake;
  auto systemd = fake.Connect();
  ASSERT_TRUE(systemd->StartTransient("runc-x.scope", {{"Delegate", true}}, IfExists::kFail).ok());
  EXPECT_EQ(fake.calls, (Calls{"StartTransientUnit runc-x.scope"}));
}

TEST(Systemd, OnABusItSubscribesFirst) {
  FakeSystemd fake;
  auto systemd = fake.Connect(dbus::PeerKind::kBus);
  ASSERT_TRUE(systemd->StartTransient("a.scope", {}, IfExists::kFail).ok());
  EXPECT_EQ(fake.calls.front(), "Hello ");
  EXPECT_TRUE(absl::StartsWith(fake.calls[1], "AddMatch type='signal'"));
  EXPECT_EQ(fake.calls[2], "Subscribe ");
}

TEST(Systemd, AJobThatFailsIsAnErrorAndTheUnitReset) {
  FakeSystemd fake("failed");
  auto systemd = fake.Connect();
  EXPECT_EQ(systemd->StartTransient("a.scope", {}, IfExists::kFail).message(),
            "error creating systemd unit `a.scope`: got `failed`");
  EXPECT_EQ(fake.calls.back(), "ResetFailedUnit a.scope");
}

TEST(Systemd, AFailedUnitInTheWayIsClearedOnce) {
  FakeSystemd fake;
  fake.exists_left = 1;
  auto systemd = fake.Connect();
  ASSERT_TRUE(systemd->StartTransient("a.scope", {}, IfExists::kFail).ok());
  EXPECT_EQ(fake.calls, (Calls{"StartTransientUnit a.scope", "ResetFailedUnit a.scope", "StartTransientUnit a.scope"}));
}

TEST(Systemd, AUnitThatExistsMayBeAccepted) {
  FakeSystemd fake;
  fake.exists_left = 9;
  auto systemd = fake.Connect();
  EXPECT_TRUE(systemd->StartTransient("a.slice", {}, IfExists::kAccept).ok());
  EXPECT_FALSE(systemd->StartTransient("a.scope", {}, IfExists::kFail).ok());
}

TEST(Systemd, StopsAUnitThatMayBeGone) {
  FakeSystemd fake;
  auto systemd = fake.Connect();
  ASSERT_TRUE(systemd->Stop("a.scope").ok());
  EXPECT_EQ(fake.calls, (Calls{"StopUnit a.scope", "ResetFailedUnit a.scope"}));
  fake.no_such_unit = true;
  EXPECT_TRUE(systemd->Stop("a.scope").ok());
}

TEST(Systemd, TellsVersionAndControlGroup) {
  FakeSystemd fake;
  auto systemd = fake.Connect();
  EXPECT_EQ(systemd->Version(), 252);
  EXPECT_EQ(systemd->Version(), 252);
  EXPECT_EQ(*systemd->ControlGroup(), "/user.slice/u@1.service");
  EXPECT_EQ(fake.calls.size(), 2u);
}

TEST(Systemd, NobodyThereSaysSo) {
  EXPECT_EQ(Systemd::Connect({{dbus::PeerKind::kBus, "/nonexistent"}}).status().message(),
            "can't reach systemd: D-Bus: connect to /nonexistent: No such file or directory");
}

TEST(Systemd, VersionsAreParsed) {
  EXPECT_EQ(ParseSystemdVersion("v245.4-1.fc32"), 245);
  EXPECT_EQ(ParseSystemdVersion("252"), 252);
  EXPECT_EQ(ParseSystemdVersion("new"), -1);
}

TEST(Driver, ACgroupIsAScope) {
  FakeTree tree;
  tree.Put("cgroup.controllers", "cpu memory pids\n");
  tree.Put("system.slice/runc-c1.scope/memory.max", "");
  tree.Put("system.slice/runc-c1.scope/cgroup.procs", "");
  FakeSystemd fake;
  Host host;
  host.layout = tree.Unified();
  host.systemd = {{dbus::PeerKind::kDirect, fake.peer.path()}};
  auto cgroup = Cgroup::At(host, *ParseCgroupsPath(Driver::kSystemd, "", "c1"));
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 1 << 20;
  absl::Status s = cgroup->Create(r, 1234, {{"org.systemd.property.TimeoutStopSec", "uint64 5"}});
  ASSERT_TRUE(s.ok()) << s;
  s = cgroup->Apply(r);
  ASSERT_TRUE(s.ok()) << s;
  EXPECT_EQ(tree.Get("system.slice/runc-c1.scope/memory.max"), "1048576");
  (void)cgroup->Delete();
  EXPECT_EQ(fake.calls,
            (Calls{"StartTransientUnit runc-c1.scope", "Get org.freedesktop.systemd1.Manager",
                   "SetUnitProperties runc-c1.scope", "StopUnit runc-c1.scope", "ResetFailedUnit runc-c1.scope"}));
  EXPECT_TRUE(absl::StrContains(fake.start_body, "TimeoutStopUSec"));
  EXPECT_TRUE(absl::StrContains(fake.start_body, "PIDs"));
}

Properties V2(const oci::LinuxResources& r, int version = 252) {
  const auto p = ResourcePropertiesV2(r, version);
  EXPECT_TRUE(p.ok()) << p.status();
  return p.value_or(Properties());
}

TEST(UnitProperties, OfANewScopeAndSlice) {
  const Location scope = *ParseCgroupsPath(Driver::kSystemd, "pod.slice:cri:c1", "c1");
  EXPECT_EQ(NewUnitProperties(scope, Mode::kUnified, false, 7),
            (Properties{{"Description", std::string("runsc-cpp container c1")},
                        {"Slice", std::string("pod.slice")},
                        {"Delegate", true},
                        {"PIDs", std::vector<uint32_t>{7}},
                        {"MemoryAccounting", true},
                        {"CPUAccounting", true},
                        {"IOAccounting", true},
                        {"TasksAccounting", true},
                        {"DefaultDependencies", false}}));
  const Location slice = *ParseCgroupsPath(Driver::kSystemd, "a.slice:x:a-b.slice", "c1");
  const Properties p = NewUnitProperties(slice, Mode::kHybrid, false, 0);
  EXPECT_EQ(p[1], dbus::Property("Wants", std::vector<std::string>{"a.slice"}));
  EXPECT_EQ(p[4], dbus::Property("BlockIOAccounting", true));
}

TEST(UnitProperties, OfResources) {
  oci::LinuxResources r;
  r.memory.emplace();
  r.memory->limit = 100;
  r.memory->swap = 300;
  r.memory->reservation = 50;
  r.cpu.emplace();
  r.cpu->shares = 1024;
  r.cpu->quota = 33333;
  r.cpu->period = 100000;
  r.cpu->cpus = "0,2";
  r.pids.emplace();
  r.pids->limit = -1;
  EXPECT_EQ(V2(r), (Properties{{"MemoryMax", uint64_t{100}},
                               {"MemoryLow", uint64_t{50}},
                               {"MemorySwapMax", uint64_t{200}},
                               {"CPUWeight", uint64_t{100}},
                               {"CPUQuotaPeriodUSec", uint64_t{100000}},
                               {"CPUQuotaPerSecUSec", uint64_t{340000}},  // rounded up to 1 %
                               {"TasksMax", ~uint64_t{0}},
                               {"AllowedCPUs", dbus::Bytes{"\x05"}}}));
  r.block_io.emplace();
  r.block_io->weight = 500;
  const auto v1 = ResourcePropertiesV1(r, 200);  // too old for a period and CPU masks
  ASSERT_TRUE(v1.ok());
  EXPECT_EQ(*v1, (Properties{{"MemoryLimit", uint64_t{100}},
                             {"CPUShares", uint64_t{1024}},
                             {"CPUQuotaPerSecUSec", uint64_t{340000}},
                             {"BlockIOWeight", uint64_t{500}},
                             {"TasksMax", ~uint64_t{0}}}));
}

TEST(UnitProperties, NoQuotaIsInfinity) {
  oci::LinuxResources r;
  r.cpu.emplace();
  r.cpu->quota = -1;
  EXPECT_EQ(V2(r), (Properties{{"CPUQuotaPerSecUSec", ~uint64_t{0}}}));
}

TEST(UnitProperties, OfUnified) {
  oci::LinuxResources r;
  r.unified = {{"cpu.max", "20000 100000"}, {"cpu.idle", "1"},   {"cpu.weight", "5"},
               {"memory.high", "max"},      {"pids.max", "7\n"}, {"other.file", "x"}};
  EXPECT_EQ(V2(r), (Properties{{"CPUWeight", uint64_t{0}},
                               {"CPUQuotaPeriodUSec", uint64_t{100000}},
                               {"CPUQuotaPerSecUSec", uint64_t{200000}},
                               {"MemoryHigh", ~uint64_t{0}},
                               {"TasksMax", uint64_t{7}}}));
  r.unified = {{"memory.max", "lots"}};
  EXPECT_FALSE(ResourcePropertiesV2(r, 252).ok());
  r.unified = {{"cpu.max", "1 2 3"}};
  EXPECT_FALSE(ResourcePropertiesV2(r, 252).ok());
}

TEST(VariantText, IsParsed) {
  EXPECT_EQ(*ParseVariantText("true"), Value(true));
  EXPECT_EQ(*ParseVariantText("5"), Value(int32_t{5}));
  EXPECT_EQ(*ParseVariantText("uint64 5"), Value(uint64_t{5}));
  EXPECT_EQ(*ParseVariantText("-1.5"), Value(-1.5));
  EXPECT_EQ(*ParseVariantText("'it\\'s'"), Value(std::string("it's")));
  EXPECT_EQ(*ParseVariantText("['a', \"b\"]"), Value(std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*ParseVariantText("@as []"), Value(std::vector<std::string>{}));
  for (const char* bad : {"", "x", "'open", "['a'", "['a' 'b']", "uint64 -1", "uint64", "{'a': 1}", "99999999999"}) {
    EXPECT_FALSE(ParseVariantText(bad).ok()) << bad;
  }
}

TEST(AnnotationProperties, SecondsBecomeMicroseconds) {
  const auto p = AnnotationProperties({{"org.systemd.property.TimeoutStopSec", "1.5"},
                                       {"org.systemd.property.CollectMode", "'inactive-or-failed'"},
                                       {"org.systemd.property.RuntimeMaxUSec", "uint64 7"},
                                       {"other", "x"}});
  ASSERT_TRUE(p.ok()) << p.status();
  EXPECT_EQ(*p, (Properties{{"CollectMode", std::string("inactive-or-failed")},
                            {"RuntimeMaxUSec", uint64_t{7}},
                            {"TimeoutStopUSec", uint64_t{1500000}}}));
  EXPECT_FALSE(AnnotationProperties({{"org.systemd.property.a-b", "true"}}).ok());
  EXPECT_FALSE(AnnotationProperties({{"org.systemd.property.FooSec", "'x'"}}).ok());
}

}  // namespace
}  // namespace runsc::cgroup
