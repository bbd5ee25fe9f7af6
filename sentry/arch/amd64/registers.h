// The integer registers of a guest thread, in the order of Linux's
// user_regs_struct (so ptrace can fill it in place), and its FPU state.
#ifndef SENTRY_ARCH_AMD64_REGISTERS_H_
#define SENTRY_ARCH_AMD64_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sentry::arch {

struct Registers {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
  uint64_t rax, rcx, rdx, rsi, rdi;
  // The number of the call being made, -1 outside of one. A handler's result
  // goes to rax; a restart puts orig_rax back there.
  uint64_t orig_rax;
  uint64_t rip, cs, eflags, rsp, ss;
  uint64_t fs_base, gs_base, ds, es, fs, gs;

  uint64_t syscall_number() const { return orig_rax; }
  uint64_t argument(int i) const {
    const uint64_t args[] = {rdi, rsi, rdx, r10, r8, r9};
    return args[i];
  }
  friend bool operator==(const Registers&, const Registers&) = default;
};
static_assert(sizeof(Registers) == 27 * 8);

// A complete XSAVE image in the standard (uncompacted) format, as in a signal
// frame; its size is that of the host's enabled features (FpStateSize).
class FpState {
 public:
  // The state after exec: FCW 0x37f, MXCSR 0x1f80, everything else initial.
  FpState();
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  void Reset();
  // Makes an image that came from the guest safe to load: reserved MXCSR bits,
  // header bits and unsupported components cleared.
  void Sanitize();

 private:
  std::vector<std::byte> bytes_;
};

// Bytes of the XSAVE area for the features enabled on this host (CPUID 0xD),
// AMX and PKRU excepted.
size_t FpStateSize();
// The features of such an image (XCR0 without those).
uint64_t FpStateFeatures();
// The bits that this processor's MXCSR has.
uint32_t MxcsrMask();

// Bits of eflags that the guest may set through sigreturn or ptrace.
inline constexpr uint64_t kUserEflagsMask = 0x00250dd5;  // CF PF AF ZF SF TF DF OF RF? AC ID

}  // namespace sentry::arch

#endif  // SENTRY_ARCH_AMD64_REGISTERS_H_
