// Capabilities: what changes of ids, execve and files do to them, and what asks
// for which (man 7 capabilities).
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "test/syscalls/capability_test_util.h"
#include "test/syscalls/harness/test.h"

TOUCHES("capget", "capset", "prctl", "setuid", "setresuid", "setfsuid", "chown", "kill", "setgroups", "chroot",
        "sethostname", "setpriority", "setrlimit", "prlimit64", "mknod")

namespace {

using namespace capability_test;  // NOLINT: all of it is for tests like this

TEST(Caps, StatusAgreesWithCapget) {
  const Sets s = Get();
  EXPECT_EQ(Status("CapEff"), s.effective);
  EXPECT_EQ(Status("CapPrm"), s.permitted);
  EXPECT_EQ(Status("CapInh"), s.inheritable);
  for (int cap = 0; cap <= CAP_LAST_CAP && cap <= 40; ++cap) {
    EXPECT_RET(prctl(PR_CAPBSET_READ, cap), static_cast<long>((Status("CapBnd") >> cap) & 1));
    EXPECT_RET(Ambient(PR_CAP_AMBIENT_IS_SET, cap), static_cast<long>((Status("CapAmb") >> cap) & 1));
  }
  EXPECT_ERR(prctl(PR_CAPBSET_READ, 64), EINVAL);
  EXPECT_ERR(prctl(PR_CAPBSET_READ, 63), EINVAL);
}

TEST(Caps, CapgetOrder) {
  __user_cap_header_struct header = {0x1234, -1};
  EXPECT_OK(syscall(SYS_capget, &header, nullptr));
  EXPECT_EQ(header.version, static_cast<uint32_t>(_LINUX_CAPABILITY_VERSION_3));
  header = {0x1234, 0};
  __user_cap_data_struct data[2];
  EXPECT_ERR(syscall(SYS_capget, &header, data), EINVAL);
  header = {_LINUX_CAPABILITY_VERSION_3, -1};
  EXPECT_OK(syscall(SYS_capget, &header, nullptr));
  EXPECT_ERR(syscall(SYS_capget, &header, data), EINVAL);
  header.pid = 0x3ffffff;
  EXPECT_ERR(syscall(SYS_capget, &header, data), ESRCH);
  header.pid = 0;
  EXPECT_ERR(syscall(SYS_capget, &header, st::Bad()), EFAULT);
  EXPECT_ERR(syscall(SYS_capget, st::Bad(), data), EFAULT);
  header.pid = getppid();
  EXPECT_ERR(syscall(SYS_capset, &header, data), EPERM);
  header.pid = 0;
  EXPECT_ERR(syscall(SYS_capset, &header, st::Bad()), EFAULT);
}

TEST(Caps, CapsetRules) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    Drop(Bit(CAP_SYS_TIME));
    Sets s = Get();
    Sets bad = s;
    bad.permitted |= Bit(CAP_SYS_TIME);
    EXPECT_ERR(Set(bad), EPERM);
    bad = s, bad.effective |= Bit(CAP_SYS_TIME);
    EXPECT_ERR(Set(bad), EPERM);
    bad = s, bad.permitted = 0;
    EXPECT_ERR(Set(bad), EPERM);  // effective is not permitted
    // With CAP_SETPCAP whatever the bounding set has.
    Sets more = s;
    more.inheritable |= Bit(CAP_SYS_TIME);
    EXPECT_OK(Set(more));
    MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
    more.inheritable |= Bit(CAP_SYS_BOOT);
    EXPECT_ERR(Set(more), EPERM);
    Drop(Bit(CAP_SETPCAP));
    Sets again = Get();
    again.inheritable |= Bit(CAP_SETPCAP);
    EXPECT_ERR(Set(again), EPERM);
    EXPECT_ERR(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME), EPERM);
    EXPECT_ERR(prctl(PR_CAPBSET_DROP, 64), EPERM);
  });
}

TEST(Caps, AmbientRules) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_ERR(Ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN), EPERM);  // not inheritable
    Sets s = Get();
    s.inheritable = Bit(CAP_CHOWN) | Bit(CAP_KILL);
    MUST(Set(s));
    EXPECT_OK(Ambient(PR_CAP_AMBIENT_RAISE, CAP_CHOWN));
    EXPECT_RET(Ambient(PR_CAP_AMBIENT_IS_SET, CAP_CHOWN), 1);
    EXPECT_ERR(Ambient(PR_CAP_AMBIENT_RAISE, 64), EINVAL);
    EXPECT_ERR(Ambient(9, CAP_CHOWN), EINVAL);
    EXPECT_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0), EINVAL);
    EXPECT_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 1, 0), EINVAL);
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_CAP_AMBIENT_RAISE));
    EXPECT_ERR(Ambient(PR_CAP_AMBIENT_RAISE, CAP_KILL), EPERM);
    MUST(prctl(PR_SET_SECUREBITS, 0));
    EXPECT_OK(Ambient(PR_CAP_AMBIENT_RAISE, CAP_KILL));
    EXPECT_OK(Ambient(PR_CAP_AMBIENT_LOWER, CAP_KILL));
    EXPECT_EQ(Status("CapAmb"), Bit(CAP_CHOWN));
    // Lost with the inheritable one.
    s = Get(), s.inheritable = 0;
    MUST(Set(s));
    EXPECT_EQ(Status("CapAmb"), 0u);
  });
}

TEST(Caps, SecurebitsAndLocks) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_ERR(prctl(PR_SET_SECUREBITS, 1 << 20), EPERM);
    EXPECT_OK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED));
    EXPECT_RET(prctl(PR_GET_SECUREBITS), SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED);
    EXPECT_RET(prctl(PR_GET_KEEPCAPS), 1);
    EXPECT_ERR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
    EXPECT_ERR(prctl(PR_SET_KEEPCAPS, 0), EPERM);
    EXPECT_ERR(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS), EPERM);  // a lock stays
    Drop(Bit(CAP_SETPCAP));
    EXPECT_ERR(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED), EPERM);
  });
}

TEST(Caps, SetuidFixups) {
  st::NeedRoot();
  const uint64_t all = Get().permitted;
  EXPECT_CHILD_OK([all] {
    MUST(Resuid(-1, 1000, -1));  // root is left: permitted stays
    EXPECT_EQ(Get().effective, 0u);
    EXPECT_EQ(Get().permitted, all);
    MUST(Resuid(-1, 0, -1));
    EXPECT_EQ(Get().effective, all);
    MUST(Resuid(1000, 1000, 1000));
    EXPECT_EQ(Get().permitted, 0u);
  });
  EXPECT_CHILD_OK([all] {
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    MUST(Resuid(1000, 1000, 1000));
    EXPECT_EQ(Get().permitted, all);
    EXPECT_EQ(Get().effective, 0u);
    Sets s = Get();
    s.effective = Bit(CAP_SETUID);
    EXPECT_OK(Set(s));
    EXPECT_OK(Resuid(2000, -1, -1));
  });
  EXPECT_CHILD_OK([all] {
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
    MUST(Resuid(1000, 1000, 1000));
    EXPECT_EQ(Get().effective, all);
  });
}

TEST(Caps, FsuidMovesFileCapabilities) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    const uint64_t all = Get().effective;
    const uint64_t fs = Bit(CAP_CHOWN) | Bit(CAP_MKNOD) | Bit(CAP_DAC_OVERRIDE) | Bit(CAP_DAC_READ_SEARCH) |
                        Bit(CAP_FOWNER) | Bit(CAP_FSETID) | Bit(CAP_MAC_OVERRIDE) | Bit(CAP_LINUX_IMMUTABLE);
    EXPECT_RET(setfsuid(1000), 0);
    EXPECT_EQ(Get().effective, all & ~fs);
    EXPECT_RET(setfsuid(0), 1000);
    EXPECT_EQ(Get().effective, all);
    MUST(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
    setfsuid(1000);
    EXPECT_EQ(Get().effective, all);
  });
}

void BecomeUser() {
  MUST(setgroups(0, nullptr));
  MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
  MUST(Resuid(1000, 1000, 1000));
}

// Each thing that asks for a capability: root without it is refused.
template <class F>
void Without(int cap, F fn) {
  EXPECT_CHILD_OK([&] {
    Drop(Bit(cap));
    fn();
  });
}

TEST(Caps, EachIsAskedFor) {
  st::NeedRoot();
  const std::string file = st::Tmp("f");
  st::WriteFile(file, "x", 0600);
  MUST(chown(file.c_str(), 1000, 1000));
  Without(CAP_CHOWN, [&] { EXPECT_ERR(chown(file.c_str(), 0, 0), EPERM); });
  Without(CAP_FOWNER, [&] { EXPECT_ERR(chmod(file.c_str(), 0777), EPERM); });
  EXPECT_CHILD_OK([&] {
    Drop(Bit(CAP_DAC_OVERRIDE) | Bit(CAP_DAC_READ_SEARCH));
    EXPECT_ERR(open(file.c_str(), O_RDONLY), EACCES);
  });
  Without(CAP_SETUID, [] { EXPECT_ERR(Resuid(5, 5, 5), EPERM); });
  Without(CAP_SETGID, [] {
    EXPECT_ERR(syscall(SYS_setresgid, 5, 5, 5), EPERM);
    EXPECT_ERR(setgroups(0, nullptr), EPERM);
  });
  Without(CAP_SYS_CHROOT, [] { EXPECT_ERR(chroot("/"), EPERM); });
  Without(CAP_SYS_ADMIN, [] {
    EXPECT_ERR(sethostname("x", 1), EPERM);
    EXPECT_ERR(mount("none", "/", nullptr, MS_PRIVATE, nullptr), EPERM);
    EXPECT_ERR(umount2("/", 0), EPERM);
    EXPECT_ERR(unshare(CLONE_NEWNS), EPERM);
  });
  Without(CAP_MKNOD, [] { EXPECT_ERR(mknod(st::Tmp("dev").c_str(), S_IFCHR | 0600, 0x103), EPERM); });
  Without(CAP_SYS_NICE, [] { EXPECT_ERR(setpriority(PRIO_PROCESS, 0, -5), EACCES); });
  Without(CAP_SYS_RESOURCE, [] {
    rlimit limit = {100, 100};
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_max = 200;
    EXPECT_ERR(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
  });
  const auto lock_a_page = [] {
    rlimit limit = {0, 0};
    MUST(setrlimit(RLIMIT_MEMLOCK, &limit));
    return mlock(st::MapShared(4096), 4096);
  };
  EXPECT_CHILD_OK([&] { EXPECT_OK(lock_a_page()); });
  Without(CAP_IPC_LOCK, [&] { EXPECT_ERR(lock_a_page(), EPERM); });
  const pid_t other = st::Spawn([] {
    BecomeUser();
    while (true) pause();
  });
  MUST(st::WaitUntil([&] { return st::StatOf("/proc/" + std::to_string(other)).st_uid == 1000; }) ? 0 : -1);
  Without(CAP_KILL, [&] { EXPECT_ERR(kill(other, SIGTERM), EPERM); });
  Without(CAP_SYS_NICE, [&] { EXPECT_ERR(setpriority(PRIO_PROCESS, static_cast<id_t>(other), 5), EPERM); });
  EXPECT_OK(kill(other, SIGKILL));
  st::WaitStatus(other);
}

}  // namespace
