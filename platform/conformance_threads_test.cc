// Threads, address spaces, FPU state, kicks and deaths.
#include <sys/syscall.h>

#include "platform/conformance.h"

BLOB(syscall, "1: syscall\n jmp 1b")
BLOB(load, "mov (%rdi), %rax\n syscall")
BLOB(store, "mov %rsi, (%rdi)\n syscall")
BLOB(bases, "mov %fs:0, %rsi\n mov %gs:0, %rdx\n syscall")
BLOB(spin, "1: pause\n jmp 1b")
BLOB(burn, "1: dec %rcx\n jnz 1b\n syscall")
// For ever: the CPU's number (what vDSOs read) to (%rdi); after rsi rounds of
// nothing a call, if rsi is not 0.
BLOB(note_cpu,
     "1: mov $0x7b, %eax\n lsl %eax, %eax\n and $0xfff, %eax\n mov %rax, (%rdi)\n"
     "mov %rsi, %rcx\n jrcxz 1b\n 2: dec %rcx\n jnz 2b\n syscall\n jmp 1b")
BLOB(xmm, "movq %rdi, %xmm7\n mov $1, %eax\n syscall\n movq %xmm7, %rsi\n movq %rdi, %xmm7\n mov $2, %eax\n syscall")
BLOB(wait_store, "1: mov (%rdi), %rax\n test %rax, %rax\n jz 1b\n syscall")

namespace platform {

// Two guest threads note the CPU they are on until they have been seen on two.
void PlatformTest::ExpectTwoCpus(uint64_t pause) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP();
  Load(CODE(note_cpu));
  volatile uint64_t* data = MapData();
  data[0] = UINT64_MAX;
  data[1] = UINT64_MAX;
  std::unique_ptr<Context> contexts[] = {NewContext(), NewContext()};
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&, i] {
      Registers regs = regs_;
      regs.rdi = kData + 8 * i;
      regs.rsi = pause;
      while (!stop) EXPECT_FALSE(std::holds_alternative<DeadEvent>(contexts[i]->Switch(*as_, regs)));
      contexts[i]->Release();
    });
  }
  bool apart = false;
  const double start = Now();
  while (!apart && Now() < start + 20) {
    apart = data[0] != UINT64_MAX && data[1] != UINT64_MAX && data[0] != data[1];
    // Where the number is the platform's own, it is of the last entry.
    for (auto& context : contexts) {
      if (template_pid_ < 0) context->Kick();
    }
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_TRUE(apart);
  stop = true;
  for (auto& context : contexts) context->Kick();
  for (auto& thread : threads) thread.join();
}

namespace {

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

TEST_P(PlatformTest, ComputingThreadsRunInParallel) { ExpectTwoCpus(0); }
TEST_P(PlatformTest, CallingThreadsRunInParallel) { ExpectTwoCpus(50'000); }

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

// Kicks `context` all the time, up to 1 ms apart: where a Switch takes long, kicks that never pause would let none come
// to its end.
class KickStorm {
 public:
  explicit KickStorm(Context& context)
      : thread_([this, &context] {
          for (int pause = 0; !stop_; pause = (pause + 1) % 1000) {
            context.Kick();
            for (const double until = Now() + pause * 1e-6; Now() < until && !stop_;) {
            }
          }
        }) {}
  ~KickStorm() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST_P(PlatformTest, KickStormLosesNothing) {
  Load(CODE(syscall));
  const KickStorm storm(*context_);
  uint64_t syscalls = 0, last = 0;
  const double start = Now();
  for (int i = 0; i < 20000 && Now() < start + 5; i++) {
    const Event event = Run();
    ASSERT_FALSE(std::holds_alternative<DeadEvent>(event));
    if (!std::holds_alternative<SyscallEvent>(event)) {
      ASSERT_GE(regs_.rip, kCode);
      ASSERT_LE(regs_.rip, kCode + CODE(syscall).size());
      continue;
    }
    if (syscalls++ > 0) {
      ASSERT_EQ(regs_.orig_rax, last);
    }
    regs_.rax = last = i % 300;
  }
  EXPECT_GT(syscalls, 0u);
}

// Of a Switch that a kick ends before it comes to the guest, the next one must take nothing for granted.
TEST_P(PlatformTest, KickStormKeepsBases) {
  Load(CODE(bases));
  MapData()[0] = 5;
  MapData(kProtReadWrite, kData + kPageSize)[0] = 7;
  const KickStorm storm(*context_);
  const double start = Now();
  for (int i = 0; i < 20000 && Now() < start + 3; i++) {
    const bool even = i % 2 == 0;
    regs_.rip = kCode;
    regs_.fs_base = kData + (even ? 0 : kPageSize);
    regs_.gs_base = kData + (even ? kPageSize : 0);
    Event event = Run();
    while (std::holds_alternative<PreemptedEvent>(event)) event = Run();
    ASSERT_TRUE(std::holds_alternative<SyscallEvent>(event)) << Name(event);
    ASSERT_EQ(regs_.rsi, even ? 5u : 7u);
    ASSERT_EQ(regs_.rdx, even ? 7u : 5u);
  }
}

TEST_P(PlatformTest, KickStormKeepsNoTranslation) {
  Load(CODE(load));
  regs_.rdi = kData;
  const uint64_t offset = Allocate(1);
  const KickStorm storm(*context_);
  const double start = Now();
  for (int i = 0; i < 5000 && Now() < start + 3; i++) {
    const bool mapped = i % 2 == 0;
    Apply(*as_, mapped ? MapOf(kData, offset, kProtReadWrite) : UnmapOf(kData));
    regs_.rip = kCode;
    Event event = Run();
    while (std::holds_alternative<PreemptedEvent>(event)) event = Run();
    ASSERT_EQ(std::holds_alternative<SyscallEvent>(event), mapped) << Name(event);
  }
}

// --- Death -----------------------------------------------------------------------------------

TEST_P(PlatformTest, KilledStubIsADeadEvent) {
  if (template_pid_ < 0) GTEST_SKIP() << "it has no stubs";
  // Of our children the template stays; the rest are stubs.
  Load(CODE(spin));
  EXPECT_FALSE(as_->Lost());
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
  EXPECT_TRUE(as_->Lost());
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
  if (template_pid_ < 0) GTEST_SKIP() << "it has no stubs";
  Load(CODE(syscall));
  ExpectSyscall(Run());
  // Template, our stub and two spare ones: one that is just being made would be nobody's.
  for (int i = 0; i < 1000 && Children().size() < 4; i++) std::this_thread::sleep_for(milliseconds(1));
  std::this_thread::sleep_for(milliseconds(10));
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

}  // namespace
}  // namespace platform
