#include "test/hostile/fpu.h"

#include <string.h>

#include "test/hostile/layout.h"
#include "test/hostile/output.h"

namespace hostile {
namespace {

constexpr size_t kSoftware = 464, kHeader = 512, kYmm = kShortFpu;
constexpr uint64_t kYmmFeature = 4;
constexpr uint64_t kHasXsave = 1;  // of uc_flags

bool has_ymm = false;
alignas(64) uint8_t plain_fpu[kFrameSize / 4];
size_t plain_fpu_size;

}  // namespace

bool HasYmm() { return has_ymm; }

void TakeFpu(const ucontext_t& from) {
  uint32_t extended;
  memcpy(&extended, reinterpret_cast<const char*>(from.uc_mcontext.fpregs) + kSoftware + 4, sizeof(extended));
  plain_fpu_size = (from.uc_flags & kHasXsave) != 0 ? extended : kShortFpu;
  if (plain_fpu_size > sizeof(plain_fpu)) Die("an FPU image of %zu bytes", plain_fpu_size);
  memcpy(plain_fpu, from.uc_mcontext.fpregs, plain_fpu_size);
  // The same everywhere to begin with: initial, the extended parts by the header.
  uint8_t* const legacy = plain_fpu;
  memset(legacy, 0, offsetof(FpuImage, mxcsr));
  memset(legacy + offsetof(FpuImage, st), 0, sizeof(FpuImage) - offsetof(FpuImage, st));
  legacy[0] = 0x7f, legacy[1] = 3;
  if ((from.uc_flags & kHasXsave) != 0) {
    memset(legacy + kHeader, 0, 8);
    uint64_t features;
    memcpy(&features, legacy + kSoftware + 8, sizeof(features));
    has_ymm = (features & kYmmFeature) != 0;
  }
}

void PutFpu(const State& state, uint8_t* image, ImageSize size) {
  memcpy(image, plain_fpu, size == ImageSize::kWhole ? plain_fpu_size : kShortFpu);
  if (state.set_ymm && has_ymm && size == ImageSize::kWhole) {
    memcpy(image + kYmm, &state.ymm, sizeof(state.ymm));
    image[kHeader] |= kYmmFeature;
  }
  if (!state.set_fpu) return;
  memcpy(image, &state.fpu, offsetof(FpuImage, mxcsr_mask));
  memcpy(image + offsetof(FpuImage, st), &state.fpu.st, sizeof(state.fpu) - offsetof(FpuImage, st));
  image[kHeader] |= 3;
}

void CopyFpu(const ucontext_t& context, FpuImage& out, YmmImage& ymm) {
  const auto* image = reinterpret_cast<const uint8_t*>(context.uc_mcontext.fpregs);
  memset(&out, 0, sizeof(out));
  if (image == nullptr) return;
  memcpy(&out, image, sizeof(out));
  // Where they point, and whether, is the processor's and the host's affair.
  out.fop = 0;
  out.fip = out.fdp = 0;
  out.mxcsr_mask = 0;
  for (auto& st : out.st) memset(st + 10, 0, 6);
  uint64_t present = 3;
  if ((context.uc_flags & kHasXsave) != 0) memcpy(&present, image + kHeader, sizeof(present));
  if ((present & 1) == 0) {  // initial, whatever the image says
    out.fcw = 0x37f;
    out.fsw = out.ftw = 0;
    memset(out.st, 0, sizeof(out.st));
  }
  if ((present & 2) == 0) memset(out.xmm, 0, sizeof(out.xmm));
  if ((present & kYmmFeature) != 0) memcpy(&ymm, image + kYmm, sizeof(ymm));
  // ES and B follow from the rest; an XSAVEOPT may not have looked at them since the load.
  out.fsw &= 0x7f7f;
}

}  // namespace hostile
