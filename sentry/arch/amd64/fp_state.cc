// The size and shape of the XSAVE image on this host, and FpState.
#include <cpuid.h>

#include <algorithm>
#include <cstring>

#include "sentry/arch/amd64/registers.h"

namespace sentry::arch {
namespace {

constexpr size_t kLegacySize = 512;
constexpr size_t kHeaderSize = 64;
constexpr uint64_t kX87 = 1, kSse = 2;
constexpr uint64_t kAmx = uint64_t{3} << 17;  // TILECFG, TILEDATA: 8 KiB that nobody here uses
// There are no protection keys here, and a host before Linux 6.12 can't write the signal frame of a thread that
// has locked itself out of its memory: it kills the process.
constexpr uint64_t kPkru = uint64_t{1} << 9;
constexpr size_t kMxcsrOffset = 24, kMxcsrMaskOffset = 28, kXmmOffset = 160, kXmmEnd = 416;
constexpr uint16_t kInitialFcw = 0x37f;
constexpr uint32_t kInitialMxcsr = 0x1f80;

template <typename T>
T Load(const std::byte* p) {
  T v;
  memcpy(&v, p, sizeof(v));
  return v;
}
template <typename T>
void Store(std::byte* p, T v) {
  memcpy(p, &v, sizeof(v));
}

struct Layout {
  uint64_t features = kX87 | kSse;
  size_t size = kLegacySize + kHeaderSize;
  uint32_t mxcsr_mask = 0xffbf;
};

Layout DetectLayout() {
  Layout layout;
  alignas(16) std::byte fx[kLegacySize] = {};
  asm volatile("fxsave %0" : "=m"(fx));
  if (const uint32_t mask = Load<uint32_t>(fx + kMxcsrMaskOffset); mask != 0) layout.mxcsr_mask = mask;
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & bit_OSXSAVE) == 0) return layout;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  layout.features = ((uint64_t{high} << 32) | low) & ~(kAmx | kPkru);
  for (unsigned i = 2; i < 63; i++) {
    if ((layout.features >> i & 1) == 0) continue;
    __cpuid_count(0xd, i, eax, ebx, ecx, edx);
    layout.size = std::max<size_t>(layout.size, size_t{ebx} + eax);
  }
  return layout;
}

const Layout& HostLayout() {
  static const Layout layout = DetectLayout();
  return layout;
}

void ResetX87(std::byte* image) {
  // FCW .. FDP and the eight registers; MXCSR lies between and is not x87's.
  memset(image, 0, kMxcsrOffset);
  memset(image + 32, 0, kXmmOffset - 32);
  Store(image, kInitialFcw);
}

}  // namespace

size_t FpStateSize() { return HostLayout().size; }
uint64_t FpStateFeatures() { return HostLayout().features; }
uint32_t MxcsrMask() { return HostLayout().mxcsr_mask; }

FpState::FpState() : bytes_(FpStateSize()) { Reset(); }

void FpState::Reset() {
  std::fill(bytes_.begin(), bytes_.end(), std::byte{0});
  Store(data(), kInitialFcw);
  Store(data() + kMxcsrOffset, kInitialMxcsr);
  Store(data() + kMxcsrMaskOffset, HostLayout().mxcsr_mask);
  Store(data() + kLegacySize, uint64_t{kX87 | kSse});
}

void FpState::Sanitize() {
  std::byte* const header = data() + kLegacySize;
  uint64_t present = Load<uint64_t>(header) & HostLayout().features;
  // The x87 and SSE parts are always written out: whether a loader takes MXCSR
  // from an image that claims neither differs between XRSTOR and ptrace.
  if ((present & kX87) == 0) ResetX87(data());
  if ((present & kSse) == 0) memset(data() + kXmmOffset, 0, kXmmEnd - kXmmOffset);
  present |= kX87 | kSse;
  memset(header, 0, kHeaderSize);
  Store(header, present);
  Store(data() + kMxcsrOffset, Load<uint32_t>(data() + kMxcsrOffset) & HostLayout().mxcsr_mask);
  Store(data() + kMxcsrMaskOffset, HostLayout().mxcsr_mask);
  memset(data() + kXmmEnd, 0, kLegacySize - kXmmEnd);
}

}  // namespace sentry::arch
