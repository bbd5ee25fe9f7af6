#include "runsc-cpp/oci/seccomp.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/syscall.h>

#include <random>
#include <set>

#include "runsc-cpp/oci/bpf_interpreter.h"
#include "runsc-cpp/oci/words.h"

namespace runsc::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kErrno = SECCOMP_RET_ERRNO, kAllow = SECCOMP_RET_ALLOW;

seccomp_data Call(int number, std::vector<uint64_t> args = {}, uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data = {};
  data.nr = number;
  data.arch = arch;
  std::copy(args.begin(), args.end(), data.args);
  return data;
}

LinuxSyscall Rule(std::string name, std::string action, std::vector<LinuxSeccompArg> args = {}) {
  LinuxSyscall rule;
  rule.names = {std::move(name)};
  rule.action = std::move(action);
  rule.args = std::move(args);
  return rule;
}

LinuxSeccomp Profile(std::string default_action, std::vector<LinuxSyscall> rules) {
  LinuxSeccomp profile;
  profile.default_action = std::move(default_action);
  profile.syscalls = std::move(rules);
  return profile;
}

std::vector<sock_filter> Compile(const LinuxSeccomp& profile) {
  const auto result = CompileSeccomp(profile, "linux.seccomp", nullptr);
  EXPECT_TRUE(result.ok()) << result.status().ToString();
  return result.ok() ? result->instructions : std::vector<sock_filter>();
}

std::string Refusal(const LinuxSeccomp& profile) {
  return std::string(CompileSeccomp(profile, "linux.seccomp", nullptr).status().message());
}

TEST(SeccompTest, NumbersAreThoseOfTheHeaders) {
  EXPECT_EQ(SyscallNumber("read"), SYS_read);
  EXPECT_EQ(SyscallNumber("clone3"), SYS_clone3);
  EXPECT_EQ(SyscallNumber("vserver"), SYS_vserver);
  EXPECT_EQ(SyscallNumber("socketcall"), std::nullopt);
  EXPECT_EQ(SyscallNumber(""), std::nullopt);
  for (int number = 0; number < 500; ++number) {
    char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, number);
    if (name == nullptr) continue;
    EXPECT_EQ(SyscallNumber(name), static_cast<uint32_t>(number)) << name;
    free(name);
  }
}

TEST(SeccompTest, EachActionBecomesItsReturnValue) {
  const std::pair<const char*, uint32_t> kActions[] = {{"SCMP_ACT_ALLOW", kAllow},
                                                       {"SCMP_ACT_ERRNO", kErrno | EPERM},
                                                       {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
                                                       {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
                                                       {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
                                                       {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
                                                       {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE | EPERM},
                                                       {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP}};
  for (const auto& [name, value] : kActions) {
    LinuxSeccomp profile = Profile("SCMP_ACT_ERRNO", {Rule("getpid", name)});
    profile.default_errno_ret = ENOTTY;
    EXPECT_EQ(RunBpf(Compile(profile), Call(SYS_getpid)), value) << name;
    EXPECT_EQ(RunBpf(Compile(Profile(name, {})), Call(SYS_getpid)), value) << name;
  }
  EXPECT_THAT(Refusal(Profile("SCMP_ACT_ALLOW", {Rule("bpf", "SCMP_ACT_NOTIFY")})),
              HasSubstr("linux.seccomp.syscalls[0]: \"SCMP_ACT_NOTIFY\" is refused"));
}

TEST(SeccompTest, ErrnoGoesWithErrnoAndTraceOnly) {
  LinuxSyscall rule = Rule("getpid", "SCMP_ACT_ERRNO");
  rule.errno_ret = ENOENT;
  EXPECT_EQ(RunBpf(Compile(Profile("SCMP_ACT_ALLOW", {rule})), Call(SYS_getpid)), kErrno | ENOENT);
  rule.action = "SCMP_ACT_ALLOW";
  EXPECT_THAT(Refusal(Profile("SCMP_ACT_ERRNO", {rule})), HasSubstr("linux.seccomp.syscalls[0].errnoRet: 2 has no"));
}

TEST(SeccompTest, EachOperatorAtItsEdges) {
  constexpr uint64_t kMid = 0x1'8000'0000;
  const uint64_t kProbes[] = {0,         1,        0x7fff'ffff,         0x8000'0000,         kMid - 1,
                              kMid,      kMid + 1, kMid - (1ull << 32), kMid + (1ull << 32), UINT64_MAX - 1,
                              UINT64_MAX};
  for (const std::string_view op : kSeccompOperators) {
    const auto program =
        Compile(Profile("SCMP_ACT_ERRNO", {Rule("read", "SCMP_ACT_ALLOW", {{3, kMid, kMid, std::string(op)}})}));
    for (const uint64_t x : kProbes) {
      const bool holds = op == "SCMP_CMP_EQ"   ? x == kMid
                         : op == "SCMP_CMP_NE" ? x != kMid
                         : op == "SCMP_CMP_LT" ? x < kMid
                         : op == "SCMP_CMP_LE" ? x <= kMid
                         : op == "SCMP_CMP_GT" ? x > kMid
                         : op == "SCMP_CMP_GE" ? x >= kMid
                                               : (x & kMid) == kMid;
      EXPECT_EQ(RunBpf(program, Call(SYS_read, {0, 0, 0, x})), holds ? kAllow : kErrno | EPERM) << op << " " << x;
    }
  }
}

TEST(SeccompTest, ArgumentsAllHoldUnlessOneIsNamedTwice) {
  const auto both = Compile(Profile(
      "SCMP_ACT_ERRNO", {Rule("read", "SCMP_ACT_ALLOW", {{0, 1, 0, "SCMP_CMP_EQ"}, {1, 2, 0, "SCMP_CMP_EQ"}})}));
  EXPECT_EQ(RunBpf(both, Call(SYS_read, {1, 2})), kAllow);
  EXPECT_EQ(RunBpf(both, Call(SYS_read, {1, 3})), kErrno | EPERM);
  const auto either = Compile(Profile(
      "SCMP_ACT_ERRNO", {Rule("read", "SCMP_ACT_ALLOW", {{0, 1, 0, "SCMP_CMP_EQ"}, {0, 2, 0, "SCMP_CMP_EQ"}})}));
  EXPECT_EQ(RunBpf(either, Call(SYS_read, {1})), kAllow);
  EXPECT_EQ(RunBpf(either, Call(SYS_read, {2})), kAllow);
  EXPECT_EQ(RunBpf(either, Call(SYS_read, {3})), kErrno | EPERM);
}

TEST(SeccompTest, TheStricterOfTwoConditionsCounts) {
  const LinuxSeccompArg one = {0, 1, 0, "SCMP_CMP_EQ"}, small = {0, 9, 0, "SCMP_CMP_LT"};
  for (const bool swap : {false, true}) {
    std::vector<LinuxSyscall> rules = {Rule("read", "SCMP_ACT_ALLOW", {small}), Rule("read", "SCMP_ACT_TRAP", {one})};
    if (swap) std::swap(rules[0], rules[1]);
    const auto program = Compile(Profile("SCMP_ACT_ERRNO", rules));
    EXPECT_EQ(RunBpf(program, Call(SYS_read, {1})), SECCOMP_RET_TRAP);
    EXPECT_EQ(RunBpf(program, Call(SYS_read, {2})), kAllow);
  }
}

TEST(SeccompTest, CallsNewerThanTheProfileDoNotExist) {
  const auto strict = Compile(Profile("SCMP_ACT_ERRNO", {Rule("getpid", "SCMP_ACT_ALLOW")}));
  EXPECT_EQ(RunBpf(strict, Call(SYS_getpid - 1)), kErrno | EPERM);
  EXPECT_EQ(RunBpf(strict, Call(SYS_getpid + 1)), kErrno | ENOSYS);
  EXPECT_EQ(RunBpf(strict, Call(-1)), kErrno | EPERM);
  const auto open = Compile(Profile("SCMP_ACT_ALLOW", {Rule("getpid", "SCMP_ACT_ERRNO")}));
  EXPECT_EQ(RunBpf(open, Call(SYS_getpid + 1)), kAllow);
}

TEST(SeccompTest, ForeignArchitecturesAreKilledUnlessListed) {
  LinuxSeccomp profile = Profile("SCMP_ACT_ERRNO", {Rule("read", "SCMP_ACT_ALLOW")});
  const seccomp_data i386 = Call(SYS_read, {}, AUDIT_ARCH_I386), x32 = Call(SYS_read | 0x40000000);
  EXPECT_EQ(RunBpf(Compile(profile), i386), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(RunBpf(Compile(profile), x32), SECCOMP_RET_KILL_THREAD);
  profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  EXPECT_EQ(RunBpf(Compile(profile), i386), kErrno | EPERM);
  EXPECT_EQ(RunBpf(Compile(profile), x32), kErrno | EPERM);
  EXPECT_EQ(RunBpf(Compile(profile), Call(SYS_read, {}, AUDIT_ARCH_AARCH64)), SECCOMP_RET_KILL_THREAD);
}

TEST(SeccompTest, FlagsAndUnknownNames) {
  LinuxSeccomp profile = Profile("SCMP_ACT_ALLOW", {Rule("socketcall", "SCMP_ACT_ERRNO")});
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  std::vector<std::string> unknown;
  const auto result = CompileSeccomp(profile, "linux.seccomp", &unknown);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->log);
  EXPECT_THAT(unknown, ElementsAre("socketcall"));
  profile.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  EXPECT_THAT(Refusal(profile), HasSubstr("linux.seccomp.flags"));
}

TEST(SeccompTest, NoActionAndNoRuleIsNoFilter) {
  EXPECT_TRUE(Compile(Profile("", {})).empty());
  EXPECT_THAT(Refusal(Profile("", {Rule("read", "SCMP_ACT_ALLOW")})), HasSubstr("linux.seccomp.defaultAction"));
}

TEST(SeccompTest, ATooLargeProfileIsRefused) {
  std::vector<LinuxSyscall> rules;
  for (uint64_t i = 0; i < 2000; ++i) rules.push_back(Rule("read", "SCMP_ACT_ALLOW", {{0, i, 0, "SCMP_CMP_EQ"}}));
  EXPECT_THAT(Refusal(Profile("SCMP_ACT_ERRNO", rules)), HasSubstr("more than 4096 instructions"));
}

// --- Against libseccomp, as runc calls it ---

uint32_t LibseccompAction(const std::string& name) {
  return name == "SCMP_ACT_ALLOW" ? SCMP_ACT_ALLOW : name == "SCMP_ACT_TRAP" ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);
}

scmp_compare LibseccompOp(const std::string& op) {
  if (op == "SCMP_CMP_NE") return SCMP_CMP_NE;
  if (op == "SCMP_CMP_LT") return SCMP_CMP_LT;
  if (op == "SCMP_CMP_LE") return SCMP_CMP_LE;
  if (op == "SCMP_CMP_GE") return SCMP_CMP_GE;
  if (op == "SCMP_CMP_GT") return SCMP_CMP_GT;
  return op == "SCMP_CMP_EQ" ? SCMP_CMP_EQ : SCMP_CMP_MASKED_EQ;
}

std::vector<sock_filter> ByLibseccomp(const LinuxSeccomp& profile) {
  const uint32_t default_action = LibseccompAction(profile.default_action);
  scmp_filter_ctx context = seccomp_init(default_action);
  for (const LinuxSyscall& rule : profile.syscalls) {
    const uint32_t action = LibseccompAction(rule.action);
    if (action == default_action) continue;
    std::vector<scmp_arg_cmp> args;
    for (const LinuxSeccompArg& a : rule.args) args.push_back({a.index, LibseccompOp(a.op), a.value, a.value_two});
    const int number = seccomp_syscall_resolve_name(rule.names[0].c_str());
    // A repeated rule is an error to libseccomp, and changes nothing.
    (void)seccomp_rule_add_array(context, action, number, args.size(), args.data());
  }
  std::vector<sock_filter> program;
  FILE* file = tmpfile();
  EXPECT_EQ(seccomp_export_bpf(context, fileno(file)), 0);
  rewind(file);
  sock_filter i;
  while (fread(&i, sizeof i, 1, file) == 1) program.push_back(i);
  fclose(file);
  seccomp_release(context);
  return program;
}

// A call has one rule with arguments here: of several, libseccomp 2.5.4 loses
// some when it merges their tests, and takes the order of arguments for theirs.
TEST(SeccompTest, AgreesWithLibseccomp) {
  const char* kNames[] = {"read", "write", "close", "getpid", "socket", "clone", "personality", "bpf", "openat2"};
  const char* kActions[] = {"SCMP_ACT_ALLOW", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO"};
  const uint64_t kValues[] = {0, 1, 2, 0x7fff'ffff, 0xffff'ffff, 0x1'0000'0000, 0x1'0000'0001, UINT64_MAX};
  std::mt19937 random(20240613);
  const auto pick = [&](const auto& from) { return from[random() % std::size(from)]; };
  int compared = 0;
  for (int round = 0; round < 300; ++round) {
    LinuxSeccomp profile = Profile(pick(kActions), {});
    std::set<std::string> conditional;
    for (size_t n = random() % 12; n > 0; --n) {
      LinuxSyscall rule = Rule(pick(kNames), pick(kActions));
      for (uint32_t index = 0; index < 3 && random() % 2 == 0; ++index) {
        rule.args.push_back({index, pick(kValues), pick(kValues), std::string(pick(kSeccompOperators))});
      }
      if (!rule.args.empty() && !conditional.insert(rule.names[0]).second) continue;
      profile.syscalls.push_back(std::move(rule));
    }
    const auto ours = Compile(profile), theirs = ByLibseccomp(profile);
    for (const char* name : kNames) {
      for (int probe = 0; probe < 40; ++probe) {
        const seccomp_data call =
            Call(static_cast<int>(*SyscallNumber(name)), {pick(kValues), pick(kValues), pick(kValues)});
        std::optional<uint32_t> expected = RunBpf(theirs, call), actual = RunBpf(ours, call);
        if (actual == (kErrno | ENOSYS)) continue;  // newer than the profile: the test above
        ASSERT_EQ(actual, expected) << "round " << round << " " << name;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 50'000);
}

}  // namespace
}  // namespace runsc::oci
