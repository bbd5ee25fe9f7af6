// Addresses of the guest. Never a C++ pointer: nothing here can be dereferenced.
#ifndef SENTRY_USERMEM_USER_ADDR_H_
#define SENTRY_USERMEM_USER_ADDR_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sentry {

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kPageMask = kPageSize - 1;
inline constexpr uint64_t kHugePageSize = 2 << 20;

constexpr uint64_t PageRoundDown(uint64_t v) { return v & ~kPageMask; }
// Wraps to 0 at the very top; callers that take guest lengths use
// CheckedPageRoundUp.
constexpr uint64_t PageRoundUp(uint64_t v) { return (v + kPageMask) & ~kPageMask; }
constexpr std::optional<uint64_t> CheckedPageRoundUp(uint64_t v) {
  if (v > UINT64_MAX - kPageMask) return std::nullopt;
  return PageRoundUp(v);
}

struct UserAddr {
  uint64_t value = 0;

  constexpr UserAddr() = default;
  constexpr explicit UserAddr(uint64_t v) : value(v) {}
  constexpr UserAddr operator+(uint64_t n) const { return UserAddr(value + n); }
  constexpr UserAddr operator-(uint64_t n) const { return UserAddr(value - n); }
  constexpr uint64_t operator-(UserAddr o) const { return value - o.value; }
  constexpr auto operator<=>(const UserAddr&) const = default;
  constexpr bool is_null() const { return value == 0; }
  constexpr bool page_aligned() const { return (value & kPageMask) == 0; }
  constexpr UserAddr PageDown() const { return UserAddr(PageRoundDown(value)); }
  constexpr UserAddr PageUp() const { return UserAddr(PageRoundUp(value)); }
};

// [start, end)
struct UserRange {
  UserAddr start;
  UserAddr end;

  constexpr uint64_t size() const { return end.value - start.value; }
  constexpr bool empty() const { return start >= end; }
  constexpr bool Contains(UserAddr a) const { return start <= a && a < end; }
  constexpr bool Contains(UserRange r) const { return start <= r.start && r.end <= end; }
  constexpr bool Overlaps(UserRange r) const { return start < r.end && r.start < end; }
  constexpr UserRange Intersect(UserRange r) const {
    UserRange out{start > r.start ? start : r.start, end < r.end ? end : r.end};
    if (out.end < out.start) out.end = out.start;
    return out;
  }
  constexpr auto operator<=>(const UserRange&) const = default;
};

// The address space that a guest may use, [kMinUserAddr, kMaxUserAddr). Above it
// lies the platform's stub (platform/stub/layout.h); Linux's own limit is
// 0x7ffffffff000.
inline constexpr UserAddr kMinUserAddr{0x10000};  // vm.mmap_min_addr
inline constexpr UserAddr kMaxUserAddr{0x7fffe0000000};

// [addr, addr+len) if it does not wrap and lies below kMaxUserAddr.
constexpr std::optional<UserRange> MakeUserRange(UserAddr addr, uint64_t len) {
  if (len > kMaxUserAddr.value || addr.value > kMaxUserAddr.value - len) return std::nullopt;
  return UserRange{addr, addr + len};
}

struct MemoryProtection {
  bool read = false;
  bool write = false;
  bool execute = false;

  constexpr bool any() const { return read || write || execute; }
  // Whether every access of `o` is among ours.
  constexpr bool Allows(MemoryProtection o) const {
    return (read || !o.read) && (write || !o.write) && (execute || !o.execute);
  }
  constexpr int ToHost() const { return (read ? 1 : 0) | (write ? 2 : 0) | (execute ? 4 : 0); }  // PROT_*
  friend constexpr bool operator==(const MemoryProtection&, const MemoryProtection&) = default;
};
inline constexpr MemoryProtection kProtNone{};
inline constexpr MemoryProtection kProtRead{.read = true};
inline constexpr MemoryProtection kProtReadWrite{.read = true, .write = true};

}  // namespace sentry

#endif  // SENTRY_USERMEM_USER_ADDR_H_
