// Rewritten call sites, on the platforms that have them.
#include "platform/conformance.h"

BLOB(mov_site, "mov $0x1234, %rbx\n mov $121, %eax\n syscall\n mov $1, %edi\n syscall")
BLOB(mov_loop, "1: mov $121, %eax\n syscall\n jmp 1b")
BLOB(compare_site, "syscall\n cmp $-4096, %rax\n setc %dil\n syscall\n .skip 64")

namespace platform {
namespace {

TEST_P(CallSitesTest, CallsAsBefore) {
  const CallSite site = LoadRewritten(CODE(mov_site));
  EXPECT_EQ(site.kind, CallSite::Kind::kMov);
  regs_.rax = 99, regs_.rdi = 7, regs_.r9 = 9, regs_.rsp = 0x7000, regs_.eflags = 0x203;
  const Event event = Run();
  ExpectSyscall(event);
  EXPECT_FALSE(std::get<SyscallEvent>(event).slow);
  EXPECT_EQ(regs_.orig_rax, 121u);
  EXPECT_EQ(regs_.rip, kCode + site.end());
  EXPECT_EQ(regs_.rcx, regs_.rip);
  EXPECT_EQ(regs_.r11 & 0xff, 0x03u);
  EXPECT_EQ(regs_.rbx, 0x1234u);
  EXPECT_EQ(regs_.rdi, 7u);
  EXPECT_EQ(regs_.r9, 9u);
  EXPECT_EQ(regs_.rsp, 0x7000u);
  EXPECT_EQ(regs_.gs_base, 0u);
  regs_.rax = 42;
  ExpectSyscall(Run());  // the one behind it, by a trap
  EXPECT_EQ(regs_.orig_rax, 42u);
  EXPECT_EQ(regs_.rdi, 1u);
}

TEST_P(CallSitesTest, AllRegistersMayChangeOverACall) {
  const CallSite site = LoadRewritten(CODE(mov_site));
  ExpectSyscall(Run());
  // As for a signal handler: another place, other registers, another FPU state.
  FpState fp;
  ASSERT_TRUE(context_->GetFpState(fp).ok());
  fp.data()[160] = std::byte{0x5a};
  context_->SetFpState(fp);
  regs_.rip = kCode + site.end();
  regs_.r12 = 12, regs_.rax = 77;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.r12, 12u);
  EXPECT_EQ(regs_.orig_rax, 77u);
  ASSERT_TRUE(context_->GetFpState(fp).ok());
  EXPECT_EQ(fp.data()[160], std::byte{0x5a});
}

TEST_P(CallSitesTest, AJumpToTheCallTraps) {
  const CallSite site = LoadRewritten(CODE(mov_site));
  regs_.rip = kCode + site.second();
  const Event event = Run();
  const ExceptionEvent* exception = std::get_if<ExceptionEvent>(&event);
  ASSERT_NE(exception, nullptr) << Name(event);
  EXPECT_EQ(exception->signo, SIGILL);
  EXPECT_EQ(regs_.rip, kCode + site.second());
}

TEST_P(CallSitesTest, ComparesBehindTheCall) {
  const CallSite site = LoadRewritten(CODE(compare_site));
  EXPECT_EQ(site.kind, CallSite::Kind::kCompare);
  EXPECT_EQ(site.operand, -4096);
  for (const uint64_t result : {uint64_t{5}, -uint64_t{14}}) {
    regs_.rip = kCode;
    regs_.rax = 1000;  // of any number
    const Event event = Run();
    ExpectSyscall(event);
    EXPECT_FALSE(std::get<SyscallEvent>(event).slow);
    EXPECT_EQ(regs_.orig_rax, 1000u);
    EXPECT_EQ(regs_.rip, kCode + site.behind_call());
    EXPECT_EQ(regs_.rcx, regs_.rip);
    regs_.rax = result;
    ExpectSyscall(Run());
    EXPECT_EQ(regs_.rdi & 0xff, result == 5 ? 1u : 0u);  // below
  }
}

TEST_P(CallSitesTest, AJumpToTheCompareTraps) {
  const CallSite site = LoadRewritten(CODE(compare_site));
  regs_.rip = kCode + site.second();
  ExpectException(Run(), SIGSEGV, SI_KERNEL, 0);
  EXPECT_EQ(regs_.rip, kCode + site.second());
}

TEST_P(CallSitesTest, AnswersAreGivenUntilForgotten) {
  LoadRewritten(CODE(mov_site));
  ExpectSyscall(Run());
  context_->RememberAnswer(121, 4711, context_->answers_generation());
  regs_.rip = kCode;
  ExpectSyscall(Run());  // the second one
  EXPECT_EQ(regs_.orig_rax, 4711u);
  const uint32_t before = context_->answers_generation();
  context_->ForgetAnswers();
  context_->RememberAnswer(121, 4711, before);  // too late
  regs_.rip = kCode;
  ExpectSyscall(Run());
  EXPECT_EQ(regs_.orig_rax, 121u);
}

TEST_P(CallSitesTest, KicksAreNotLostInAnswers) {
  LoadRewritten(CODE(mov_loop));
  ExpectSyscall(Run());
  context_->RememberAnswer(121, 4711, context_->answers_generation());
  std::atomic<int> kicks = 0;
  std::atomic<bool> stop = false;
  std::thread kicker([&] {
    for (int seen = -1; !stop;) {
      if (seen == kicks) continue;
      seen = kicks;
      context_->Kick();
    }
  });
  for (int i = 0; i < 5000; i++) {
    regs_.r13 = i;
    const Event event = Run();
    ASSERT_TRUE(std::holds_alternative<PreemptedEvent>(event)) << Name(event);
    ASSERT_GE(regs_.rip, kCode);
    ASSERT_LT(regs_.rip, kCode + CODE(mov_loop).size());
    ASSERT_EQ(regs_.r13, static_cast<uint64_t>(i));
    kicks++;
  }
  stop = true;
  kicker.join();
}

TEST_P(CallSitesTest, KicksLoseNoCall) {
  LoadRewritten(CODE(mov_site));
  std::atomic<bool> stop = false;
  std::thread kicker([&] {
    // After a while that is another each time: in step with Switch, no call would come through.
    for (unsigned n = 0; !stop; n = (n + 1) % 64) {
      for (unsigned i = 0; i < n * n; i++) asm volatile("");
      context_->Kick();
    }
  });
  uint64_t calls = 0;
  for (int i = 0; i < 20000; i++) {
    const Event event = Run();
    if (!std::holds_alternative<SyscallEvent>(event)) {
      EXPECT_TRUE(std::holds_alternative<PreemptedEvent>(event)) << Name(event);
      // In the site's own code, or at the other call.
      EXPECT_GE(regs_.rip, kCode);
      EXPECT_LT(regs_.rip, kCode + 64);
      continue;
    }
    calls++;
    if (regs_.orig_rax == 121) {
      EXPECT_EQ(regs_.rbx, 0x1234u);
      regs_.rax = 5;
    } else {
      EXPECT_EQ(regs_.orig_rax, 5u);
      regs_.rip = kCode;
      regs_.rbx = 0;
    }
  }
  stop = true;
  kicker.join();
  EXPECT_GT(calls, 100u);
}

TEST_P(CallSitesTest, OtherCodeIsLeftAlone) {
  std::vector<std::byte> page(kPageSize);
  EXPECT_FALSE(sites_->Find(page, 0));
  EXPECT_FALSE(sites_->Find(page, 1));
  EXPECT_FALSE(sites_->Find(page, 100));
  const auto put = [&](size_t at, std::string_view code) { memcpy(page.data() + at, code.data(), code.size()); };
  put(8, std::string_view("\x90\x0f\x05\x90", 4));
  EXPECT_FALSE(sites_->Find(page, 11));
  put(kPageSize - 4, std::string_view("\x0f\x05\x48\x3d", 4));  // goes on in the next page
  EXPECT_FALSE(sites_->Find(page, kPageSize - 2));
  put(200, std::string_view("\xb8\x00\x10\x00\x00\x0f\x05", 7));  // a number that is none
  EXPECT_FALSE(sites_->Find(page, 207));
}

}  // namespace
}  // namespace platform
