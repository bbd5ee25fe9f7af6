// FPU images of signal frames: one that is good, and the parts that cases set and look at.
#ifndef TEST_HOSTILE_FPU_H_
#define TEST_HOSTILE_FPU_H_

#include <ucontext.h>

#include <cstddef>
#include <cstdint>

#include "test/hostile/machine.h"

namespace hostile {

inline constexpr size_t kShortFpu = 576;  // legacy part and header of the standard XSAVE format

// From a real signal: size, format and features are then this kernel's.
void TakeFpu(const ucontext_t& from);
// Writes that image with what the state sets; of a short one no more than kShortFpu bytes.
enum class ImageSize { kShort, kWhole };
void PutFpu(const State& state, uint8_t* image, ImageSize size);
void CopyFpu(const ucontext_t& context, FpuImage& out, YmmImage& ymm);

}  // namespace hostile

#endif  // TEST_HOSTILE_FPU_H_
