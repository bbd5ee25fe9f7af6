// The whole process: jail, rights, death. Each in a child of its own.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fsgofer/server/test_util.h"

namespace fsgofer {
namespace {

using base::Errno;

int ExitCodeOf(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

struct GoferProcess {
  pid_t pid = -1;
  std::unique_ptr<Client> client;
};

// The numbers of README.md's list; the arguments' rules are runsc-cpp's.
constexpr int kAllowed[] = {
    SYS_futex,
    SYS_openat,
    SYS_statx,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_lseek,
    SYS_fstatfs,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_fsync,
    SYS_fcntl,
    SYS_close,
    SYS_sendmsg,
    SYS_poll,
    SYS_restart_syscall,
    SYS_shutdown,
    SYS_sched_setaffinity,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mprotect,
    SYS_write,
    SYS_clock_gettime,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigprocmask,
    SYS_getpid,
    SYS_gettid,
    SYS_tgkill,
    SYS_mkdirat,
    SYS_symlinkat,
    SYS_unlinkat,
    SYS_mknodat,
    SYS_linkat,
    SYS_renameat2,
    SYS_fchown,
    SYS_fchownat,
    SYS_fchmod,
    452,
    SYS_utimensat,
    SYS_ftruncate,
    SYS_fsetxattr,
    SYS_fremovexattr,
};

bool InstallAllowList() {
#if defined(RUNSC_ASAN) || defined(RUNSC_TSAN)
  return true;  // their run-time libraries make calls of their own
#else
  std::vector<sock_filter> code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (int nr : kAllowed) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(nr), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
#endif
}

GoferProcess StartGofer(std::vector<MountPoint> mounts) {
  ConnectionFds fds = std::move(MakeConnection(2)).value();
  GoferProcess p;
  p.pid = fork();
  if (p.pid == 0) {
    fds.client = {};
    ServerOptions options;
    options.mounts = std::move(mounts);
    options.connection = std::move(fds.server);
    options.install_filter = InstallAllowList;
    _exit(ServerMain(std::move(options)));
  }
  fds.server = {};
  p.client = std::move(Client::Create(std::move(fds.client))).value();
  return p;
}

bool RootIsMountPoint() {
  struct statx st;
  return statx(AT_FDCWD, "/", 0, STATX_TYPE, &st) == 0 && (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

class JailTest : public testing::Test {
  void SetUp() override {
    if (!RootIsMountPoint()) GTEST_SKIP() << "in a chroot runsc-cpp makes the root a mount point first";
  }
};

TEST_F(JailTest, ServesFromInsideAndExitsWithItsClient) {
  TempDir dir;
  WriteHostFile(dir / "file", "hello");
  GoferProcess gofer = StartGofer({{dir.path(), true}, {dir.path(), false}});
  auto root = gofer.client->Attach(0);
  ASSERT_TRUE(root.ok());
  const std::string_view name = "file";
  auto r = gofer.client->Walk(root->node, {&name, 1}, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok() && r->fd.valid());
  EXPECT_EQ(ReadFd(r->fd.get()), "hello");
  // The mount itself refuses, should the server be talked into it.
  EXPECT_EQ(fchmod(r->fd.get(), 0600), -1);
  EXPECT_EQ(errno, EROFS);
  auto rw = gofer.client->Attach(1);
  ASSERT_TRUE(rw.ok());
  auto created = gofer.client->Create(rw->node, "new", {.mode = 0666}, OpenMode::kReadWrite);
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->node.attr.mode & 0777, 0666u);
  gofer.client.reset();
  EXPECT_EQ(ExitCodeOf(gofer.pid), 0);
}

// Also what the list of host calls in README.md is checked with: strace -f.
TEST_F(JailTest, EveryRequestWorksWithTheRightsThatAreLeft) {
  TempDir dir;
  WriteHostFile(dir / "probe", "");
  const bool chowns = chown((dir / "probe").c_str(), 1000, 1001) == 0;
  const uint32_t uid = chowns ? 1000 : kUnchangedId, gid = chowns ? 1001 : kUnchangedId;
  GoferProcess gofer = StartGofer({{dir.path(), false}});
  Client& c = *gofer.client;
  const NodeId root = c.Attach(0)->node;
  // Neither its owner nor by its mode may root without capabilities use it.
  auto sub = c.Mkdir(root, "d", {.mode = 0700, .uid = uid, .gid = gid});
  ASSERT_TRUE(sub.ok());
  auto file = c.Create(sub->node, "f", {.mode = 04700, .uid = uid, .gid = gid}, OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->node.attr.mode & 07777, 04700u);
  EXPECT_TRUE(c.Open(file->node.node, OpenMode::kReadWrite, kOpenTruncate).ok());
  EXPECT_TRUE(c.Link(file->node.node, root, "hard").ok());
  EXPECT_TRUE(c.Symlink(sub->node, "s", "t", {.uid = uid, .gid = gid}).ok());
  EXPECT_TRUE(c.Mkdir(sub->node, "g", {.mode = 02770, .uid = uid, .gid = gid}).ok());
  EXPECT_TRUE(c.Mknod(sub->node, "p", {.mode = S_IFIFO | 0600, .uid = uid, .gid = gid}).ok());
  const std::string_view s = "s";
  auto link = c.Walk(sub->node, {&s, 1});
  ASSERT_TRUE(link.ok() && link->steps.size() == 1);
  EXPECT_EQ(c.ReadLink(link->steps[0].node).value(), "t");
  EXPECT_EQ(c.ReadDir(sub->node, 0)->entries.size(), 4u);
  const uint64_t cookie = c.ReadDir(sub->node, 0)->entries[0].next_cookie;
  EXPECT_EQ(c.ReadDir(sub->node, cookie)->entries.size(), 3u);
  SetAttrRequest set = {};
  set.node = file->node.node;
  set.valid = kSetMode | kSetSize | kSetAtime | kSetMtimeNow | (chowns ? kSetUid : 0);
  set.mode = 02711;
  set.uid = 5;
  set.size = 10;
  ASSERT_TRUE(c.SetAttr(set).ok());
  EXPECT_EQ(c.GetAttr(set.node)->mode & 07777, 02711u);
  EXPECT_TRUE(c.StatFs(set.node).ok());
  EXPECT_TRUE(c.Fsync(set.node).ok());
  if (!c.SetXattr(set.node, "user.x", "v", 0).Is(Errno::kEOPNOTSUPP)) {
    EXPECT_EQ(c.GetXattr(set.node, "user.x").value(), "v");
    EXPECT_TRUE(c.RemoveXattr(set.node, "user.x").ok());
  }
  EXPECT_TRUE(c.ListXattr(set.node).ok());
  EXPECT_TRUE(c.Rename({sub->node, "f", root, "f"}).ok());
  EXPECT_TRUE(c.Unlink(root, "f").ok());
  EXPECT_TRUE(c.Rmdir(sub->node, "g").ok());
  EXPECT_TRUE(c.Close({&set.node, 1}).ok());
  gofer.client.reset();
  EXPECT_EQ(ExitCodeOf(gofer.pid), 0);
}

TEST_F(JailTest, HostRootIsExportedWithoutItsPseudoFileSystems) {
  GoferProcess gofer = StartGofer({{"/", true}});
  auto root = gofer.client->Attach(0);
  ASSERT_TRUE(root.ok());
  const std::string_view etc[] = {"etc", "passwd"};
  auto r = gofer.client->Walk(root->node, etc, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok());
  EXPECT_TRUE(r->fd.valid());
  const std::string_view proc[] = {"proc", "self", "mem"};
  r = gofer.client->Walk(root->node, proc, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->steps.size(), 1u);
  EXPECT_EQ(r->stop, Errno::kENOENT);
  gofer.client.reset();
  EXPECT_EQ(ExitCodeOf(gofer.pid), 0);
}

TEST_F(JailTest, FileMount) {
  TempDir dir;
  WriteHostFile(dir / "file", "hello");
  GoferProcess gofer = StartGofer({{dir / "file", true}});
  auto root = gofer.client->Attach(0);
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(ReadFd(gofer.client->Open(root->node, OpenMode::kReadOnly)->fd.get()), "hello");
  gofer.client.reset();
  EXPECT_EQ(ExitCodeOf(gofer.pid), 0);
}

TEST_F(JailTest, NothingButTheExportsIsLeft) {
  TempDir dir;
  const pid_t pid = fork();
  if (pid == 0) {
    JailError error;
    auto exports = EnterJail({{dir.path(), true}}, &error);
    if (!exports.ok()) _exit(1);
    if (!DropRights(JailAccess::kReadOnly).ok()) _exit(2);
    if (access("/etc", F_OK) == 0 || access("/proc", F_OK) == 0 || access("/tmp", F_OK) == 0) _exit(3);
    if (access("/0", F_OK) != 0 || access("/0/../etc", F_OK) == 0) _exit(4);
    if (mkdir("/x", 0700) == 0 || errno != EROFS) _exit(5);
    if (mkdirat((*exports)[0].root.get(), "x", 0700) == 0 || errno != EROFS) _exit(6);
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    syscall(SYS_capget, &header, data);
    if ((data[0].permitted & ~(1u << CAP_DAC_READ_SEARCH)) != 0 || data[1].permitted != 0) _exit(7);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) _exit(8);
    if (mount("x", "/0", "tmpfs", 0, nullptr) == 0) _exit(9);
    _exit(0);
  }
  EXPECT_EQ(ExitCodeOf(pid), 0);
}

TEST_F(JailTest, MissingDirectoryIsNamed) {
  const pid_t pid = fork();
  if (pid == 0) {
    JailError error;
    auto exports = EnterJail({{"/no/such/dir", true}}, &error);
    _exit(exports.Is(Errno::kENOENT) && error.step == "clone mount of /no/such/dir" ? 0 : 1);
  }
  EXPECT_EQ(ExitCodeOf(pid), 0);
}

TEST_F(JailTest, KilledGoferFailsTheClient) {
  TempDir dir;
  GoferProcess gofer = StartGofer({{dir.path(), true}});
  auto root = gofer.client->Attach(0);
  ASSERT_TRUE(root.ok());
  kill(gofer.pid, SIGKILL);
  EXPECT_EQ(ExitCodeOf(gofer.pid), -1);
  EXPECT_TRUE(gofer.client->GetAttr(root->node).Is(Errno::kEIO));
  EXPECT_TRUE(gofer.client->dead());
}

}  // namespace
}  // namespace fsgofer
