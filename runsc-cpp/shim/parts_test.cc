// The parts that need no loop: addresses, options, command lines, logs, mount options.
#include "gtest/gtest.h"
#include "runsc-cpp/shim/address.h"
#include "runsc-cpp/shim/container.h"
#include "runsc-cpp/shim/invocation.h"
#include "runsc-cpp/shim/logger.h"
#include "runsc-cpp/shim/measures.h"
#include "runsc-cpp/shim/metrics_v1.pb.h"
#include "runsc-cpp/shim/metrics_v2.pb.h"
#include "runsc-cpp/shim/options.h"
#include "runsc-cpp/shim/options.pb.h"
#include "runsc-cpp/shim/rootfs.h"

namespace runsc::shim {
namespace {

TEST(AddressTest, Sha256) {
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(AddressTest, FitsIntoASocketsAddress) {
  const std::string path = SocketPath("/run/containerd/containerd.sock", std::string(200, 'n'), std::string(200, 'g'));
  EXPECT_LT(path.size(), 100u);
  EXPECT_NE(path, SocketPath("/run/containerd/containerd.sock", "k8s.io", "g"));
}

TEST(InvocationTest, Flags) {
  const auto got = ParseInvocation({"shim", "-namespace", "k8s.io", "--id=x", "-debug", "-address", "/a", "start"});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->space, "k8s.io");
  EXPECT_EQ(got->id, "x");
  EXPECT_TRUE(got->debug);
  EXPECT_EQ(got->action, "start");
  EXPECT_TRUE(ParseInvocation({"shim", "-v"}).ok());
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"shim"}, {"shim", "-namespace"}, {"shim", "-namespace", "a", "stop"}, {"shim", "-nonsense"}}) {
    EXPECT_FALSE(ParseInvocation(wrong).ok());
  }
}

TEST(InvocationTest, Group) {
  EXPECT_EQ(*GroupOf("{}", "me"), "me");
  EXPECT_EQ(*GroupOf(R"({"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}})", "me"), "pod");
  EXPECT_EQ(
      *GroupOf(R"({"annotations":{"io.kubernetes.cri.sandbox-id":"pod","io.containerd.runc.v2.group":"g"}})", "me"),
      "g");
  EXPECT_FALSE(GroupOf("{", "me").ok());
}

TEST(OptionsTest, OfRunc) {
  containerd::runc::v1::Options options;
  options.set_binary_name("/usr/bin/x");
  options.set_systemd_cgroup(true);
  Any any;
  any.set_type_url("containerd.runc.v1.Options");
  any.set_value(options.SerializeAsString());
  const auto config = DecodeOptions(any);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->binary, "/usr/bin/x");
  EXPECT_TRUE(config->systemd_cgroup);
  any.set_value("\xff\xff\xff");
  EXPECT_FALSE(DecodeOptions(any).ok());
  any.set_type_url("something.else");
  EXPECT_FALSE(DecodeOptions(any).ok());
  EXPECT_TRUE(DecodeOptions(Any()).ok());
}

TEST(OptionsTest, OfAFile) {
  const auto config = ParseConfig(
      "# ours\nbinary_name = \"/usr/bin/x\"  # why\n[section]\nSystemdCgroup = true\nio_uid = 7\nroot = '/r'\n", "f");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->binary, "/usr/bin/x");
  EXPECT_TRUE(config->systemd_cgroup);
  EXPECT_EQ(config->io_uid, 7u);
  EXPECT_EQ(config->root, "/r");
  for (const char* wrong : {"root", "root =", "root = \"x", "unknown = 1", "io_uid = -1", "systemd_cgroup = 7x"}) {
    EXPECT_FALSE(ParseConfig(wrong, "f").ok()) << wrong;
  }
}

TEST(RuntimeTest, LastErrorOfALog) {
  EXPECT_EQ(LastError(""), "");
  EXPECT_EQ(LastError("no json\n{\"level\":\"error\",\"msg\":\"one\"}\n{\"level\":\"error\",\"msg\":\"two\"}\n"
                      "{\"level\":\"info\",\"msg\":\"three\"}\n{\"level\":"),
            "two");
}

TEST(LoggerTest, Uri) {
  const auto uri = ParseLoggerUri("binary:///usr/bin/log?a=1&b=two%20words");
  ASSERT_TRUE(uri.ok());
  EXPECT_EQ(uri->path, "/usr/bin/log");
  EXPECT_EQ(uri->args, (std::vector<std::string>{"a", "1", "b", "two words"}));
  for (const char* wrong : {"binary://", "binary://relative", "file:///x", "binary:///a%0", "binary:///a%00"}) {
    EXPECT_FALSE(ParseLoggerUri(wrong).ok()) << wrong;
  }
}

TEST(ContainerTest, Ids) {
  for (const char* good : {"a", "0123456789abcdef", "a.b-c_d"}) EXPECT_TRUE(IsValidId(good)) << good;
  for (const std::string& bad : {std::string(), std::string(".."), std::string("a/b"), std::string("a\0b", 3),
                                 std::string("-a"), std::string(77, 'a')}) {
    EXPECT_FALSE(IsValidId(bad)) << bad;
  }
}

TEST(RootfsTest, LowerFoldersShareTheirBeginning) {
  EXPECT_EQ(CompactLowerDirs("lowerdir=/a/1/fs:/a/2/fs", 4095).directory, "");
  const CompactOptions compact =
      CompactLowerDirs("index=off,lowerdir=/v/s/12/fs:/v/s/1/fs:/v/s/3/fs,upperdir=/v/s/4/fs", 10);
  EXPECT_EQ(compact.directory, "/v/s/");
  EXPECT_EQ(compact.data, "index=off,lowerdir=12/fs:1/fs:3/fs,upperdir=/v/s/4/fs");
  EXPECT_EQ(CompactLowerDirs("lowerdir=/a/1:/b/2", 4).directory, "");
}

TEST(MeasuresTest, Versions) {
  oci::Stats stats;
  stats.cpu.total = 5000;
  stats.memory.usage.usage = 100;
  stats.memory.swap = {.limit = UINT64_MAX, .usage = 130, .max = 0, .failcnt = 0};
  stats.memory.raw = {{"total_inactive_file", 7}, {"inactive_file", 8}};
  stats.blkio.service_bytes = {{.major = 8, .minor = 1, .op = "Write", .value = 9}};
  const Any v1 = MetricsV1(stats), v2 = MetricsV2(stats);
  EXPECT_EQ(v1.type_url(), "io.containerd.cgroups.v1.Metrics");
  EXPECT_EQ(v2.type_url(), "io.containerd.cgroups.v2.Metrics");
  io::containerd::cgroups::v1::Metrics one;
  ASSERT_TRUE(one.ParseFromString(v1.value()));
  EXPECT_EQ(one.cpu().usage().total(), 5000u);
  EXPECT_EQ(one.memory().total_inactive_file(), 7u);
  EXPECT_EQ(one.blkio().io_service_bytes_recursive(0).value(), 9u);
  io::containerd::cgroups::v2::Metrics two;
  ASSERT_TRUE(two.ParseFromString(v2.value()));
  EXPECT_EQ(two.cpu().usage_usec(), 5u);
  EXPECT_EQ(two.memory().inactive_file(), 8u);
  EXPECT_EQ(two.memory().swap_usage(), 30u);
  EXPECT_EQ(two.memory().swap_limit(), UINT64_MAX);
  EXPECT_EQ(two.io().usage(0).wbytes(), 9u);
}

}  // namespace
}  // namespace runsc::shim
