#include "sentry/usermem/user_memory.h"

#include <algorithm>
#include <cstring>

namespace sentry {

Result<void> CopyInFull(UserMemory& mem, UserAddr src, std::span<std::byte> dst) {
  if (dst.empty()) return Ok();
  const size_t n = TRY(mem.CopyIn(src, dst));
  if (n != dst.size()) return Errno::kEFAULT;
  return Ok();
}

Result<void> CopyOutFull(UserMemory& mem, UserAddr dst, std::span<const std::byte> src) {
  if (src.empty()) return Ok();
  const size_t n = TRY(mem.CopyOut(dst, src));
  if (n != src.size()) return Errno::kEFAULT;
  return Ok();
}

// In pieces that end at a page's end, so that a string at the end of a mapping
// never touches the page behind, and the first piece short: most paths are.
Result<std::string> CopyInString(UserMemory& mem, UserAddr src, size_t max) {
  constexpr size_t kFirst = 128;
  char buf[kPageSize];
  std::string out;
  UserAddr at = src;
  while (out.size() < max) {
    const size_t in_page = kPageSize - (at.value & kPageMask);
    size_t want = std::min(in_page, max - out.size());
    if (out.empty()) want = std::min(want, kFirst);
    const size_t n = TRY(mem.CopyIn(at, std::as_writable_bytes(std::span(buf, want))));
    if (const void* nul = memchr(buf, 0, n)) {
      out.append(buf, static_cast<size_t>(static_cast<const char*>(nul) - buf));
      return out;
    }
    out.append(buf, n);
    if (n < want) return Errno::kEFAULT;
    if (at.value + n < at.value) return Errno::kEFAULT;
    at = at + n;
  }
  return Errno::kENAMETOOLONG;
}

}  // namespace sentry
