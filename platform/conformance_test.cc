// What each platform must do, in code. Guest programs are small blobs of
// assembler in the memory file. A platform takes part by a line in kFactories.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "platform/platform.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub/template.h"

// name: code up to the next one. The registers are the arguments.
#define BLOB(name, code)                                                                              \
  asm(".pushsection .rodata\n.globl blob_" #name "\nblob_" #name ":\n" code "\n.globl blob_" #name    \
      "_end\nblob_" #name "_end:\n.popsection\n");                                                    \
  extern "C" const char blob_##name[], blob_##name##_end[];

BLOB(syscall, "1: syscall\n jmp 1b")
BLOB(load, "mov (%rdi), %rax\n syscall")
BLOB(store, "mov %rsi, (%rdi)\n syscall")
// A store that no simple decoder knows.
BLOB(odd_store, "fstpl (%rdi)\n syscall")
BLOB(jump, "jmp *%rdi")
BLOB(spin, "1: pause\n jmp 1b")
BLOB(count, "1: incq (%rdi)\n jmp 1b")
BLOB(burn, "1: dec %rcx\n jnz 1b\n syscall")
BLOB(divide, "xor %edx, %edx\n xor %ecx, %ecx\n div %ecx")
BLOB(undefined, "ud2")
BLOB(breakpoint, "int3\n syscall")
BLOB(privileged, "hlt")
BLOB(noncanonical, "movabs $0x8000000000000000, %rax\n mov (%rax), %rax")
BLOB(xmm, "movq %rdi, %xmm7\n mov $1, %eax\n syscall\n movq %xmm7, %rsi\n movq %rdi, %xmm7\n mov $2, %eax\n syscall")
BLOB(bases, "mov %fs:0, %rsi\n mov %gs:0, %rdx\n syscall")
BLOB(vsyscall, "mov $0xffffffffff600400, %rax\n call *%rax\n syscall")
BLOB(wait_store, "1: mov (%rdi), %rax\n test %rax, %rax\n jz 1b\n syscall")
BLOB(host_call, "mov $0, %edi\n mov $231, %eax\n syscall\n syscall")  // exit_group
BLOB(far_jump, "movabs $0x7ffffe000000, %rax\n jmp *%rax")

#define CODE(name) std::string_view(blob_##name, blob_##name##_end - blob_##name)

namespace platform {
namespace {

using sentry::kPageSize;
using sentry::kProtNone;
using sentry::kProtRead;
using sentry::kProtReadWrite;
using sentry::arch::FpState;
using sentry::arch::Registers;
using std::chrono::milliseconds;

constexpr MemoryProtection kProtReadExec{.read = true, .execute = true};
constexpr uint64_t kCode = 0x400000, kData = 0x600000, kFileSize = 64 << 20;

struct Factory {
  const char* name;
  std::unique_ptr<Platform> (*create)(int small_fd, std::function<void(std::string)> on_template_death,
                                      pid_t* template_pid);
};

std::unique_ptr<Platform> CreatePtrace(int small_fd, std::function<void(std::string)> on_death, pid_t* template_pid) {
  base::Result<stub::TemplateHandle> handle = stub::StartTemplate(small_fd, -1);
  if (!handle.ok()) return nullptr;
  *template_pid = handle->pid;
  base::Result<std::unique_ptr<Platform>> platform =
      ptrace::Create({small_fd, -1, std::move(*handle), std::move(on_death)});
  return platform.ok() ? std::move(*platform) : nullptr;
}

const Factory kFactories[] = {{"ptrace", CreatePtrace}};

double Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

class PlatformTest : public testing::TestWithParam<Factory> {
 protected:
  void SetUp() override {
    fd_ = memfd_create("memory", MFD_CLOEXEC);
    ASSERT_EQ(ftruncate(fd_, kFileSize), 0);
    memory_ = static_cast<char*>(mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    platform_ = GetParam().create(
        fd_, [this](std::string cause) { template_death_ = cause, template_died_ = true; }, &template_pid_);
    ASSERT_NE(platform_, nullptr);
    as_ = NewSpace();
    context_ = NewContext();
    regs_.rip = kCode;
    regs_.eflags = 0x202;
  }
  void TearDown() override {
    context_.reset();
    as_.reset();
    platform_.reset();
    munmap(memory_, kFileSize);
    close(fd_);
    // Nothing may be left: no child of any kind.
    EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  std::unique_ptr<AddressSpace> NewSpace() { return std::move(platform_->NewAddressSpace().value()); }
  std::unique_ptr<Context> NewContext() { return std::move(platform_->NewContext().value()); }

  uint64_t Allocate(size_t pages) {
    const uint64_t offset = next_offset_;
    next_offset_ += pages * kPageSize;
    return offset;
  }
  MapOp MapOf(uint64_t addr, uint64_t offset, MemoryProtection prot, size_t pages = 1) {
    return {MapOp::Kind::kMap, {UserAddr(addr), UserAddr(addr + pages * kPageSize)}, prot, fd_, offset, false};
  }
  static MapOp ProtectOf(uint64_t addr, MemoryProtection prot) {
    return {MapOp::Kind::kProtect, {UserAddr(addr), UserAddr(addr + kPageSize)}, prot};
  }
  static MapOp UnmapOf(uint64_t addr) {
    return {MapOp::Kind::kUnmap, {UserAddr(addr), UserAddr(addr + kPageSize)}, kProtNone};
  }
  static void Apply(AddressSpace& as, MapOp op) { ASSERT_TRUE(as.Apply({&op, 1}).ok()); }

  // Puts code at `addr`; returns the registers to run it with.
  void Load(AddressSpace& as, std::string_view code, uint64_t addr = kCode) {
    const uint64_t offset = Allocate(1);
    memcpy(memory_ + offset, code.data(), code.size());
    Apply(as, MapOf(addr, offset, kProtReadExec));
  }
  void Load(std::string_view code) { Load(*as_, code); }
  uint64_t* MapData(MemoryProtection prot = kProtReadWrite, uint64_t addr = kData) {
    const uint64_t offset = Allocate(1);
    Apply(*as_, MapOf(addr, offset, prot));
    return reinterpret_cast<uint64_t*>(memory_ + offset);
  }

  Event Run() { return context_->Switch(*as_, regs_); }
  void ExpectSyscall(const Event& event) { EXPECT_TRUE(std::holds_alternative<SyscallEvent>(event)) << Name(event); }
  void ExpectFault(const Event& event, uint64_t addr, MemoryProtection access) {
    const FaultEvent* fault = std::get_if<FaultEvent>(&event);
    ASSERT_NE(fault, nullptr) << Name(event);
    EXPECT_EQ(fault->addr.value, addr);
    EXPECT_EQ(fault->access.ToHost(), access.ToHost());
  }
  void ExpectException(const Event& event, int signo, int code, uint64_t addr) {
    const ExceptionEvent* e = std::get_if<ExceptionEvent>(&event);
    ASSERT_NE(e, nullptr) << Name(event);
    EXPECT_EQ(e->signo, signo);
    EXPECT_EQ(e->code, code);
    EXPECT_EQ(e->addr.value, addr);
  }
  static std::string Name(const Event& event) {
    constexpr const char* kNames[] = {"syscall", "fault", "exception", "preempted", "dead"};
    std::string name = kNames[event.index()];
    if (const auto* dead = std::get_if<DeadEvent>(&event)) name += ": " + dead->cause;
    return name;
  }
  // A stub of this process by its name; 0: none.
  static std::vector<pid_t> Children() {
    std::vector<pid_t> pids;
    FILE* f = fopen(("/proc/self/task/" + std::to_string(getpid()) + "/children").c_str(), "r");
    if (f == nullptr) return pids;
    for (pid_t pid; fscanf(f, "%d", &pid) == 1;) pids.push_back(pid);
    fclose(f);
    return pids;
  }

  int fd_ = -1;
  char* memory_ = nullptr;
  uint64_t next_offset_ = 0;
  std::atomic<bool> template_died_ = false;
  std::string template_death_;
  pid_t template_pid_ = -1;
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<AddressSpace> as_;
  std::unique_ptr<Context> context_;
  Registers regs_ = {};
};

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

TEST_P(PlatformTest, GuestCallsNeverReachTheHost) {
  Load(CODE(host_call));
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 231u);
  regs_.rax = 7;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 7u);
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
  regs_.rdi = 0x7ffffe000000;
  ExpectFault(Run(), 0x7ffffe000000, {.write = true});
  MapOp op = MapOf(0x7ffffe000000, 0, kProtReadWrite);
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
  Load(CODE(spin));
  regs_.eflags |= 0x100;
  ExpectException(Run(), SIGTRAP, TRAP_TRACE, kCode + 2);
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

// --- Threads and spaces ------------------------------------------------------------------

TEST_P(PlatformTest, TwoThreadsOfOneSpace) {
  Load(*as_, CODE(wait_store));
  Load(*as_, CODE(store), kCode + kPageSize);
  MapData();
  std::thread waiter([&, regs = regs_]() mutable {
    std::unique_ptr<Context> context = NewContext();
    regs.rdi = kData;
    ExpectSyscall(context->Switch(*as_, regs));
    EXPECT_EQ(regs.orig_rax, 42u);
  });
  regs_.rip = kCode + kPageSize;
  regs_.rdi = kData;
  regs_.rsi = 42;
  ExpectSyscall(Run());
  waiter.join();
}

TEST_P(PlatformTest, SpacesAreSeparate) {
  Load(CODE(load));
  std::unique_ptr<AddressSpace> other = NewSpace();
  Load(*other, CODE(load));
  MapData()[0] = 5;
  regs_.rdi = kData;
  ExpectSyscall(Run());
  regs_.rip = kCode;
  ExpectFault(context_->Switch(*other, regs_), kData, kProtRead);
  ExpectSyscall(Run());  // and back
  context_->Release();
}

TEST_P(PlatformTest, ComputingThreadsRunInParallel) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP();
  Load(CODE(burn));
  const auto burn = [&] {
    std::unique_ptr<Context> context = NewContext();
    Registers regs = regs_;
    regs.rcx = 600'000'000;
    ExpectSyscall(context->Switch(*as_, regs));
  };
  const double start = Now();
  burn();
  const double one = Now() - start;
  std::thread a(burn), b(burn);
  a.join();
  b.join();
  const double two = Now() - start - one;
  RecordProperty("ratio_percent", static_cast<int>(100 * two / one));
  EXPECT_LT(two, 1.9 * one) << "one thread " << one << " s, two " << two << " s";
}

TEST_P(PlatformTest, ReleaseAndAgain) {
  Load(CODE(syscall));
  for (int i = 0; i < 100; i++) {
    regs_.rax = 1;
    ExpectSyscall(Run());
    context_->Release();
  }
}

TEST_P(PlatformTest, ManySpaces) {
  for (int i = 0; i < 100; i++) {
    std::unique_ptr<AddressSpace> as = NewSpace();
    Load(*as, CODE(syscall));
    ExpectSyscall(context_->Switch(*as, regs_));
    regs_.rip = kCode;
    context_->Release();
  }
}

TEST_P(PlatformTest, SpaceMayDieBeforeItsContext) {
  std::unique_ptr<AddressSpace> as = NewSpace();
  Load(*as, CODE(syscall));
  ExpectSyscall(context_->Switch(*as, regs_));
  as.reset();
  Load(CODE(syscall));
  regs_.rip = kCode;
  ExpectSyscall(Run());
}

// --- FPU state ------------------------------------------------------------------------------

TEST_P(PlatformTest, FpStateIsKeptAndMoves) {
  Load(CODE(xmm));
  FpState state;
  ASSERT_TRUE(context_->GetFpState(state).ok());
  regs_.rdi = 0xabcdef;
  ExpectSyscall(Run());  // xmm7 = rdi
  ASSERT_TRUE(context_->GetFpState(state).ok());
  uint64_t xmm7;
  memcpy(&xmm7, state.data() + 160 + 7 * 16, 8);
  EXPECT_EQ(xmm7, 0xabcdefu);
  ExpectSyscall(Run());  // rsi = xmm7
  EXPECT_EQ(regs_.rsi, 0xabcdefu);
  xmm7 = 0x777;
  memcpy(state.data() + 160 + 7 * 16, &xmm7, 8);
  context_->SetFpState(state);
  // Into another space: what was set last goes along.
  std::unique_ptr<AddressSpace> other = NewSpace();
  Load(*other, CODE(xmm));
  regs_.rip = kCode + (CODE(xmm).find("\x0f\x05") + 2);
  ExpectSyscall(context_->Switch(*other, regs_));
  EXPECT_EQ(regs_.rsi, 0x777u);
  context_->Release();
}

TEST_P(PlatformTest, FpStateStartsInitial) {
  Load(CODE(syscall));
  ExpectSyscall(Run());
  FpState state, initial;
  memset(state.data(), 0x55, state.size());
  ASSERT_TRUE(context_->GetFpState(state).ok());
  EXPECT_EQ(memcmp(state.data(), initial.data(), 416), 0);
}

TEST_P(PlatformTest, HostileFpStateIsTaken) {
  Load(CODE(syscall));
  FpState state;
  memset(state.data(), 0xff, state.size());
  context_->SetFpState(state);
  regs_.rax = 9;
  ExpectSyscall(Run());
  ASSERT_TRUE(context_->GetFpState(state).ok());
  EXPECT_EQ(state.data()[160], std::byte{0xff});
}

// --- Kicks -----------------------------------------------------------------------------------

TEST_P(PlatformTest, KickBeforeSwitch) {
  Load(CODE(spin));
  context_->Kick();
  EXPECT_TRUE(std::holds_alternative<PreemptedEvent>(Run()));
}

TEST_P(PlatformTest, KickDuringSwitch) {
  Load(CODE(spin));
  for (int i = 0; i < 20; i++) {
    std::thread kicker([&] {
      std::this_thread::sleep_for(milliseconds(i % 5));
      context_->Kick();
    });
    regs_.rbx = i;
    EXPECT_TRUE(std::holds_alternative<PreemptedEvent>(Run()));
    EXPECT_EQ(regs_.rbx, static_cast<uint64_t>(i));
    EXPECT_GE(regs_.rip, kCode);
    EXPECT_LT(regs_.rip, kCode + 4);
    kicker.join();
  }
}

TEST_P(PlatformTest, KickStormLosesNothing) {
  Load(CODE(syscall));
  std::atomic<bool> stop = false;
  std::thread kicker([&] {
    while (!stop) context_->Kick();
  });
  uint64_t syscalls = 0, last = 0;
  for (int i = 0; i < 20000; i++) {
    const Event event = Run();
    ASSERT_FALSE(std::holds_alternative<DeadEvent>(event));
    if (!std::holds_alternative<SyscallEvent>(event)) continue;
    if (syscalls++ > 0) {
      ASSERT_EQ(regs_.orig_rax, last);
    }
    regs_.rax = last = i % 400;
  }
  stop = true;
  kicker.join();
  EXPECT_GT(syscalls, 0u);
}

// --- Death -----------------------------------------------------------------------------------

TEST_P(PlatformTest, KilledStubIsADeadEvent) {
  // Of our children the template stays; the rest are stubs.
  Load(CODE(spin));
  std::thread killer([&] {
    std::this_thread::sleep_for(milliseconds(20));
    for (pid_t pid : Children()) {
      if (pid != template_pid_) kill(pid, SIGKILL);
    }
  });
  const Event event = Run();
  killer.join();
  const DeadEvent* dead = std::get_if<DeadEvent>(&event);
  ASSERT_NE(dead, nullptr) << Name(event);
  EXPECT_NE(dead->cause.find("stub process"), std::string::npos) << dead->cause;
  EXPECT_TRUE(std::holds_alternative<DeadEvent>(Run()));
  MapOp op = UnmapOf(kData);
  EXPECT_TRUE(as_->Apply({&op, 1}).Is(Errno::kESRCH));
}

TEST_P(PlatformTest, HostSignalsDoNotReachTheGuest) {
  Load(CODE(burn));
  std::thread sender([&] {
    for (int i = 0; i < 20; i++) {
      for (pid_t pid : Children()) {
        for (int sig : {SIGTERM, SIGINT, SIGHUP, SIGSEGV, SIGUSR1, SIGURG}) kill(pid, sig);
      }
      std::this_thread::sleep_for(milliseconds(2));
    }
  });
  regs_.rcx = 500'000'000;
  Event event = Run();
  while (std::holds_alternative<PreemptedEvent>(event)) event = Run();
  ExpectSyscall(event);
  sender.join();
}

TEST_P(PlatformTest, TemplateDeathIsReported) {
  Load(CODE(syscall));
  ExpectSyscall(Run());
  kill(template_pid_, SIGKILL);
  for (int i = 0; i < 1000 && !template_died_; i++) std::this_thread::sleep_for(milliseconds(1));
  ASSERT_TRUE(template_died_);
  EXPECT_NE(template_death_.find("signal 9"), std::string::npos) << template_death_;
  ExpectSyscall(Run());  // those that live, live on
}

TEST_P(PlatformTest, InfoIsSane) {
  EXPECT_GE(platform_->info().reserved.start, sentry::kMaxUserAddr);
  EXPECT_GT(as_->vma_budget(), 1000u);
}

INSTANTIATE_TEST_SUITE_P(Conformance, PlatformTest, testing::ValuesIn(kFactories),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace platform
