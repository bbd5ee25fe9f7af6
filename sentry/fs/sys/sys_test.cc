#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sentry/fs/sys/sys_fs.h"
#include "sentry/fs/sys/sys_node.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"

namespace sentry {
namespace {

class FakeView final : public SysView {
 public:
  uint32_t CpuCount() override { return cpus; }
  Memory GetMemory() override { return {uint64_t{1} << 30, uint64_t{1} << 29}; }
  bool HugePages() override { return huge; }
  uint32_t cpus = 3;
  bool huge = true;
};

NetDevice Loopback() {
  NetDevice lo;
  lo.name = "lo";
  lo.index = lo.link_index = 1;
  lo.flags = 9;   // IFF_UP | IFF_LOOPBACK
  lo.type = 772;  // ARPHRD_LOOPBACK
  lo.mtu = 65536;
  lo.address.assign(6, 0);
  lo.broadcast.assign(6, 0);
  return lo;
}

class FakeNet final : public NetDevices {
 public:
  std::vector<NetDevice> List() override { return devices; }
  std::vector<NetDevice> devices = {Loopback()};
};

class Names final : public DirSink {
 public:
  bool Add(std::string_view name, uint64_t ino, uint32_t, int64_t) override {
    names.emplace(name);
    inos.insert(ino);
    return true;
  }
  std::set<std::string> names;
  std::set<uint64_t> inos;
};

class SysTest : public testing::Test {
 protected:
  SysTest() {
    SysMount sys = NewSysFs(view_, net_);
    mounts_ = MakeRef<MountNamespace>(MakeRef<Mount>(std::move(sys.fs), std::move(sys.root), MountFlags{}));
    ctx_.creds = MakeRef<Credentials>();
    ctx_.creds->effective = CapabilitySet::All();
    ctx_.root = ctx_.cwd = mounts_->root();
    ctx_.mounts = mounts_.get();
  }
  Result<std::string> Read(const std::string& path) {
    RefPtr<FileDescription> file = TRY(Open(ctx_, ctx_.cwd, path, {.flags = abi::kORdOnly, .resolve = {}}));
    std::string text(4096, '\0');
    KernelIoSink sink(std::as_writable_bytes(std::span(text)));
    text.resize(TRY(file->Read(ctx_, sink)));
    return text;
  }
  std::string Text(const std::string& path) {
    const Result<std::string> text = Read(path);
    return text.ok() ? *text : "error " + std::to_string(static_cast<int>(text.error()));
  }
  Names List(const std::string& path) {
    Names names;
    Result<RefPtr<FileDescription>> file =
        Open(ctx_, ctx_.cwd, path, {.flags = abi::kORdOnly | abi::kODirectory, .resolve = {}});
    if (file.ok()) (void)(*file)->IterateDir(ctx_, names);
    return names;
  }

  std::shared_ptr<FakeView> view_ = std::make_shared<FakeView>();
  std::shared_ptr<FakeNet> net_ = std::make_shared<FakeNet>();
  RefPtr<MountNamespace> mounts_;
  VfsContext ctx_;
};

TEST(CpuText, Ranges) {
  EXPECT_EQ(CpuRangeText(0, 1), "0");
  EXPECT_EQ(CpuRangeText(0, 4), "0-3");
  EXPECT_EQ(CpuRangeText(2, 0), "");
}

TEST(CpuText, BitsHaveTheWidthOfAllCpus) {
  EXPECT_EQ(CpuBitsText(0, 2, 2), "3");
  EXPECT_EQ(CpuBitsText(1, 1, 8), "02");
  EXPECT_EQ(CpuBitsText(0, 1, 32), "00000001");
  EXPECT_EQ(CpuBitsText(33, 1, 34), "2,00000000");
}

TEST_F(SysTest, CpusFollowTheCount) {
  EXPECT_EQ(Text("/devices/system/cpu/online"), "0-2\n");
  EXPECT_EQ(Text("/devices/system/cpu/offline"), "\n");
  EXPECT_EQ(Text("/devices/system/cpu/cpu2/topology/core_cpus"), "4\n");
  EXPECT_EQ(Text("/devices/system/cpu/cpu2/topology/core_siblings_list"), "0-2\n");
  EXPECT_EQ(Text("/devices/system/node/node0/cpulist"), "0-2\n");
  view_->cpus = 1;
  EXPECT_EQ(Text("/devices/system/cpu/online"), "0\n");
  EXPECT_TRUE(Read("/devices/system/cpu/cpu2/topology/core_id").Is(Errno::kENOENT));
  view_->cpus = 3;
  EXPECT_EQ(Text("/devices/system/cpu/cpu2/topology/core_id"), "2\n");
}

TEST_F(SysTest, HugePagesAsTheSandboxHasThem) {
  EXPECT_EQ(Text("/kernel/mm/transparent_hugepage/enabled"), "[always] madvise never\n");
  view_->huge = false;
  EXPECT_EQ(Text("/kernel/mm/transparent_hugepage/enabled"), "always madvise [never]\n");
}

TEST_F(SysTest, EveryLinkLeadsSomewhere) {
  for (const char* path :
       {"/class/net/lo/address", "/class/mem/null/dev", "/dev/char/1:3/uevent", "/class/tty/tty/subsystem/tty/dev",
        "/devices/system/cpu/cpu1/node0/distance", "/devices/system/node/node0/cpu1/topology/core_id",
        "/devices/system/cpu/cpu1/subsystem/devices/cpu0/topology/core_id", "/bus/node/devices/node0/meminfo"}) {
    EXPECT_TRUE(Read(path).ok()) << path;
  }
  EXPECT_EQ(Text("/dev/char/1:3/uevent"), "MAJOR=1\nMINOR=3\nDEVNAME=null\nDEVMODE=0666\n");
}

TEST_F(SysTest, InterfacesComeAndGo) {
  EXPECT_EQ(Text("/class/net/lo/address"), "00:00:00:00:00:00\n");
  EXPECT_EQ(Text("/class/net/lo/flags"), "0x9\n");
  EXPECT_TRUE(Read("/class/net/lo/speed").Is(Errno::kEINVAL));
  EXPECT_TRUE(Read("/class/net/lo/statistics/rx_bytes").Is(Errno::kENOENT));
  EXPECT_TRUE(Read("/class/net/eth0/mtu").Is(Errno::kENOENT));
  NetDevice eth0;
  eth0.name = "eth0", eth0.index = 2, eth0.link_index = 5;
  eth0.address = {2, 0x42, 0xac, 0x11, 0, 2};
  eth0.statistics.emplace()[2] = 77;
  net_->devices.push_back(eth0);
  EXPECT_EQ(Text("/class/net/eth0/address"), "02:42:ac:11:00:02\n");
  EXPECT_EQ(Text("/class/net/eth0/statistics/rx_bytes"), "77\n");
  EXPECT_TRUE(Read("/class/net/eth0/carrier").Is(Errno::kEINVAL)) << "it is down";
  EXPECT_TRUE(List("/class/net").names.contains("eth0"));
  net_->devices.pop_back();
  EXPECT_TRUE(Read("/class/net/eth0/mtu").Is(Errno::kENOENT));
}

TEST_F(SysTest, NothingIsWritten) {
  EXPECT_TRUE(
      Open(ctx_, ctx_.cwd, "/kernel/uevent_seqnum", {.flags = abi::kOWrOnly, .resolve = {}}).Is(Errno::kEACCES));
  EXPECT_TRUE(Open(ctx_, ctx_.cwd, "/new", {.flags = abi::kOWrOnly | abi::kOCreat, .resolve = {}}).Is(Errno::kEACCES));
  EXPECT_TRUE(MakeDirectory(ctx_, ctx_.cwd, "/fs/cgroup/new", 0755).Is(Errno::kEPERM));
}

TEST_F(SysTest, AttributesAreAPageAndDirectoriesCountTheirs) {
  Result<Path> file = ResolvePath(ctx_, ctx_.cwd, "/kernel/uevent_seqnum");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->dentry->inode()->GetAttributes(ctx_)->size, 4096u);
  Result<Path> node = ResolvePath(ctx_, ctx_.cwd, "/devices/system");
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(node->dentry->inode()->GetAttributes(ctx_)->nlink, 4u);
  const Names root = List("/");
  EXPECT_EQ(root.names.size(), root.inos.size() + 1) << "only . and .. are one";
}

}  // namespace
}  // namespace sentry
