// User and group ids, capabilities.
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "test/syscalls/harness/test.h"

TOUCHES("getuid", "geteuid", "getgid", "getegid", "setuid", "setgid", "setreuid", "setregid", "setresuid", "getresuid",
        "setresgid", "getresgid", "setfsuid", "setfsgid", "getgroups", "setgroups", "capget", "capset")

namespace {

// Raw calls: glibc's own reach all threads by signals.
long Resuid(long r, long e, long s) { return syscall(SYS_setresuid, r, e, s); }

struct Ids {
  uid_t r, e, s;
};
Ids Get() {
  Ids i;
  MUST(getresuid(&i.r, &i.e, &i.s));
  return i;
}

struct Caps {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
};

TEST(Ids, CallsAgree) {
  Ids u = Get();
  EXPECT_RET(syscall(SYS_getuid), static_cast<long>(u.r));
  EXPECT_RET(syscall(SYS_geteuid), static_cast<long>(u.e));
  gid_t r, e, s;
  EXPECT_OK(getresgid(&r, &e, &s));
  EXPECT_RET(syscall(SYS_getgid), static_cast<long>(r));
  EXPECT_RET(syscall(SYS_getegid), static_cast<long>(e));
  EXPECT_ERR(syscall(SYS_getresuid, st::Bad(), &u.e, &u.s), EFAULT);
  EXPECT_ERR(syscall(SYS_getresgid, st::Bad(), &e, &s), EFAULT);
}

TEST(Ids, SetuidByRootSetsAll) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(syscall(SYS_setgid, 2000));
    EXPECT_EQ(getegid(), 2000u);
    EXPECT_OK(syscall(SYS_setuid, 1000));
    Ids i = Get();
    EXPECT_TRUE(i.r == 1000 && i.e == 1000 && i.s == 1000);
    EXPECT_ERR(syscall(SYS_setuid, 0), EPERM);
    EXPECT_ERR(syscall(SYS_setgid, 0), EPERM);
    EXPECT_OK(syscall(SYS_setuid, 1000));
  });
}

TEST(Ids, SavedIdAllowsReturn) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(Resuid(-1, 1000, -1));
    EXPECT_EQ(geteuid(), 1000u);
    EXPECT_OK(syscall(SYS_setuid, 0));  // the saved id; only the effective one changes
    EXPECT_EQ(geteuid(), 0u);
  });
}

TEST(Ids, SetresuidRules) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(Resuid(1, 2, 3));
    Ids i = Get();
    EXPECT_TRUE(i.r == 1 && i.e == 2 && i.s == 3);
    EXPECT_OK(Resuid(3, 1, 2));  // any of the three
    EXPECT_ERR(Resuid(4, -1, -1), EPERM);
    EXPECT_ERR(Resuid(-1, 0, -1), EPERM);
  });
}

TEST(Ids, SetreuidSetsSaved) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(syscall(SYS_setreuid, 5, 6));
    Ids i = Get();
    EXPECT_TRUE(i.r == 5 && i.e == 6 && i.s == 6);
    EXPECT_OK(syscall(SYS_setreuid, 6, 5));
    EXPECT_ERR(syscall(SYS_setreuid, 7, -1), EPERM);
  });
}

TEST(Ids, GroupForms) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_OK(syscall(SYS_setregid, 10, 11));
    gid_t r, e, s;
    MUST(getresgid(&r, &e, &s));
    EXPECT_TRUE(r == 10 && e == 11 && s == 11);
    EXPECT_OK(syscall(SYS_setresgid, 1, 2, 3));
    MUST(getresgid(&r, &e, &s));
    EXPECT_TRUE(r == 1 && e == 2 && s == 3);
    MUST(Resuid(99, 99, 99));
    EXPECT_ERR(syscall(SYS_setresgid, 50, -1, -1), EPERM);
    EXPECT_OK(syscall(SYS_setresgid, 3, 3, 3));
  });
}

TEST(Ids, FileSystemIds) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_RET(syscall(SYS_setfsuid, 1234), 0);
    EXPECT_RET(syscall(SYS_setfsuid, -1), 1234);
    EXPECT_RET(syscall(SYS_setfsgid, 4321), static_cast<long>(getegid()));
    EXPECT_RET(syscall(SYS_setfsgid, -1), 4321);
    EXPECT_EQ(geteuid(), 0u);
    MUST(Resuid(-1, 77, -1));  // the file system id follows the effective one
    EXPECT_RET(syscall(SYS_setfsuid, -1), 77);
  });
}

TEST(Ids, FileAccessFollowsThem) {
  st::NeedRoot();
  st::WriteFile(st::Tmp("f"), "secret", 0600);
  std::string f = st::Tmp("f");
  EXPECT_CHILD_OK([&] {
    MUST(Resuid(-1, 1000, -1));
    EXPECT_ERR(open(f.c_str(), O_RDONLY), EACCES);
    EXPECT_OK(access(f.c_str(), R_OK));  // access() looks at the real id
    EXPECT_ERR(faccessat(AT_FDCWD, f.c_str(), R_OK, AT_EACCESS), EACCES);
    MUST(Resuid(-1, 0, -1));
    EXPECT_OK(open(f.c_str(), O_RDONLY));
  });
}

TEST(Groups, SetAndGet) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    gid_t in[3] = {30, 10, 20}, out[4] = {};
    EXPECT_OK(syscall(SYS_setgroups, 3, in));
    EXPECT_RET(getgroups(0, nullptr), 3);
    EXPECT_RET(getgroups(4, out), 3);
    EXPECT_EQ(out[0] + out[1] + out[2], 60u);
    EXPECT_ERR(getgroups(2, out), EINVAL);
    EXPECT_ERR(syscall(SYS_getgroups, -1, out), EINVAL);
    EXPECT_ERR(syscall(SYS_setgroups, 65537, in), EINVAL);
    EXPECT_ERR(syscall(SYS_setgroups, 3, st::Bad()), EFAULT);
    MUST(Resuid(9, 9, 9));
    EXPECT_ERR(syscall(SYS_setgroups, 1, in), EPERM);
  });
}

TEST(Groups, MembershipGivesAccess) {
  st::NeedRoot();
  st::WriteFile(st::Tmp("g"), "x", 0640);
  MUST(chown(st::Tmp("g").c_str(), 0, 555));
  std::string g = st::Tmp("g");
  EXPECT_CHILD_OK([&] {
    gid_t groups[1] = {555};
    MUST(setgroups(1, groups));
    MUST(syscall(SYS_setresgid, 7, 7, 7));
    MUST(Resuid(7, 7, 7));
    EXPECT_OK(open(g.c_str(), O_RDONLY));
    EXPECT_ERR(open(g.c_str(), O_WRONLY), EACCES);
  });
}

TEST(Capabilities, GetVersions) {
  Caps c;
  EXPECT_OK(syscall(SYS_capget, &c.header, c.data));
  c.header.version = 1;
  EXPECT_ERR(syscall(SYS_capget, &c.header, c.data), EINVAL);
  EXPECT_EQ(c.header.version, static_cast<uint32_t>(_LINUX_CAPABILITY_VERSION_3));  // the kernel's own
  c.header.pid = 0x3ffffff;
  EXPECT_ERR(syscall(SYS_capget, &c.header, c.data), ESRCH);
  EXPECT_ERR(syscall(SYS_capget, st::Bad(), c.data), EFAULT);
}

TEST(Capabilities, DropAndNoReturn) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    Caps c;
    MUST(syscall(SYS_capget, &c.header, c.data));
    uint32_t bit = 1u << CAP_CHOWN;
    if (!(c.data[0].permitted & bit)) return;
    c.data[0].effective &= ~bit;
    EXPECT_OK(syscall(SYS_capset, &c.header, c.data));
    st::WriteFile(st::Tmp("f"), "");
    EXPECT_ERR(chown(st::Tmp("f").c_str(), 5, 5), EPERM);
    c.data[0].effective |= bit;
    EXPECT_OK(syscall(SYS_capset, &c.header, c.data));
    EXPECT_OK(chown(st::Tmp("f").c_str(), 5, 5));
    c.data[0].effective &= ~bit;
    c.data[0].permitted &= ~bit;
    c.data[0].inheritable &= ~bit;
    EXPECT_OK(syscall(SYS_capset, &c.header, c.data));
    c.data[0].permitted |= bit;
    EXPECT_ERR(syscall(SYS_capset, &c.header, c.data), EPERM);
  });
}

TEST(Capabilities, LostWithRoot) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    MUST(Resuid(1000, 1000, 1000));
    Caps c;
    MUST(syscall(SYS_capget, &c.header, c.data));
    EXPECT_EQ(c.data[0].effective, 0u);
    EXPECT_EQ(c.data[0].permitted, 0u);
  });
  EXPECT_CHILD_OK([] {
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    MUST(Resuid(1000, 1000, 1000));
    Caps c;
    MUST(syscall(SYS_capget, &c.header, c.data));
    EXPECT_EQ(c.data[0].effective, 0u);
    EXPECT_NE(c.data[0].permitted, 0u);
  });
}

TEST(Capabilities, BoundingSetShrinks) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    EXPECT_RET(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
    EXPECT_OK(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
    EXPECT_RET(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
    EXPECT_ERR(prctl(PR_CAPBSET_READ, 99), EINVAL);
  });
}

}  // namespace
