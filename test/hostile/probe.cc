#include "test/hostile/probe.h"

#include <sched.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

#include "test/hostile/output.h"

namespace hostile {

// Each is one instruction that may fault, and a way on with rdx 0.
asm(R"(
    .text
    .globl HostileLoad, HostileLoadFails, HostileIncrement, HostileIncrementFails, HostileCall, HostileCallFails
HostileLoad:
    movl $1, %edx
HostileLoadHere:
    movq (%rdi), %rax
    ret
HostileIncrement:
    movl $1, %edx
HostileIncrementHere:
    lock incq (%rdi)
    ret
HostileCall:
    movl $1, %edx
    call *%rdi
HostileCallBack:
    ret
HostileFails:
    xorl %edx, %edx
    ret
)");

struct Outcome {
  uint64_t value;
  uint64_t good;
};
extern "C" {
Outcome HostileLoad(const volatile void* at);
Outcome HostileIncrement(volatile void* at);
Outcome HostileCall(const volatile void* at);
extern const char HostileLoadHere[], HostileIncrementHere[], HostileCallBack[], HostileFails[];
}

namespace {

uint64_t Address(const char* label) { return reinterpret_cast<uint64_t>(label); }

void OnFault(int signo, siginfo_t*, void* context) {
  greg_t* const regs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto rip = static_cast<uint64_t>(regs[REG_RIP]);
  uint64_t top;
  if (rip == Address(HostileLoadHere) || rip == Address(HostileIncrementHere)) {
    regs[REG_RIP] = static_cast<greg_t>(Address(HostileFails));
    return;
  }
  // Called code that is gone, at whatever instruction of it.
  __builtin_memcpy(&top, reinterpret_cast<const void*>(regs[REG_RSP]), sizeof(top));
  if (top != Address(HostileCallBack)) Die("signal %d at %#lx", signo, rip);
  regs[REG_RSP] += 8;
  regs[REG_RIP] = static_cast<greg_t>(Address(HostileFails));
}

}  // namespace

void InitProbes() {
  struct sigaction action = {};
  action.sa_sigaction = OnFault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  for (const int signo : {SIGSEGV, SIGBUS, SIGILL}) sigaction(signo, &action, nullptr);
}

std::optional<uint64_t> TryLoad(const volatile void* at) {
  const Outcome outcome = HostileLoad(at);
  return outcome.good != 0 ? std::optional(outcome.value) : std::nullopt;
}

bool TryIncrement(volatile void* at) { return HostileIncrement(at).good != 0; }

std::optional<uint64_t> TryCall(const volatile void* at) {
  const Outcome outcome = HostileCall(at);
  return outcome.good != 0 ? std::optional(outcome.value) : std::nullopt;
}

uint64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void SpinNs(uint64_t ns) {
  const uint64_t end = NowNs() + ns;
  while (NowNs() < end) __builtin_ia32_pause();
}

Crowd::Crowd(int threads, std::function<void()> body) {
  for (int i = 0; i < threads; i++) {
    threads_.emplace_back([this, body] {
      while (!stop_.load(std::memory_order_relaxed)) body();
    });
  }
}

Crowd::~Crowd() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

void Violations::Add(uint64_t expected, uint64_t got) {
  if (count_.fetch_add(1) != 0) return;
  expected_ = expected;
  got_ = got;
}

Violations::~Violations() {
  if (count_ == 0) {
    Say("%s: no violation", name_);
  } else {
    Say("%s: %lu violations, the first: %#lx for %#lx", name_, count_.load(), got_.load(), expected_.load());
  }
}

}  // namespace hostile
