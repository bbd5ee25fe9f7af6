#include "sentry/arch/amd64/signal_frame.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace sentry::arch {
namespace {

constexpr uint32_t kMagic1 = 0x46505853;  // FP_XSTATE_MAGIC1
constexpr uint32_t kMagic2 = 0x46505845;  // FP_XSTATE_MAGIC2
constexpr size_t kSwOffset = 464;
constexpr size_t kMinXstate = 576;
constexpr uint64_t kX87AndSse = 3;

struct FpxSwBytes {
  uint32_t magic1;
  uint32_t extended_size;
  uint64_t xfeatures;
  uint32_t xstate_size;
  uint32_t padding[7];
};
static_assert(sizeof(FpxSwBytes) == 48 && kSwOffset + sizeof(FpxSwBytes) == kFpLegacySize);

// The software bytes if the frame claims a whole XSAVE image that we can hold.
bool ReadSwBytes(std::span<const std::byte> legacy, FpxSwBytes& sw) {
  if (legacy.size() < kFpLegacySize) return false;
  memcpy(&sw, legacy.data() + kSwOffset, sizeof(sw));
  return sw.magic1 == kMagic1 && sw.xstate_size >= kMinXstate && sw.xstate_size <= FpStateSize() &&
         sw.xstate_size <= sw.extended_size;
}

// The software bytes if all of such an image is in the frame, up to the second magic.
bool IsExtended(std::span<const std::byte> frame, FpxSwBytes& sw) {
  uint32_t magic2 = 0;
  if (!ReadSwBytes(frame, sw) || frame.size() < sw.xstate_size + sizeof(magic2)) return false;
  memcpy(&magic2, frame.data() + sw.xstate_size, sizeof(magic2));
  return magic2 == kMagic2;
}

}  // namespace

size_t FpFrameSize() { return FpStateSize() + sizeof(kMagic2); }

void BuildFpFrame(const FpState& state, std::span<std::byte> out) {
  CHECK(out.size() == FpFrameSize());
  memcpy(out.data(), state.data(), state.size());
  const FpxSwBytes sw = {.magic1 = kMagic1,
                         .extended_size = static_cast<uint32_t>(FpFrameSize()),
                         .xfeatures = FpStateFeatures(),
                         .xstate_size = static_cast<uint32_t>(FpStateSize()),
                         .padding = {}};
  memcpy(out.data() + kSwOffset, &sw, sizeof(sw));
  memcpy(out.data() + FpStateSize(), &kMagic2, sizeof(kMagic2));
}

size_t FpFrameBytesToRead(std::span<const std::byte> legacy) {
  FpxSwBytes sw;
  return ReadSwBytes(legacy, sw) ? sw.xstate_size + sizeof(kMagic2) : kFpLegacySize;
}

bool FpFrameLoads(std::span<const std::byte> frame, uint64_t address) {
  if (frame.size() < kFpLegacySize) return false;
  constexpr size_t kMxcsrOffset = 24, kLegacyAlignment = 16;
  constexpr uint64_t kLoadsMxcsr = 6;  // SSE, AVX
  FpxSwBytes sw = {};
  const bool extended = IsExtended(frame, sw);
  uint32_t mxcsr;
  memcpy(&mxcsr, frame.data() + kMxcsrOffset, sizeof(mxcsr));
  if ((mxcsr & ~MxcsrMask()) != 0 && (!extended || (sw.xfeatures & kLoadsMxcsr) != 0)) return false;  // #GP
  if (!extended) return address % kLegacyAlignment == 0;
  uint64_t header[3];  // XSTATE_BV, XCOMP_BV, reserved
  memcpy(header, frame.data() + kFpLegacySize, sizeof(header));
  return (header[0] & ~FpStateFeatures()) == 0 && header[1] == 0 && header[2] == 0 && address % kFpFrameAlignment == 0;
}

void ParseFpFrame(std::span<const std::byte> frame, FpState& out) {
  out.Reset();
  if (frame.size() < kFpLegacySize) return;
  FpxSwBytes sw;
  uint64_t present = kX87AndSse;
  if (IsExtended(frame, sw)) {
    memcpy(out.data(), frame.data(), sw.xstate_size);
    memcpy(&present, frame.data() + kFpLegacySize, sizeof(present));
    present &= sw.xfeatures;
    // A component beyond a short image is not in it.
    if (sw.xstate_size < FpStateSize()) present &= kX87AndSse | (sw.xstate_size >= kMinXstate + 256 ? 4 : 0);
  } else {
    memcpy(out.data(), frame.data(), kFpLegacySize);
  }
  memcpy(out.data() + kFpLegacySize, &present, sizeof(present));
  out.Sanitize();
}

}  // namespace sentry::arch
