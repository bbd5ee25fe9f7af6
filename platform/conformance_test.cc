// System calls, registers, faults, exceptions, mappings.
#include <sys/syscall.h>

#include "platform/conformance.h"

BLOB(syscall, "1: syscall\n jmp 1b")
BLOB(load, "mov (%rdi), %rax\n syscall")
BLOB(store, "mov %rsi, (%rdi)\n syscall")
// A store that no simple decoder knows.
BLOB(odd_store, "fstpl (%rdi)\n syscall")
BLOB(jump, "jmp *%rdi")
BLOB(spin, "1: pause\n jmp 1b")
BLOB(count, "1: incq (%rdi)\n jmp 1b")
// Not pause, behind which emulators forget the trap.
BLOB(step, "nop\n nop\n syscall")
BLOB(divide, "xor %edx, %edx\n xor %ecx, %ecx\n div %ecx")
BLOB(undefined, "ud2")
BLOB(breakpoint, "int3\n syscall")
BLOB(privileged, "hlt")
BLOB(noncanonical, "movabs $0x8000000000000000, %rax\n mov (%rax), %rax")
BLOB(bases, "mov %fs:0, %rsi\n mov %gs:0, %rdx\n syscall")
BLOB(vsyscall, "mov $0xffffffffff600400, %rax\n call *%rax\n syscall")
BLOB(int80, "mov $20, %eax\n int $0x80")
BLOB(host_call, "mov $0, %edi\n mov $231, %eax\n syscall\n syscall")  // exit_group
BLOB(far_jump, "movabs $0x7fffe0000000, %rax\n jmp *%rax")

namespace platform {
namespace {

// --- System calls and registers ---------------------------------------------------

TEST_P(PlatformTest, SyscallStopsBehindTheInstruction) {
  Load(CODE(syscall));
  regs_.rax = 39;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.rip, kCode + 2);
  EXPECT_EQ(regs_.orig_rax, 39u);
  EXPECT_EQ(regs_.rax, -uint64_t{38});
  regs_.rax = 60;  // the result, and the next number
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 60u);
}

TEST_P(PlatformTest, AllRegistersAreKept) {
  Load(CODE(syscall));
  for (int round = 0; round < 3; round++) {
    uint64_t* const words[] = {&regs_.r15, &regs_.r14, &regs_.r13, &regs_.r12, &regs_.rbp, &regs_.rbx, &regs_.r10,
                               &regs_.r9,  &regs_.r8,  &regs_.rdx, &regs_.rsi, &regs_.rdi, &regs_.rsp};
    for (size_t i = 0; i < std::size(words); i++) *words[i] = 0x1111111111111111 * (i + round);
    regs_.rax = 1000 + round;
    Registers before = regs_;
    ExpectSyscall(Run());
    EXPECT_EQ(regs_.orig_rax, 1000u + round);
    before.rip = kCode + 2;
    before.rcx = regs_.rcx, before.r11 = regs_.r11, before.rax = regs_.rax, before.orig_rax = regs_.orig_rax;
    before.cs = regs_.cs, before.ss = regs_.ss, before.eflags = regs_.eflags;
    EXPECT_EQ(before, regs_);
    EXPECT_EQ(regs_.rcx, regs_.rip);
  }
}

TEST_P(PlatformTest, RestartLikeResultsAreNotRestarted) {
  Load(CODE(syscall));
  for (int64_t result = -516; result <= -512; result++) {
    regs_.rip = kCode;
    ExpectSyscall(Run());
    regs_.rax = static_cast<uint64_t>(result);
    context_->Kick();
    EXPECT_TRUE(std::holds_alternative<PreemptedEvent>(Run()));
    ExpectSyscall(Run());
    EXPECT_EQ(regs_.orig_rax, static_cast<uint64_t>(result));
    EXPECT_EQ(regs_.rip, kCode + 2);
  }
}

TEST_P(PlatformTest, CallsThatFiltersDoNotSee) {
  Load(CODE(syscall));
  regs_.rax = 335;  // uretprobe; the host sends SIGILL for it
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 335u);
  EXPECT_EQ(regs_.rip, kCode + 2);
}

TEST_P(PlatformTest, GuestCallsNeverReachTheHost) {
  Load(CODE(host_call));
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 231u);
  regs_.rax = 7;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 7u);
}

TEST_P(PlatformTest, ThirtyTwoBitCallsAreRefused) {
  Load(CODE(int80));
  ExpectException(Run(), SIGSEGV, SI_KERNEL, 0);
  EXPECT_EQ(regs_.rip, kCode + 5);
}

TEST_P(PlatformTest, VsyscallIsASystemCall) {
  Load(CODE(vsyscall));
  MapData();
  regs_.rsp = kData + 0x800;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, static_cast<uint64_t>(SYS_time));
  EXPECT_EQ(regs_.rsp, kData + 0x800);
  EXPECT_EQ(regs_.rip, kCode + 9);
  regs_.rax = 77;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 77u);
}

TEST_P(PlatformTest, BasesAreSet) {
  Load(CODE(bases));
  uint64_t* data = MapData();
  data[0] = 0x1234, data[1] = 0x5678;
  regs_.fs_base = kData;
  regs_.gs_base = kData + 8;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.rsi, 0x1234u);
  EXPECT_EQ(regs_.rdx, 0x5678u);
  EXPECT_EQ(regs_.fs_base, kData);
}

TEST_P(PlatformTest, AbsurdRegistersDoNoHarm) {
  Load(CODE(syscall));
  regs_.fs_base = regs_.gs_base = 0xffff888000000000;
  regs_.cs = 0x10, regs_.ss = 0x18, regs_.ds = 1, regs_.fs = 0xfffff;
  regs_.eflags = ~uint64_t{0} & ~uint64_t{0x100};
  regs_.rax = 5;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 5u);
}

// --- Faults ------------------------------------------------------------------------

TEST_P(PlatformTest, ReadFault) {
  Load(CODE(load));
  regs_.rdi = kData + 16;
  ExpectFault(Run(), kData + 16, kProtRead);
  EXPECT_EQ(regs_.rip, kCode);
  MapData(kProtRead)[2] = 99;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 99u);
}

TEST_P(PlatformTest, WriteFault) {
  Load(CODE(store));
  regs_.rdi = kData + 8;
  regs_.rsi = 4711;
  ExpectFault(Run(), kData + 8, {.write = true});
  uint64_t* data = MapData(kProtRead);
  ExpectFault(Run(), kData + 8, {.write = true});
  Apply(*as_, ProtectOf(kData, kProtReadWrite));
  ExpectSyscall(Run());
  EXPECT_EQ(data[1], 4711u);
}

TEST_P(PlatformTest, UnusualStoreIsAWriteInTheEnd) {
  Load(CODE(odd_store));
  regs_.rdi = kData;
  const Event first = Run();
  ASSERT_TRUE(std::holds_alternative<FaultEvent>(first)) << Name(first);
  MapData(kProtRead);
  ExpectFault(Run(), kData, {.write = true});
  Apply(*as_, ProtectOf(kData, kProtReadWrite));
  ExpectSyscall(Run());
}

TEST_P(PlatformTest, ExecuteFault) {
  Load(CODE(jump));
  regs_.rdi = kData;
  ExpectFault(Run(), kData, {.execute = true});
  MapData(kProtRead);
  ExpectFault(Run(), kData, {.execute = true});
  EXPECT_EQ(regs_.rip, kData);
}

TEST_P(PlatformTest, StubAreaIsOutOfReach) {
  Load(CODE(store));
  regs_.rdi = 0x7fffe0000000;
  ExpectFault(Run(), 0x7fffe0000000, {.write = true});
  MapOp op = MapOf(0x7fffe0000000, 0, kProtReadWrite);
  EXPECT_TRUE(as_->Apply({&op, 1}).Is(Errno::kEINVAL));
  Load(*as_, CODE(far_jump));
  regs_.rip = kCode;
  regs_.rsp = 0;
  const Event event = Run();  // whatever the guest runs there, it comes back to us
  EXPECT_FALSE(std::holds_alternative<DeadEvent>(event)) << Name(event);
}

TEST_P(PlatformTest, FileShorterThanMapping) {
  Load(CODE(load));
  const int fd = memfd_create("short", 0);
  MapOp op = MapOf(kData, 0, kProtRead);
  op.host_fd = fd;
  Apply(*as_, op);
  close(fd);
  regs_.rdi = kData;
  Event event = Run();
  if (std::holds_alternative<FaultEvent>(event)) event = Run();
  ExpectException(event, SIGBUS, BUS_ADRERR, kData);
}

// --- Exceptions ----------------------------------------------------------------------

TEST_P(PlatformTest, Exceptions) {
  Load(CODE(divide));
  ExpectException(Run(), SIGFPE, FPE_INTDIV, kCode + 4);
  Load(CODE(undefined));
  regs_.rip = kCode;
  ExpectException(Run(), SIGILL, ILL_ILLOPN, kCode);
  Load(CODE(breakpoint));
  ExpectException(Run(), SIGTRAP, SI_KERNEL, 0);
  EXPECT_EQ(regs_.rip, kCode + 1);
  regs_.rax = 3;
  ExpectSyscall(Run());
  Load(CODE(privileged));
  regs_.rip = kCode;
  ExpectException(Run(), SIGSEGV, SI_KERNEL, 0);
  Load(CODE(noncanonical));
  ExpectException(Run(), SIGSEGV, SI_KERNEL, 0);
}

TEST_P(PlatformTest, SingleStep) {
  Load(CODE(step));
  regs_.eflags |= 0x100;
  ExpectException(Run(), SIGTRAP, TRAP_TRACE, kCode + 1);
}

// --- Mappings --------------------------------------------------------------------------

TEST_P(PlatformTest, MapsAreSharedWithTheFile) {
  Load(CODE(store));
  uint64_t* data = MapData();
  regs_.rdi = kData;
  regs_.rsi = 5;
  ExpectSyscall(Run());
  EXPECT_EQ(data[0], 5u);
}

TEST_P(PlatformTest, ManyOpsInOneApply) {
  std::vector<MapOp> ops;
  std::vector<int> fds;
  // More descriptors and more ops than one request holds.
  for (int i = 0; i < 150; i++) {
    fds.push_back(memfd_create("donated", 0));
    uint64_t value = 1000 + i;
    ASSERT_EQ(write(fds.back(), &value, sizeof(value)), 8);
    MapOp op = MapOf(kData + i * kPageSize, 0, kProtRead);
    op.host_fd = fds.back();
    ops.push_back(op);
    ops.push_back(MapOf(kData + (1000 + i) * kPageSize, 0, kProtRead));
  }
  ASSERT_TRUE(as_->Apply(ops).ok());
  for (int fd : fds) close(fd);
  Load(CODE(load));
  for (int i = 0; i < 150; i++) {
    regs_.rip = kCode;
    regs_.rdi = kData + i * kPageSize;
    ExpectSyscall(Run());
    EXPECT_EQ(regs_.orig_rax, 1000u + i);
  }
}

TEST_P(PlatformTest, FailedApplyTellsWhyAndLeavesTheSpaceUsable) {
  const int bad = open("/proc/self/status", O_RDONLY);  // can't be mapped
  std::vector<MapOp> ops = {MapOf(kData, Allocate(1), kProtRead), MapOf(kData + kPageSize, 0, kProtRead)};
  ops[1].host_fd = bad;
  EXPECT_TRUE(as_->Apply(ops).Is(Errno::kENODEV) || as_->Apply(ops).Is(Errno::kEIO));
  close(bad);
  const int good = memfd_create("good", 0);
  ASSERT_EQ(ftruncate(good, kPageSize), 0);
  MapOp op = MapOf(kData + kPageSize, 0, kProtRead);
  op.host_fd = good;
  Apply(*as_, op);
  close(good);
  Load(CODE(load));
  for (uint64_t addr : {kData, kData + kPageSize}) {
    regs_.rip = kCode;
    regs_.rdi = addr;
    ExpectSyscall(Run());
  }
}

TEST_P(PlatformTest, BadOpsAreRefused) {
  for (MapOp op : {MapOf(kData + 1, 0, kProtRead), MapOf(kData, 1, kProtRead), MapOf(kData, 0, kProtRead, 0),
                   MapOf(sentry::kMaxUserAddr.value - kPageSize, 0, kProtRead, 2)}) {
    EXPECT_TRUE(as_->Apply({&op, 1}).Is(Errno::kEINVAL));
  }
}

TEST_P(PlatformTest, WholeUserSpaceIsFree) {
  Load(CODE(store));
  MapData(kProtReadWrite, sentry::kMaxUserAddr.value - kPageSize);
  MapData(kProtReadWrite, sentry::kMinUserAddr.value);
  for (uint64_t addr : {sentry::kMaxUserAddr.value - 8, sentry::kMinUserAddr.value}) {
    regs_.rip = kCode;
    regs_.rdi = addr;
    ExpectSyscall(Run());
  }
  const MapOp all = {MapOp::Kind::kUnmap, {sentry::kMinUserAddr, sentry::kMaxUserAddr}, kProtNone};
  Apply(*as_, all);
  regs_.rip = kCode;
  ExpectFault(Run(), kCode, {.execute = true});
}

TEST_P(PlatformTest, TenThousandMaps) {
  Load(CODE(load));
  regs_.rdi = kData;
  const uint64_t offset = Allocate(16);
  for (int i = 0; i < 10000; i++) {
    const MapOp ops[] = {MapOf(kData, offset + (i % 16) * kPageSize, kProtRead), UnmapOf(kData)};
    ASSERT_TRUE(as_->Apply(ops).ok());
  }
  ExpectFault(Run(), kData, kProtRead);
}

TEST_P(PlatformTest, UnmapIsSeenByOtherThreads) {
  Load(CODE(count));
  uint64_t* data = MapData();
  std::atomic<bool> faulted = false;
  std::thread other([&] {
    std::unique_ptr<Context> context = NewContext();
    Registers regs = regs_;
    regs.rdi = kData;
    const Event event = context->Switch(*as_, regs);
    EXPECT_TRUE(std::holds_alternative<FaultEvent>(event)) << Name(event);
    faulted = true;
  });
  while (__atomic_load_n(data, __ATOMIC_RELAXED) < 1000) std::this_thread::sleep_for(milliseconds(1));
  Apply(*as_, ProtectOf(kData, kProtRead));
  const uint64_t seen = __atomic_load_n(data, __ATOMIC_RELAXED);
  other.join();
  EXPECT_TRUE(faulted);
  EXPECT_EQ(*data, seen);  // nothing was written after Apply returned
}

INSTANTIATE_TEST_SUITE_P(Conformance, PlatformTest, testing::ValuesIn(Factories().begin(), Factories().end()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Conformance, CallSitesTest,
                         testing::ValuesIn(RewritingFactories().begin(), RewritingFactories().end()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace platform
