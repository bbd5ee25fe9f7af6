// Evaluates the compiled filters as the kernel would, over every call number
// and around every argument rule, against the policy that they come from.
#include "runsc-cpp/filter/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "platform/kvm/api.h"
#include "runsc-cpp/filter/policy.h"

namespace runsc {
namespace {

constexpr int kHighestNumber = 1024;

// Classic BPF as seccomp uses it: 32-bit loads from seccomp_data, no memory.
uint32_t Evaluate(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& i = program[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k + 4 > sizeof data) return SECCOMP_RET_KILL_PROCESS;
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        pc += (a & i.k) != 0 ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        ADD_FAILURE() << "instruction " << i.code;
        return 0;
    }
  }
  ADD_FAILURE() << "the program ends without a verdict";
  return 0;
}

uint32_t Expected(std::span<const FilterRule> policy, const seccomp_data& data) {
  for (const FilterRule& rule : policy) {
    if (rule.number != data.nr) continue;
    bool matches = true;
    for (uint8_t i = 0; i < rule.arg_count; ++i) {
      matches = matches && (data.args[rule.args[i].index] & rule.args[i].mask) == rule.args[i].value;
    }
    if (!matches) continue;
    return rule.action == FilterAction::kAllow ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | ENOSYS;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

// Arguments that meet a rule, and that miss it by one bit in each place.
std::vector<seccomp_data> Probes(std::span<const FilterRule> policy, int number) {
  seccomp_data zero{};
  zero.nr = number;
  zero.arch = AUDIT_ARCH_X86_64;
  seccomp_data ones = zero;
  for (auto& arg : ones.args) arg = UINT64_MAX;
  std::vector<seccomp_data> probes = {zero, ones};
  for (const FilterRule& rule : policy) {
    if (rule.number != number || rule.arg_count == 0) continue;
    seccomp_data exact = zero;
    for (uint8_t i = 0; i < rule.arg_count; ++i) exact.args[rule.args[i].index] = rule.args[i].value;
    probes.push_back(exact);
    for (uint8_t i = 0; i < rule.arg_count; ++i) {
      for (int bit = 0; bit < 64; ++bit) {
        seccomp_data off = exact;
        off.args[rule.args[i].index] ^= uint64_t{1} << bit;
        probes.push_back(off);
      }
    }
  }
  return probes;
}

struct Subject {
  const char* name;
  std::span<const sock_filter> (*filter)();
  std::span<const FilterRule> (*policy)();
  bool makes_sockets = false;
};
constexpr Subject kSubjects[] = {{"Sentry", SentryFilter, SentryPolicy},
                                 {"TracingSentry", TracingSentryFilter, TracingSentryPolicy},
                                 {"KvmSentry", KvmSentryFilter, KvmSentryPolicy},
                                 {"Gofer", GoferFilter, GoferPolicy},
                                 {"Netgofer", NetgoferFilter, NetgoferPolicy, true},
                                 {"RawNetgofer", RawNetgoferFilter, RawNetgoferPolicy, true}};
constexpr int kOfSockets[] = {__NR_socket, __NR_connect, __NR_bind, __NR_listen, __NR_accept4};

class FilterTest : public testing::TestWithParam<Subject> {
 protected:
  std::span<const sock_filter> filter() const { return GetParam().filter(); }
  std::span<const FilterRule> policy() const { return GetParam().policy(); }
};

TEST_P(FilterTest, EveryNumberAndArgumentRuleAsThePolicySays) {
  for (int number = 0; number <= kHighestNumber; ++number) {
    for (const seccomp_data& probe : Probes(policy(), number)) {
      ASSERT_EQ(Evaluate(filter(), probe), Expected(policy(), probe)) << "call " << number;
    }
  }
}

TEST_P(FilterTest, OtherArchitecturesAreKilled) {
  for (int number = 0; number <= kHighestNumber; ++number) {
    seccomp_data data{};
    data.nr = number;
    data.arch = AUDIT_ARCH_I386;
    ASSERT_EQ(Evaluate(filter(), data), SECCOMP_RET_KILL_PROCESS) << number;
    data.arch = AUDIT_ARCH_X86_64;
    data.nr = number | 0x40000000;  // x32
    ASSERT_EQ(Evaluate(filter(), data), SECCOMP_RET_KILL_PROCESS) << number;
  }
}

TEST_P(FilterTest, WhatCouldOpenAWayOutIsNotThere) {
  for (const int number : {__NR_execve,
                           __NR_execveat,
                           __NR_fork,
                           __NR_vfork,
                           __NR_socket,
                           __NR_socketpair,
                           __NR_connect,
                           __NR_bind,
                           __NR_listen,
                           __NR_accept,
                           __NR_open,
                           __NR_creat,
                           __NR_mount,
                           __NR_umount2,
                           __NR_pivot_root,
                           __NR_chroot,
                           __NR_unshare,
                           __NR_setns,
                           __NR_bpf,
                           __NR_perf_event_open,
                           __NR_io_uring_setup,
                           __NR_userfaultfd,
                           __NR_keyctl,
                           __NR_add_key,
                           __NR_process_vm_readv,
                           __NR_process_vm_writev,
                           __NR_setuid,
                           __NR_setresuid,
                           __NR_capset,
                           __NR_init_module,
                           __NR_finit_module,
                           __NR_kexec_load,
                           __NR_reboot,
                           __NR_seccomp}) {
    const bool of_sockets = std::find(std::begin(kOfSockets), std::end(kOfSockets), number) != std::end(kOfSockets);
    if (GetParam().makes_sockets && of_sockets) continue;
    for (const FilterRule& rule : policy()) ASSERT_NE(rule.number, number) << rule.reason;
  }
}

TEST_P(FilterTest, EveryRuleHasAReason) {
  for (const FilterRule& rule : policy()) EXPECT_GT(std::strlen(rule.reason), 3u) << rule.number;
}

INSTANTIATE_TEST_SUITE_P(All, FilterTest, testing::ValuesIn(kSubjects),
                         [](const auto& info) { return info.param.name; });

TEST(SentryPolicy, TracesOnlyWhereThePlatformDoes) {
  seccomp_data data{};
  data.nr = __NR_ptrace;
  data.arch = AUDIT_ARCH_X86_64;
  EXPECT_EQ(Evaluate(SentryFilter(), data), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Evaluate(TracingSentryFilter(), data), SECCOMP_RET_ALLOW);
  EXPECT_EQ(SentryPolicy().size() + 1, TracingSentryPolicy().size());
}

TEST(SentryPolicy, UsesKvmOnlyWhereThePlatformDoesAndOnItsDescriptors) {
  seccomp_data data{};
  data.nr = __NR_ioctl;
  data.arch = AUDIT_ARCH_X86_64;
  data.args[1] = KVM_RUN;
  for (const uint64_t fd : {0, 5, 0x3f, 0x80, 0x140}) {
    data.args[0] = fd;
    EXPECT_EQ(Evaluate(KvmSentryFilter(), data), SECCOMP_RET_KILL_PROCESS) << fd;
  }
  for (const uint64_t fd : {0x40, 0x7f}) {
    data.args[0] = fd;
    data.args[1] = KVM_RUN;
    EXPECT_EQ(Evaluate(KvmSentryFilter(), data), SECCOMP_RET_ALLOW) << fd;
    EXPECT_EQ(Evaluate(SentryFilter(), data), SECCOMP_RET_KILL_PROCESS) << fd;
    EXPECT_EQ(Evaluate(TracingSentryFilter(), data), SECCOMP_RET_KILL_PROCESS) << fd;
    for (const uint64_t request : std::initializer_list<uint64_t>{KVM_CREATE_VM, KVM_CREATE_IRQCHIP, KVM_IRQFD}) {
      data.args[1] = request;
      EXPECT_EQ(Evaluate(KvmSentryFilter(), data), SECCOMP_RET_KILL_PROCESS) << request;
    }
  }
}

uint32_t Verdict(std::span<const sock_filter> filter, int number, std::initializer_list<uint64_t> args) {
  seccomp_data data{};
  data.nr = number;
  data.arch = AUDIT_ARCH_X86_64;
  std::copy(args.begin(), args.end(), data.args);
  return Evaluate(filter, data);
}

TEST(SentryPolicy, ConnectsBySendingNeither) {
  for (const int number : {__NR_sendmsg, __NR_sendto}) {
    const uint64_t flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_FASTOPEN;
    EXPECT_EQ(Verdict(SentryFilter(), number, {5, 1, flags, flags}), SECCOMP_RET_KILL_PROCESS) << number;
  }
  EXPECT_EQ(Verdict(SentryFilter(), __NR_sendto, {5, 1, 1, MSG_DONTWAIT}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(SentryFilter(), __NR_sendto, {5, 1, 1, MSG_DONTWAIT, 0x1000, 16}), SECCOMP_RET_KILL_PROCESS);
  constexpr int kFastOpenConnect = 30, kMark = 36, kBindToDevice = 25, kAttachFilter = 26, kUlp = 31;
  EXPECT_EQ(Verdict(SentryFilter(), __NR_setsockopt, {5, 6, kFastOpenConnect, 1, 4}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Verdict(SentryFilter(), __NR_setsockopt, {5, 6, kUlp, 1, 4}), SECCOMP_RET_KILL_PROCESS);
  for (const uint64_t name : {kMark, kBindToDevice, kAttachFilter}) {
    EXPECT_EQ(Verdict(SentryFilter(), __NR_setsockopt, {5, 1, name, 1, 4}), SECCOMP_RET_KILL_PROCESS) << name;
  }
  EXPECT_EQ(Verdict(SentryFilter(), __NR_setsockopt, {5, 6, 1, 1, 4}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(SentryFilter(), __NR_setsockopt, {5, 6, 1, 1, 4096}), SECCOMP_RET_KILL_PROCESS);
}

TEST(NetgoferPolicy, MakesInternetSocketsAndOpensNoPath) {
  constexpr uint64_t kHow = SOCK_NONBLOCK | SOCK_CLOEXEC;
  for (const uint64_t family : {AF_UNIX, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK}) {
    for (const uint64_t type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW}) {
      EXPECT_EQ(Verdict(RawNetgoferFilter(), __NR_socket, {family, type | kHow}), SECCOMP_RET_KILL_PROCESS) << family;
    }
  }
  EXPECT_EQ(Verdict(NetgoferFilter(), __NR_socket, {AF_INET, SOCK_STREAM | kHow}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(Verdict(NetgoferFilter(), __NR_socket, {AF_INET, SOCK_STREAM}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Verdict(NetgoferFilter(), __NR_socket, {AF_INET6, SOCK_RAW | kHow}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(Verdict(RawNetgoferFilter(), __NR_socket, {AF_INET6, SOCK_RAW | kHow}), SECCOMP_RET_ALLOW);
  for (const FilterRule& rule : RawNetgoferPolicy()) {
    for (const int number : {__NR_openat, __NR_openat2, __NR_clone, __NR_kill, __NR_fcntl, __NR_memfd_create}) {
      EXPECT_NE(rule.number, number) << rule.reason;
    }
  }
}

TEST(SentryPolicy, OpensNoPathAndMakesNoDescriptorFromOne) {
  for (const FilterRule& rule : TracingSentryPolicy()) {
    for (const int number : {__NR_openat, __NR_openat2, __NR_readlinkat, __NR_mkdirat, __NR_unlinkat, __NR_linkat,
                             __NR_memfd_create, __NR_name_to_handle_at, __NR_open_by_handle_at}) {
      EXPECT_NE(rule.number, number) << rule.reason;
    }
  }
}

}  // namespace
}  // namespace runsc
