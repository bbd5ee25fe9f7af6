// The floating point part of a Linux rt_sigframe (struct _fpstate / _xstate).
//
// The frame holds an XSAVE image whose software-reserved bytes tell its size
// (fpx_sw_bytes), and FP_XSTATE_MAGIC2 behind it. Analogous to Linux's
// arch/x86/kernel/fpu/signal.c. The rest of the frame is the kernel's.
#ifndef SENTRY_ARCH_AMD64_SIGNAL_FRAME_H_
#define SENTRY_ARCH_AMD64_SIGNAL_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "sentry/arch/amd64/registers.h"

namespace sentry::arch {

// The frame's part must lie at a multiple of this.
inline constexpr size_t kFpFrameAlignment = 64;
// Bytes of an old frame without XSAVE, and the first that sigreturn reads.
inline constexpr size_t kFpLegacySize = 512;

// Bytes to write: the image and FP_XSTATE_MAGIC2.
size_t FpFrameSize();

// Writes the part. `out` has FpFrameSize() bytes.
void BuildFpFrame(const FpState& state, std::span<std::byte> out);

// How much of a guest's frame to read, told by its first kFpLegacySize bytes:
// kFpLegacySize (legacy frame) or at most FpFrameSize().
size_t FpFrameBytesToRead(std::span<const std::byte> legacy);

// Whether the processor loads such a part from `address`: Linux does it from there, and
// sends SIGSEGV if that faults.
bool FpFrameLoads(std::span<const std::byte> frame, uint64_t address);

// Reads back `frame`, FpFrameBytesToRead bytes of the guest's. Components that
// the frame does not hold become initial, as on Linux. Whatever the guest wrote,
// the result can be loaded without a fault.
void ParseFpFrame(std::span<const std::byte> frame, FpState& out);

}  // namespace sentry::arch

#endif  // SENTRY_ARCH_AMD64_SIGNAL_FRAME_H_
