#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "sentry/fs/proc/proc_fs.h"
#include "sentry/fs/proc/process_view.h"
#include "sentry/kernel/ipc/messages.h"
#include "sentry/kernel/ipc/semaphores.h"
#include "sentry/kernel/ipc/shared_memory.h"
#include "sentry/mm/mm_test_util.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

class FakeMemory final : public ProcessMemory {
 public:
  MmUsage usage() const override {
    MmUsage u;
    u.virtual_bytes = 8 << 20, u.resident_bytes = 2 << 20, u.resident_file = 1 << 20, u.resident_anon = 1 << 20;
    u.exec_bytes = 1 << 20;
    return u;
  }
  std::vector<VmaInfo> Vmas() const override {
    VmaInfo text{};
    text.range = {UserAddr(0x555555554000), UserAddr(0x555555556000)};
    text.prot = {.read = true, .write = false, .execute = true};
    text.offset = 0x1000, text.device = abi::MakeDev(8, 1), text.inode = 42;
    text.name = "/usr/bin/cat", text.resident = 4096;
    VmaInfo anon{};
    anon.range = {UserAddr(0x7ffff7ff0000), UserAddr(0x7ffff7ff1000)};
    anon.prot = kProtReadWrite;
    return {text, anon};
  }
  MemoryManager::Layout layout() const override {
    MemoryManager::Layout l;
    l.args = {UserAddr(0x1000), UserAddr(0x1000 + 8)};
    l.env = {UserAddr(0x1008), UserAddr(0x1008 + 4)};
    return l;
  }
  UserRange heap() const override { return {}; }
  Result<size_t> Read(UserAddr src, std::span<std::byte> dst) override {
    if (src < UserAddr(0x1000) || src.value >= 0x1000 + bytes.size()) return Errno::kEFAULT;
    const size_t at = src.value - 0x1000;
    const size_t n = std::min(dst.size(), bytes.size() - at);
    memcpy(dst.data(), bytes.data() + at, n);
    return n;
  }
  Result<size_t> Write(UserAddr dst, std::span<const std::byte> src) override {
    if (dst < UserAddr(0x1000) || dst.value >= 0x1000 + bytes.size()) return Errno::kEFAULT;
    const size_t n = std::min<size_t>(src.size(), bytes.size() - (dst.value - 0x1000));
    memcpy(bytes.data() + (dst.value - 0x1000), src.data(), n);
    return n;
  }
  std::string bytes = std::string("cat\0-u\0\0A=1\0", 12);
};

class FakeView final : public ProcessView {
 public:
  const PidNamespace& pid_ns() override { return *pid_ns_; }
  int32_t NumberOf(int32_t id) override { return id; }
  int32_t IdOf(int32_t number) override { return number; }
  std::vector<int32_t> Processes() override { return {alive.begin(), alive.end()}; }
  std::vector<int32_t> Threads(int32_t tgid) override {
    return tgid == 7 ? std::vector<int32_t>{7, 8} : std::vector{tgid};
  }
  std::string CgroupPath(const VfsContext&, int32_t tgid, int32_t) override { return tgid == 7 ? "/seven" : "/"; }
  std::vector<std::string> CgroupControllers() override { return {"memory", "pids"}; }
  uint64_t CgroupCount() override { return 3; }
  uint64_t TaskSerial(int32_t tgid, int32_t tid) override {
    if (!alive.count(tgid)) return 0;
    if (tgid == 7 && tid == 8) return 108;
    return tgid == tid ? 100 + static_cast<uint64_t>(tid) : 0;
  }
  std::optional<TaskSnapshot> Snapshot(int32_t tgid, int32_t tid) override {
    TaskSnapshot t;
    t.tgid = tgid, t.tid = tid, t.ppid = 1, t.pgid = 7, t.sid = 7;
    t.id = tgid;
    t.ns_tgids = {tgid}, t.ns_tids = {tid}, t.ns_pgids = {7}, t.ns_sids = {7};
    t.comm = comm;
    t.creds = MakeRef<Credentials>();
    t.creds->uid = t.creds->euid = t.creds->suid = t.creds->fsuid = uid;
    t.dumpable = dumpable;
    t.threads = 2;
    t.limits[7] = {1024, 4096};
    t.cpus = {0, 1, 3};
    t.memory = memory;
    return t;
  }
  TaskPlaces Places(int32_t, int32_t) override { return places; }
  std::vector<int32_t> FdNumbers(int32_t, int32_t) override {
    std::vector<int32_t> out;
    for (const auto& [fd, file] : files) out.push_back(fd);
    return out;
  }
  std::optional<uint32_t> FdAccess(int32_t, int32_t, int32_t fd) override {
    if (!files.count(fd)) return std::nullopt;
    return abi::kMayRead;
  }
  OpenFd GetFd(int32_t, int32_t, int32_t fd) override {
    const auto it = files.find(fd);
    return it == files.end() ? OpenFd{} : OpenFd{fd, false, it->second};
  }
  Result<void> SetComm(int32_t, int32_t, std::string_view name) override {
    comm = name;
    return Ok();
  }
  int32_t OomScore(int32_t) override { return 5; }
  int32_t OomScoreAdj(int32_t) override { return adj; }
  Result<void> SetOomScoreAdj(const VfsContext&, int32_t, int32_t value) override {
    adj = value;
    return Ok();
  }
  RefPtr<Namespace> GetNamespace(int32_t, int32_t, NamespaceKind kind, bool) override {
    if (kind == NamespaceKind::kUser) return UserNamespace::Initial();
    return nullptr;
  }
  SystemSnapshot System(const VfsContext&) override {
    SystemSnapshot s;
    s.load1 = 0.5, s.uptime_ns = 12'340'000'000, s.cpus = {{1, 0, 2, 3}, {4, 0, 5, 6}}, s.mem_total = 1 << 30;
    return s;
  }
  SystemNames Names(const VfsContext&) override {
    SystemNames n;
    n.os_release = "6.1.0", n.hostname = hostname;
    return n;
  }
  int32_t PidMax() override { return 4194304; }
  uint64_t ThreadsMax() override { return 1000; }
  uint64_t FileMax() override { return 1000; }
  uint64_t NrOpen() override { return 1048576; }
  uint64_t PipeMaxSize() override { return 1048576; }
  std::atomic<uint32_t>& Mqueue(const VfsContext&, MqueueLimit) override { return mqueue_limit; }
  std::atomic<uint32_t> mqueue_limit{10};
  SemaphoreNamespace& Semaphores(const VfsContext&) override { return *semaphores; }
  MessageNamespace& Messages(const VfsContext&) override { return *messages; }
  SharedMemoryNamespace& SharedMemory(const VfsContext&) override { return *shared_memory; }
  RefPtr<SemaphoreNamespace> semaphores = MakeRef<SemaphoreNamespace>(UserNamespace::Initial());
  RefPtr<MessageNamespace> messages = MakeRef<MessageNamespace>(UserNamespace::Initial());
  const std::unique_ptr<MemoryFile> memory_file = NewMemoryFile(16 * kMiB);
  RefPtr<SharedMemoryNamespace> shared_memory = MakeRef<SharedMemoryNamespace>(UserNamespace::Initial(), *memory_file);
  uint64_t MaxMapCount() override { return 65530; }
  int OvercommitMemory() override { return 0; }
  std::string BootId() override { return "b-o-o-t"; }
  bool HasNetFile(std::string_view directory, std::string_view name) override {
    return (directory == "net" && name == "dev") || (directory == "sys/net/core" && name == "somaxconn");
  }
  Result<std::string> NetFile(std::string_view directory, std::string_view name) override {
    return std::string(directory) + " " + std::string(name) + "\n";
  }
  Result<void> SetHostname(const VfsContext&, std::string_view name, bool) override {
    hostname = name;
    return Ok();
  }

  std::set<int32_t> alive = {1, 7};
  std::string comm = "cat", hostname = "box";
  uint32_t uid = 0;
  int dumpable = 1;
  int32_t adj = 0;
  RefPtr<FakeMemory> memory = MakeRef<FakeMemory>();
  TaskPlaces places;
  std::map<int32_t, RefPtr<FileDescription>> files;

 private:
  const RefPtr<PidNamespace> pid_ns_ = MakeRef<PidNamespace>(nullptr, SIZE_MAX);
};

WalkFlags NoFollow() {
  WalkFlags flags;
  flags.follow = false;
  return flags;
}

class Names final : public DirSink {
 public:
  explicit Names(size_t room) : room_(room) {}
  bool Add(std::string_view name, uint64_t, uint32_t, int64_t) override {
    if (names.size() == room_) return false;
    names.emplace_back(name);
    return true;
  }
  std::vector<std::string> names;

 private:
  const size_t room_;
};

class ProcTest : public testing::Test {
 protected:
  void SetUp() override {
    ProcMount m = NewProcFs(std::shared_ptr<ProcessView>(&view_, [](ProcessView*) {}));
    mount_ = MakeRef<Mount>(m.fs, m.root, MountFlags{});
    mounts_ = MakeRef<MountNamespace>(mount_);
    ctx_.creds = MakeRef<Credentials>();
    ctx_.creds->permitted = ctx_.creds->effective = CapabilitySet::All();
    ctx_.root = ctx_.cwd = mounts_->root();
    ctx_.mounts = mounts_.get();
    ctx_.tgid = ctx_.tid = 7;
    view_.places.root = view_.places.cwd = mounts_->root();
    view_.places.mounts = mounts_;
  }
  void TearDown() override { view_.files.clear(); }
  void BecomeStranger() {
    ctx_.creds = MakeRef<Credentials>();
    ctx_.creds->uid = ctx_.creds->euid = ctx_.creds->fsuid = 1000;
    ctx_.tgid = ctx_.tid = 1;
  }
  Result<RefPtr<FileDescription>> OpenAt(std::string_view path, uint32_t flags = 0) {
    OpenHow how;
    how.flags = flags;
    return Open(ctx_, ctx_.root, path, how);
  }
  Result<std::string> ReadFd(FileDescription& f, size_t size = 65536) {
    std::string out(size, 'x');
    KernelIoSink sink(std::as_writable_bytes(std::span(out)));
    out.resize(TRY(f.Read(ctx_, sink)));
    return out;
  }
  std::string Cat(std::string_view path) {
    auto f = OpenAt(path);
    if (!f.ok()) return std::string(base::ErrnoName(f.error()));
    const Result<std::string> text = ReadFd(**f);
    return text.ok() ? *text : std::string(base::ErrnoName(text.error()));
  }
  Result<size_t> Put(std::string_view path, std::string_view text) {
    auto f = TRY(OpenAt(path, abi::kOWrOnly | abi::kOTrunc));
    KernelIoSource src(std::as_bytes(std::span(text)));
    return f->Write(ctx_, src);
  }
  FakeView view_;
  RefPtr<Mount> mount_;
  RefPtr<MountNamespace> mounts_;
  VfsContext ctx_;
};

TEST_F(ProcTest, Self) {
  EXPECT_EQ(ReadLink(ctx_, ctx_.root, "/self", NoFollow()).value(), "7");
  EXPECT_EQ(ReadLink(ctx_, ctx_.root, "/thread-self", NoFollow()).value(), "7/task/7");
  EXPECT_EQ(Cat("/self/comm"), "cat\n");
  EXPECT_EQ(Cat("/self/cmdline"), std::string("cat\0-u\0\0", 8));
  EXPECT_EQ(Cat("/self/environ"), std::string("A=1\0", 4));
  EXPECT_EQ(Cat("/self/cgroup"), "0::/seven\n");
}

TEST_F(ProcTest, Stat) {
  view_.comm = "a) b";
  const std::string text = Cat("/7/stat");
  EXPECT_EQ(text.substr(0, 27), "7 (a) b) S 1 7 7 0 -1 0 0 0");
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 52);  // one of them in the name
  EXPECT_EQ(Cat("/7/statm"), "2048 512 256 0 0 0 0\n");
}

TEST_F(ProcTest, StatusAndLimits) {
  const std::string text = Cat("/7/status");
  EXPECT_NE(text.find("Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\n"), std::string::npos);
  EXPECT_NE(text.find("VmRSS:\t    2048 kB\n"), std::string::npos);
  EXPECT_NE(text.find("Cpus_allowed:\tb\nCpus_allowed_list:\t0-1,3\n"), std::string::npos);
  EXPECT_NE(Cat("/7/limits").find("Max open files            1024                 4096                 files     \n"),
            std::string::npos);
}

TEST_F(ProcTest, Maps) {
  EXPECT_EQ(Cat("/7/maps"),
            "555555554000-555555556000 r-xp 00001000 08:01 42                         /usr/bin/cat\n"
            "7ffff7ff0000-7ffff7ff1000 rw-p 00000000 00:00 0 \n");
}

TEST_F(ProcTest, Mounts) {
  const std::string text = Cat("/mounts");
  EXPECT_EQ(text.substr(0, 12), "proc / proc ") << text;
  EXPECT_NE(Cat("/self/mountinfo").find(" - proc proc rw\n"), std::string::npos);
}

TEST_F(ProcTest, System) {
  EXPECT_EQ(Cat("/uptime"), "12.34 0.00\n");
  EXPECT_EQ(Cat("/loadavg"), "0.50 0.00 0.00 0/0 0\n");
  EXPECT_EQ(Cat("/stat").substr(0, 75),
            "cpu  5 0 7 9 0 0 0 0 0 0\ncpu0 1 0 2 3 0 0 0 0 0 0\ncpu1 4 0 5 6 0 0 0 0 0 0\n");
  EXPECT_EQ(Cat("/meminfo").substr(0, 28), "MemTotal:        1048576 kB\n");
  EXPECT_NE(Cat("/cpuinfo").find("processor\t: 1\n"), std::string::npos);
  EXPECT_EQ(Cat("/sys/kernel/osrelease"), "6.1.0\n");
  EXPECT_EQ(Cat("/sys/kernel/random/uuid").size(), 37u);
  EXPECT_EQ(Cat("/sys/kernel/nothing"), "ENOENT");
  EXPECT_EQ(Put("/sys/kernel/hostname", "new\n").value(), 4u);
  EXPECT_EQ(Cat("/sys/kernel/hostname"), "new\n");
}

TEST_F(ProcTest, TextIsStableUntilRewound) {
  auto f = OpenAt("/self/comm").value();
  EXPECT_EQ(ReadFd(*f, 2).value(), "ca");
  view_.comm = "changed";
  EXPECT_EQ(ReadFd(*f).value(), "t\n");
  ASSERT_TRUE(f->Seek(ctx_, 0, abi::kSeekSet).ok());
  EXPECT_EQ(ReadFd(*f).value(), "changed\n");
}

TEST_F(ProcTest, Writable) {
  ASSERT_TRUE(Put("/self/comm", "a-name-that-is-too-long").ok());
  EXPECT_EQ(view_.comm, "a-name-that-is-");
  ASSERT_TRUE(Put("/self/oom_score_adj", "-17\n").ok());
  EXPECT_EQ(Cat("/self/oom_score_adj"), "-17\n");
  EXPECT_TRUE(Put("/self/oom_score_adj", "1001").Is(Errno::kEINVAL));
  EXPECT_TRUE(Put("/self/oom_score_adj", "x").Is(Errno::kEINVAL));
}

TEST_F(ProcTest, ProcessesVanish) {
  auto f = OpenAt("/7/stat").value();
  view_.alive.erase(7);
  EXPECT_TRUE(ReadFd(*f).Is(Errno::kESRCH));
  EXPECT_EQ(Cat("/7/stat"), "ENOENT");
  EXPECT_EQ(Cat("/007/stat"), "ENOENT");
  view_.alive.insert(9);
  EXPECT_EQ(Cat("/9/comm"), "cat\n");
}

TEST_F(ProcTest, Directories) {
  auto dir = OpenAt("/").value();
  Names first(3), rest(1000);
  ASSERT_TRUE(dir->IterateDir(ctx_, first).ok());
  ASSERT_TRUE(dir->IterateDir(ctx_, rest).ok());
  EXPECT_EQ(first.names, (std::vector<std::string>{".", "..", "sys"}));
  EXPECT_EQ(rest.names.back(), "7");
  EXPECT_EQ(rest.names[rest.names.size() - 2], "1");
  Names tasks(10);
  ASSERT_TRUE(OpenAt("/7/task").value()->IterateDir(ctx_, tasks).ok());
  EXPECT_EQ(tasks.names, (std::vector<std::string>{".", "..", "7", "8"}));
  EXPECT_EQ(Cat("/7/task/8/comm"), "cat\n");
  EXPECT_EQ(Cat("/7/task/8/task"), "ENOENT");
}

TEST_F(ProcTest, SysvIpc) {
  EXPECT_EQ(Cat("/sys/kernel/sem"), "32000\t1024000000\t500\t32000\n");
  EXPECT_EQ(Cat("/sys/kernel/msgmni"), "32000\n");
  EXPECT_TRUE(Cat("/sysvipc/sem").ends_with("ctime\n"));
  EXPECT_TRUE(Cat("/sysvipc/msg").ends_with("ctime\n"));
  EXPECT_EQ(Cat("/sys/kernel/shmmax"), "18446744073692774399\n");
  EXPECT_TRUE(Cat("/sysvipc/shm").ends_with("swap\n"));
}

TEST_F(ProcTest, Descriptors) {
  view_.files[3] = OpenAt("/uptime").value();
  EXPECT_EQ(ReadLink(ctx_, ctx_.root, "/self/fd/3", NoFollow()).value(), "/uptime");
  EXPECT_EQ(Cat("/self/fd/3"), "12.34 0.00\n");
  EXPECT_EQ(Cat("/self/fdinfo/3").substr(0, 18), "pos:\t0\nflags:\t00\nm");
  Names fds(10);
  ASSERT_TRUE(OpenAt("/self/fd").value()->IterateDir(ctx_, fds).ok());
  EXPECT_EQ(fds.names, (std::vector<std::string>{".", "..", "3"}));
  view_.files.clear();
  EXPECT_EQ(Cat("/self/fd/3"), "ENOENT");
}

TEST_F(ProcTest, StrangersSeeLittle) {
  BecomeStranger();
  EXPECT_EQ(Cat("/7/comm"), "cat\n");
  EXPECT_EQ(Cat("/7/maps"), "EACCES");
  EXPECT_EQ(Cat("/7/environ"), "EACCES");
  EXPECT_TRUE(OpenAt("/7/fd").Is(Errno::kEACCES));
  EXPECT_TRUE(ReadLink(ctx_, ctx_.root, "/7/cwd", NoFollow()).Is(Errno::kEACCES));
  view_.uid = 1000;
  ctx_.creds->fsgid = 1000;
  EXPECT_EQ(Cat("/7/environ"), "EACCES");  // another group
}

TEST_F(ProcTest, Memory) {
  auto f = OpenAt("/7/mem", abi::kORdWr).value();
  std::string out(4, 'x');
  KernelIoSink sink(std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(f->ReadAt(ctx_, sink, 0x1000).value(), 4u);
  EXPECT_EQ(out, std::string("cat\0", 4));
  KernelIoSource src(std::as_bytes(std::span("dog", 3)));
  EXPECT_EQ(f->WriteAt(ctx_, src, 0x1000).value(), 3u);
  EXPECT_EQ(view_.memory->bytes.substr(0, 3), "dog");
  KernelIoSink bad(std::as_writable_bytes(std::span(out)));
  EXPECT_TRUE(f->ReadAt(ctx_, bad, 0x10).Is(Errno::kEIO));
}

TEST_F(ProcTest, Namespaces) {
  EXPECT_EQ(ReadLink(ctx_, ctx_.root, "/self/ns/user", NoFollow()).value(), "user:[4026531837]");
  EXPECT_EQ(Cat("/self/ns/time"), "ENOENT");
}

}  // namespace
}  // namespace sentry
