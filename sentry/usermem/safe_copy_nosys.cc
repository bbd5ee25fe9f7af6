// Nothing here may allocate, lock or call libc beyond write and sigaction: the
// handler runs on top of any code of the sentry.
#include <ucontext.h>
#include <unistd.h>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "sentry/usermem/safe_copy.h"

// SysV arguments: rdi, rsi, rdx. Each entry of the table `safe_copy_fixups` is
// {first, last + 1, where to go on} of a region that may fault.
//
// Sizes up to 128 are moved by overlapping loads and stores, which cost 2-3 ns;
// a fault there starts over with `rep movsb` (nothing was lost: rdi, rsi and rdx
// are intact), since that leaves the exact remainder in rcx. From 128 bytes up
// `rep movsb` is as fast as anything on a processor with ERMS.
asm(R"(
  .pushsection .text.safe_copy, "ax", @progbits
  .p2align 4
  .globl SentrySafeCopyAsm
  .type SentrySafeCopyAsm, @function
SentrySafeCopyAsm:
  .cfi_startproc
  cmpq $16, %rdx
  jb 2f
  cmpq $32, %rdx
  ja 1f
.Lsmall_begin:
  movups (%rsi), %xmm0
  movups -16(%rsi,%rdx), %xmm1
  movups %xmm0, (%rdi)
  movups %xmm1, -16(%rdi,%rdx)
  xorl %eax, %eax
  ret
1:
  cmpq $128, %rdx
  ja .Lbytes
  movups (%rsi), %xmm0
  movups 16(%rsi), %xmm1
  movups -32(%rsi,%rdx), %xmm2
  movups -16(%rsi,%rdx), %xmm3
  cmpq $64, %rdx
  jbe 4f
  movups 32(%rsi), %xmm4
  movups 48(%rsi), %xmm5
  movups -64(%rsi,%rdx), %xmm6
  movups -48(%rsi,%rdx), %xmm7
  movups %xmm4, 32(%rdi)
  movups %xmm5, 48(%rdi)
  movups %xmm6, -64(%rdi,%rdx)
  movups %xmm7, -48(%rdi,%rdx)
4:
  movups %xmm0, (%rdi)
  movups %xmm1, 16(%rdi)
  movups %xmm2, -32(%rdi,%rdx)
  movups %xmm3, -16(%rdi,%rdx)
  xorl %eax, %eax
  ret
2:
  cmpl $8, %edx
  jb 3f
  movq (%rsi), %rax
  movq -8(%rsi,%rdx), %rcx
  movq %rax, (%rdi)
  movq %rcx, -8(%rdi,%rdx)
  xorl %eax, %eax
  ret
3:
  cmpl $4, %edx
  jb .Lbytes
  movl (%rsi), %eax
  movl -4(%rsi,%rdx), %ecx
  movl %eax, (%rdi)
  movl %ecx, -4(%rdi,%rdx)
  xorl %eax, %eax
  ret
.Lsmall_end:
.Lbytes:
  movq %rdx, %rcx
.Lmovsb_begin:
  rep movsb
.Lmovsb_end:
.Lcount_left:
  movq %rcx, %rax
  ret
  .cfi_endproc
  .size SentrySafeCopyAsm, . - SentrySafeCopyAsm

  .p2align 4
  .globl SentrySafeZeroAsm
  .type SentrySafeZeroAsm, @function
SentrySafeZeroAsm:
  .cfi_startproc
  movq %rsi, %rcx
  xorl %eax, %eax
.Lstosb_begin:
  rep stosb
.Lstosb_end:
  movq %rcx, %rax
  ret
  .cfi_endproc
  .size SentrySafeZeroAsm, . - SentrySafeZeroAsm

  # (src) -> value | 1 << 32 for a fault
  .p2align 4
  .globl SentrySafeLoadU32Asm
  .type SentrySafeLoadU32Asm, @function
SentrySafeLoadU32Asm:
  .cfi_startproc
.Lload_begin:
  movl (%rdi), %eax
.Lload_end:
  ret
.Lword_bad:
  movabsq $0x100000000, %rax
  ret
  .cfi_endproc
  .size SentrySafeLoadU32Asm, . - SentrySafeLoadU32Asm

  # (dst, expected, desired) -> value found | 1 << 32 for a fault
  .p2align 4
  .globl SentrySafeCmpxchgU32Asm
  .type SentrySafeCmpxchgU32Asm, @function
SentrySafeCmpxchgU32Asm:
  .cfi_startproc
  movl %esi, %eax
.Lcmpxchg_begin:
  lock cmpxchgl %edx, (%rdi)
.Lcmpxchg_end:
  movl %eax, %eax
  ret
  .cfi_endproc
  .size SentrySafeCmpxchgU32Asm, . - SentrySafeCmpxchgU32Asm
  .popsection

  .pushsection .data.rel.ro.safe_copy, "aw", @progbits
  .p2align 3
  .globl sentry_safe_copy_fixups
sentry_safe_copy_fixups:
  .quad .Lsmall_begin, .Lsmall_end, .Lbytes
  .quad .Lmovsb_begin, .Lmovsb_end, .Lcount_left
  .quad .Lstosb_begin, .Lstosb_end, .Lstosb_end
  .quad .Lload_begin, .Lload_end, .Lword_bad
  .quad .Lcmpxchg_begin, .Lcmpxchg_end, .Lword_bad
  .globl sentry_safe_copy_fixups_end
sentry_safe_copy_fixups_end:
  .popsection
)");

struct SentrySafeCopyFixup {
  uintptr_t begin;
  uintptr_t end;
  uintptr_t resume;
};

extern "C" {
size_t SentrySafeCopyAsm(void* dst, const void* src, size_t n);
size_t SentrySafeZeroAsm(void* dst, size_t n);
uint64_t SentrySafeLoadU32Asm(const void* src);
uint64_t SentrySafeCmpxchgU32Asm(void* dst, uint32_t expected, uint32_t desired);
extern const SentrySafeCopyFixup sentry_safe_copy_fixups[];
extern const SentrySafeCopyFixup sentry_safe_copy_fixups_end[];
}

namespace sentry {
namespace {

constexpr uint64_t kWordFault = uint64_t{1} << 32;

int g_log_fd = 2;

char* AppendText(char* p, const char* text) {
  while (*text != '\0') *p++ = *text++;
  return p;
}

char* AppendHex(char* p, uint64_t v) {
  p = AppendText(p, "0x");
  for (int shift = 60; shift >= 0; shift -= 4) *p++ = "0123456789abcdef"[(v >> shift) & 15];
  return p;
}

// Says where, and lets the signal's default action end the process when the
// faulting instruction runs again.
void Die(int signo, const siginfo_t& info, uint64_t rip) {
  char line[160];
  char* p = AppendText(line, signo == SIGBUS ? "F fatal SIGBUS at address " : "F fatal SIGSEGV at address ");
  p = AppendHex(p, reinterpret_cast<uint64_t>(info.si_addr));
  p = AppendText(p, ", instruction ");
  p = AppendHex(p, rip);
  p = AppendText(p, ": a bug of runsc-cpp\n");
  [[maybe_unused]] const ssize_t n = write(g_log_fd, line, static_cast<size_t>(p - line));
  struct sigaction dfl;
  memset(&dfl, 0, sizeof(dfl));
  dfl.sa_handler = SIG_DFL;
  sigaction(signo, &dfl, nullptr);
  // A signal that was sent (kill -SEGV) does not come back by itself.
  if (info.si_code <= 0) raise(signo);
}

void OnFault(int signo, siginfo_t* info, void* context) {
  auto* uc = static_cast<ucontext_t*>(context);
  greg_t& rip = uc->uc_mcontext.gregs[REG_RIP];
  const uintptr_t at = static_cast<uintptr_t>(rip);
  for (const SentrySafeCopyFixup* f = sentry_safe_copy_fixups; f != sentry_safe_copy_fixups_end; ++f) {
    if (at < f->begin || at >= f->end) continue;
    rip = static_cast<greg_t>(f->resume);
    return;
  }
  Die(signo, *info, at);
}

std::optional<uint32_t> Word(uint64_t v) {
  if (v & kWordFault) return std::nullopt;
  return static_cast<uint32_t>(v);
}

}  // namespace

void InstallSafeCopyHandler(int log_fd) {
  g_log_fd = log_fd;
  struct sigaction sa;
  memset(&sa, 0, sizeof(sa));
  sa.sa_sigaction = OnFault;
  // NODEFER: a fault in the handler itself then dies at once instead of being
  // held back while the thread spins on it.
  sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  sigemptyset(&sa.sa_mask);
  sigaction(SIGSEGV, &sa, nullptr);
  sigaction(SIGBUS, &sa, nullptr);
}

size_t SafeCopy(void* dst, const void* src, size_t n) { return SentrySafeCopyAsm(dst, src, n); }
size_t SafeZero(void* dst, size_t n) { return SentrySafeZeroAsm(dst, n); }
std::optional<uint32_t> SafeLoadU32(const void* src) { return Word(SentrySafeLoadU32Asm(src)); }
std::optional<uint32_t> SafeCompareExchangeU32(void* dst, uint32_t expected, uint32_t desired) {
  return Word(SentrySafeCmpxchgU32Asm(dst, expected, desired));
}

}  // namespace sentry
