// What execve does to capabilities, and those of files (man 7 capabilities,
// "Transformation of capabilities during execve()").
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#include "test/syscalls/capability_test_util.h"
#include "test/syscalls/harness/test.h"

TOUCHES("execve", "prctl", "capset", "setxattr", "getxattr", "removexattr")

namespace {

using namespace capability_test;  // NOLINT: all of it is for tests like this

uid_t Euid() { return static_cast<uid_t>(syscall(SYS_geteuid)); }

// Prints "effective permitted inheritable ambient euid secure" of itself.
HELPER(show_caps) {
  const Sets s = Get();
  printf("%llx %llx %llx %llx %u", static_cast<unsigned long long>(s.effective),
         static_cast<unsigned long long>(s.permitted), static_cast<unsigned long long>(s.inheritable),
         static_cast<unsigned long long>(Status("CapAmb")), Euid());
  return 0;
}
struct Shown {
  Sets s;
  uint64_t ambient = 0;
  unsigned euid = 0;
  bool started = false;
  int error = 0;
};
// Becomes what `prepare` makes of a child, then executes `exe`.
template <class F>
Shown Exec(const std::string& exe, F prepare) {
  st::Pipe out, fail(O_CLOEXEC);
  const pid_t child = MUST(fork());
  if (child == 0) {
    prepare();
    MUST(dup2(out.w, 1));
    char name[] = "st-helper:show_caps";
    char* argv[] = {name, nullptr};
    execv(exe.c_str(), argv);
    const int error = errno;
    (void)!write(fail.w, &error, sizeof error);
    _exit(0);
  }
  out.w.reset(), fail.w.reset();
  Shown shown;
  shown.started = read(fail.r, &shown.error, sizeof shown.error) == 0;
  const std::string text = st::ReadAll(out.r);
  st::WaitStatus(child);
  unsigned long long v[4] = {};
  sscanf(text.c_str(), "%llx %llx %llx %llx %u", &v[0], &v[1], &v[2], &v[3], &shown.euid);
  shown.s = {v[0], v[1], v[2]};
  shown.ambient = v[3];
  return shown;
}
std::string CopyOfSelf(mode_t mode, uid_t owner = 0) {
  static int n = 0;
  const std::string path = st::Tmp("exe" + std::to_string(n++));
  st::WriteFile(path, st::ReadFile(st::SelfExe()), 0755);
  MUST(chown(path.c_str(), owner, 0));
  MUST(chmod(path.c_str(), mode));
  MUST(chmod(st::Tmp().c_str(), 0755));
  return path;
}
void BecomeUser() {
  MUST(setgroups(0, nullptr));
  MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
  MUST(Resuid(1000, 1000, 1000));
}

TEST(CapsExec, RootGetsTheBoundingSet) {
  st::NeedRoot();
  const std::string exe = CopyOfSelf(0755);
  const uint64_t bound = Status("CapBnd");
  Shown s = Exec(exe, [] {});
  EXPECT_EQ(s.s.permitted, bound);
  EXPECT_EQ(s.s.effective, bound);
  s = Exec(exe, [] { MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME)); });
  EXPECT_EQ(s.s.effective, bound & ~Bit(CAP_SYS_TIME));
  // Root in name only.
  s = Exec(exe, [] { MUST(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)); });
  EXPECT_EQ(s.s.permitted, 0u);
  // A user's program has none.
  s = Exec(exe, BecomeUser);
  EXPECT_EQ(s.s.permitted, 0u);
  EXPECT_EQ(s.euid, 1000u);
}

TEST(CapsExec, AmbientSurvives) {
  st::NeedRoot();
  const std::string exe = CopyOfSelf(0755), suid = CopyOfSelf(04755);
  const auto prepare = [] {
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    BecomeUser();
    Sets s = Get();
    s.inheritable = s.effective = Bit(CAP_NET_BIND_SERVICE) | Bit(CAP_KILL);
    MUST(Set(s));
    MUST(Ambient(PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE));
  };
  Shown s = Exec(exe, prepare);
  EXPECT_EQ(s.s.effective, Bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(s.s.permitted, Bit(CAP_NET_BIND_SERVICE));
  EXPECT_EQ(s.s.inheritable, Bit(CAP_NET_BIND_SERVICE) | Bit(CAP_KILL));
  EXPECT_EQ(s.ambient, Bit(CAP_NET_BIND_SERVICE));
  s = Exec(suid, prepare);
  EXPECT_EQ(s.euid, 0u);
  EXPECT_EQ(s.ambient, 0u);
  EXPECT_EQ(s.s.effective, Status("CapBnd"));
}

TEST(CapsExec, NoNewPrivsStopsSetuid) {
  st::NeedRoot();
  const std::string suid = CopyOfSelf(04755);
  const Shown s = Exec(suid, [] {
    BecomeUser();
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  });
  EXPECT_EQ(s.euid, 1000u);
  EXPECT_EQ(s.s.permitted, 0u);
  EXPECT_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
  EXPECT_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
  EXPECT_ERR(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
}

struct CapXattr {
  uint32_t magic, permitted_low, inheritable_low, permitted_high, inheritable_high, root;
};
constexpr uint32_t kV2 = 0x02000000, kV3 = 0x03000000, kEffective = 1;
constexpr const char* kName = "security.capability";
CapXattr Xattr(uint32_t magic, uint64_t permitted, uint64_t inheritable = 0, uint32_t root = 0) {
  return {magic,
          static_cast<uint32_t>(permitted),
          static_cast<uint32_t>(inheritable),
          static_cast<uint32_t>(permitted >> 32),
          static_cast<uint32_t>(inheritable >> 32),
          root};
}
long SetFileCaps(const std::string& path, const CapXattr& value) {
  return setxattr(path.c_str(), kName, &value, value.magic >> 24 == 3 ? 24 : 20, 0);
}
std::string CopyWithCaps(const CapXattr& value) {
  const std::string path = CopyOfSelf(0755);
  if (SetFileCaps(path, value) != 0) {
    if (errno == EOPNOTSUPP) SKIP("no file capabilities on this file system");
    MUST(-1);
  }
  return path;
}

TEST(FileCaps, GivePermittedAndEffective) {
  st::NeedRoot();
  const uint64_t caps = Bit(CAP_NET_RAW) | Bit(CAP_SYSLOG);
  Shown s = Exec(CopyWithCaps(Xattr(kV2 | kEffective, caps)), BecomeUser);
  EXPECT_TRUE(s.started);
  EXPECT_EQ(s.s.effective, caps);
  EXPECT_EQ(s.s.permitted, caps);
  s = Exec(CopyWithCaps(Xattr(kV2, caps)), BecomeUser);
  EXPECT_EQ(s.s.effective, 0u);
  EXPECT_EQ(s.s.permitted, caps);
  s = Exec(CopyWithCaps(Xattr(kV3 | kEffective, caps, 0, 0)), BecomeUser);
  EXPECT_EQ(s.s.effective, caps);
  // Of another namespace's root, who is nobody here.
  s = Exec(CopyWithCaps(Xattr(kV3 | kEffective, caps, 0, 4711)), BecomeUser);
  EXPECT_EQ(s.s.permitted, 0u);
}

TEST(FileCaps, InheritableAndBounding) {
  st::NeedRoot();
  const uint64_t raw = Bit(CAP_NET_RAW), kill = Bit(CAP_KILL);
  const auto prepare = [] {
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    BecomeUser();
    Sets s = Get();
    s.inheritable = kill;
    MUST(Set(s));
  };
  Shown s = Exec(CopyWithCaps(Xattr(kV2 | kEffective, raw, kill)), prepare);
  EXPECT_EQ(s.s.permitted, raw | kill);
  const auto bounded = [] {
    MUST(prctl(PR_CAPBSET_DROP, CAP_NET_RAW));
    BecomeUser();
  };
  // Marked effective, it must get all or does not start; else it gets less.
  s = Exec(CopyWithCaps(Xattr(kV2 | kEffective, raw)), bounded);
  EXPECT_FALSE(s.started);
  EXPECT_EQ(s.error, EPERM);
  s = Exec(CopyWithCaps(Xattr(kV2, raw)), bounded);
  EXPECT_TRUE(s.started);
  EXPECT_EQ(s.s.permitted, 0u);
}

TEST(FileCaps, NoNewPrivsAndSetuidRoot) {
  st::NeedRoot();
  const uint64_t raw = Bit(CAP_NET_RAW);
  Shown s = Exec(CopyWithCaps(Xattr(kV2 | kEffective, raw)), [] {
    BecomeUser();
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  });
  EXPECT_EQ(s.s.permitted, 0u);
  // A set-uid root program with capabilities of its own gets those alone.
  const std::string both = CopyWithCaps(Xattr(kV2 | kEffective, raw));
  MUST(chmod(both.c_str(), 04755));
  s = Exec(both, BecomeUser);
  EXPECT_EQ(s.euid, 0u);
  EXPECT_EQ(s.s.permitted, raw);
}

TEST(FileCaps, XattrRules) {
  st::NeedRoot();
  const std::string path = CopyWithCaps(Xattr(kV2, Bit(CAP_KILL)));
  CapXattr got = {};
  EXPECT_RET(getxattr(path.c_str(), kName, &got, sizeof got), 20);
  EXPECT_EQ(got.magic, kV2);
  EXPECT_ERR(setxattr(path.c_str(), kName, "x", 1, 0), EINVAL);
  CapXattr bad = Xattr(0x04000000, 1);
  EXPECT_ERR(setxattr(path.c_str(), kName, &bad, 20, 0), EINVAL);
  bad = Xattr(kV3, 1);
  EXPECT_ERR(setxattr(path.c_str(), kName, &bad, 20, 0), EINVAL);
  // Version 3 of the first root is shown as version 2.
  EXPECT_OK(SetFileCaps(path, Xattr(kV3, Bit(CAP_KILL), 0, 0)));
  EXPECT_RET(getxattr(path.c_str(), kName, &got, sizeof got), 20);
  EXPECT_OK(SetFileCaps(path, Xattr(kV3, Bit(CAP_KILL), 0, 77)));
  EXPECT_RET(getxattr(path.c_str(), kName, &got, sizeof got), 24);
  EXPECT_EQ(got.root, 77u);
  EXPECT_CHILD_OK([&] {
    Drop(Bit(CAP_SETFCAP));
    EXPECT_ERR(SetFileCaps(path, Xattr(kV2, 1)), EPERM);
    EXPECT_ERR(removexattr(path.c_str(), kName), EPERM);
  });
  EXPECT_OK(removexattr(path.c_str(), kName));
  EXPECT_ERR(getxattr(path.c_str(), kName, &got, sizeof got), ENODATA);
}

TEST(FileCaps, ChangesTakeThemOff) {
  st::NeedRoot();
  CapXattr got;
  const auto has = [&](const std::string& path) { return getxattr(path.c_str(), kName, &got, sizeof got) > 0; };
  std::string path = CopyWithCaps(Xattr(kV2, 1));
  {
    Fd fd(MUST(open(path.c_str(), O_WRONLY)));
    MUST(write(fd, "x", 1));
  }
  EXPECT_FALSE(has(path));
  path = CopyWithCaps(Xattr(kV2, 1));
  MUST(truncate(path.c_str(), 10));
  EXPECT_FALSE(has(path));
  path = CopyWithCaps(Xattr(kV2, 1));
  MUST(chown(path.c_str(), 5, 5));
  EXPECT_FALSE(has(path));
  path = CopyWithCaps(Xattr(kV2, 1));
  MUST(chmod(path.c_str(), 0700));
  EXPECT_TRUE(has(path));
}

}  // namespace
