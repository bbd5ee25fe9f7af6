// Random numbers for address space layout and AT_RANDOM.
#ifndef SENTRY_LOADER_RANDOM_H_
#define SENTRY_LOADER_RANDOM_H_

#include <sys/random.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"

namespace sentry {

// At most 256 bytes, which getrandom gives whole.
inline void FillRandom(std::span<std::byte> out) {
  CHECK(out.size() <= 256);
  CHECK(getrandom(out.data(), out.size(), 0) == static_cast<ssize_t>(out.size()));
}

// A page count in [0, bound); bound is a power of two.
inline uint64_t RandomPages(uint64_t bound) {
  uint64_t value;
  FillRandom(std::as_writable_bytes(std::span(&value, 1)));
  return value & (bound - 1);
}

// Where things lie: by chance, unless ADDR_NO_RANDOMIZE asks that programs always find the same.
struct LayoutRandomness {
  bool on = true;
  uint64_t Pages(uint64_t bound) const { return on ? RandomPages(bound) : 0; }
};

}  // namespace sentry

#endif  // SENTRY_LOADER_RANDOM_H_
