// What hostile processes are made of.
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr size_t kPage = 4096;

struct Recovery {
  sigjmp_buf point;
  Caught caught;
  bool armed = false;
};
// One for the thread that tries things, one for the watcher of the hole: told apart by
// their stacks, as thread-local storage may be anywhere by then.
Recovery main_recovery, watcher_recovery;
uint64_t watcher_stack_begin, watcher_stack_end;
uint64_t main_fs;

alignas(16) std::array<char, 64 << 10> scratch_stack;
alignas(16) std::array<char, 64 << 10> signal_stack;

bool OnWatcher(uint64_t sp) { return sp >= watcher_stack_begin && sp < watcher_stack_end; }

void OnFault(int signo, siginfo_t*, void* context) {
  // A jump may have left any base; the compiler's code below needs the right one.
  asm volatile("wrfsbase %0" ::"r"(main_fs));
  const mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  Recovery& recovery = OnWatcher(static_cast<uint64_t>(machine.gregs[REG_RSP])) ? watcher_recovery : main_recovery;
  if (!recovery.armed) {
    signal(signo, SIG_DFL);
    return;
  }
  recovery.armed = false;
  recovery.caught = {signo, static_cast<uint64_t>(machine.gregs[REG_RIP]),
                     static_cast<uint64_t>(machine.gregs[REG_RAX])};
  siglongjmp(recovery.point, 1);
}

template <typename Body>
Caught TryWith(Recovery& recovery, const Body& body) {
  recovery.caught = {};
  // No mask to restore: the handlers block nothing.
  if (sigsetjmp(recovery.point, 0) == 0) {
    recovery.armed = true;
    body();
  }
  recovery.armed = false;
  return recovery.caught;
}

void Watch(void*) {
  while (true) {
    const Caught caught = TryWith(watcher_recovery, [] { (void)*reinterpret_cast<volatile char*>(kHole); });
    if (caught.signo == 0) shared->breach = kHostMapping;
    SleepMs(1);
  }
}

}  // namespace

void CatchFaults() {
  asm volatile("rdfsbase %0" : "=r"(main_fs));
  const stack_t stack = {signal_stack.data(), 0, signal_stack.size()};
  sigaltstack(&stack, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  for (const int signo : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS}) sigaction(signo, &action, nullptr);
}

Caught Try(const std::function<void()>& body) { return TryWith(main_recovery, body); }

bool Readable(uint64_t address) {
  return TryWith(main_recovery, [=] { (void)*reinterpret_cast<volatile char*>(address); }).signo == 0;
}

bool Writable(uint64_t address) {
  return TryWith(main_recovery, [=] {
           volatile char* p = reinterpret_cast<volatile char*>(address);
           *p = *p;
         }).signo == 0;
}

// --- Jumps ----------------------------------------------------------------------------

asm(R"(
    .text
    .globl Jump
Jump:
    movq 128(%rdi), %rax
    movq %rax, jump_target(%rip)
    movq 0(%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 56(%rdi), %rsp
    movq 64(%rdi), %r8
    movq 72(%rdi), %r9
    movq 80(%rdi), %r10
    movq 88(%rdi), %r11
    movq 96(%rdi), %r12
    movq 104(%rdi), %r13
    movq 112(%rdi), %r14
    movq 120(%rdi), %r15
    movq 40(%rdi), %rdi
    jmp *jump_target(%rip)
    .globl Landing
Landing:
    ud2
    .bss
    .balign 8
jump_target:
    .skip 8
    .text
)");

Caught TryJump(const JumpRegisters& registers) {
  return TryWith(main_recovery, [&] { Jump(&registers); });
}

void HostFutex(const volatile void* word, uint64_t operation, uint64_t value) {
  const uint64_t entry = STUB_BASE + STUB_FUTEX_IP_OFFSET - 7;
  asm volatile(
      "leaq 1f(%%rip), %%r13\n"
      "xorl %%r10d, %%r10d\n"
      "jmp *%0\n"
      "1:\n" ::"r"(entry),
      "D"(word), "S"(operation), "d"(value)
      : "rax", "rcx", "r10", "r11", "r13", "memory");
}

uint64_t ScratchStack() { return reinterpret_cast<uint64_t>(scratch_stack.data()) + scratch_stack.size() - 4096; }

// --- The area -------------------------------------------------------------------------

std::vector<Range> WritableRanges() {
  std::vector<Range> ranges;
  const auto add = [&](uint64_t begin, uint64_t end) {
    for (uint64_t page = begin; page < end; page += kPage) {
      if (!Writable(page)) continue;
      if (!ranges.empty() && ranges.back().end == page) {
        ranges.back().end += kPage;
      } else {
        ranges.push_back({page, page + kPage});
      }
    }
  };
  add(STUB_BASE, STUB_IMAGE_END);
  add(STUB_REGIONS, STUB_REGIONS + 8 * STUB_REGION_SIZE);
  return ranges;
}

uint64_t TextEnd() {
  uint64_t end = STUB_BASE;
  while (end < STUB_BASE + 0x10000 && Readable(end)) end += kPage;
  // The rest of the last page is zeros.
  while (end > STUB_BASE && *reinterpret_cast<const char*>(end - 1) == 0) end--;
  return end;
}

std::vector<uint64_t> SyscallInstructions() {
  std::vector<uint64_t> found;
  const unsigned char* const text = reinterpret_cast<const unsigned char*>(STUB_BASE);
  const size_t size = TextEnd() - STUB_BASE;
  for (size_t i = 0; i + 1 < size; i++) {
    if (text[i] == 0x0f && text[i + 1] == 0x05) found.push_back(STUB_BASE + i);
  }
  return found;
}

// --- Frames ---------------------------------------------------------------------------

Frame PlainFrame(void (*code)()) {
  Frame frame = {};
  frame.rip = reinterpret_cast<uint64_t>(code);
  frame.rsp = ScratchStack() - 8;  // as behind a call
  frame.eflags = 0x202;
  frame.selectors = kSelectors;
  frame.stack_flags = SS_DISABLE;
  return frame;
}

void Sigreturn(const Frame& frame) {
  static Frame at_rest;  // not on the stack that the frame may name
  memcpy(&at_rest, &frame, sizeof(frame));
  JumpRegisters registers = {};
  registers.rsp = reinterpret_cast<uint64_t>(&at_rest);
  registers.rip = STUB_BASE + STUB_SIGRETURN_IP_OFFSET - 7;
  Jump(&registers);
}

void RunWithMask(uint64_t mask, void (*code)()) {
  // Faults may be among the blocked ones: what the code needs is there before.
  memset(scratch_stack.data(), 0, scratch_stack.size());
  (void)*reinterpret_cast<volatile char*>(code);
  Frame frame = PlainFrame(code);
  frame.mask = mask;
  // Its signals still find the region's stack.
  frame.stack_sp = RegionAddress(0);
  frame.stack_flags = 0;
  frame.stack_size = REGION_WORDS;
  Sigreturn(frame);
}

void WatchHole() {
  // Descriptors 0 to 3 mean something to the host; to the guest nothing any more.
  for (int fd = 0; fd < 64; fd++) close(fd);
  constexpr size_t kStack = 64 << 10;
  // StartThread's stack is not ours to know: this one is.
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  watcher_stack_begin = reinterpret_cast<uint64_t>(stack);
  watcher_stack_end = watcher_stack_begin + kStack;
  clone([](void*) { return Watch(nullptr), 0; }, static_cast<char*>(stack) + kStack,
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, nullptr);
}

}  // namespace stub_attacks
