// What the kernel needs of a guest's address space in order to copy to and
// from it. sentry/mm implements it; tests use FakeUserMemory.
#ifndef SENTRY_USERMEM_USER_MEMORY_H_
#define SENTRY_USERMEM_USER_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

using base::Errno;
using base::Ok;
using base::Result;

// All copies fault pages in as the guest's own access would, check the VMA's
// protection, and may stop early at a bad page: they return the number of bytes
// copied, or EFAULT when that is none. No lock may be held over a call.
class UserMemory {
 public:
  virtual ~UserMemory() = default;

  virtual Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) = 0;
  virtual Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) = 0;
  virtual Result<size_t> ZeroOut(UserAddr dst, size_t len) = 0;

  // Atomics for futexes and robust lists; EFAULT for a bad address, EINVAL for
  // a misaligned one.
  virtual Result<uint32_t> LoadU32(UserAddr addr) = 0;
  // Returns the value found; the store happened if that equals `expected`.
  virtual Result<uint32_t> CompareExchangeU32(UserAddr addr, uint32_t expected, uint32_t desired) = 0;
};

// The whole of `dst`/`src` or EFAULT.
Result<void> CopyInFull(UserMemory& mem, UserAddr src, std::span<std::byte> dst);
Result<void> CopyOutFull(UserMemory& mem, UserAddr dst, std::span<const std::byte> src);

// A NUL-terminated string of at most `max` bytes with its NUL (PATH_MAX for
// paths). ENAMETOOLONG when no NUL comes within `max`, EFAULT for a bad page
// before the NUL. `max` bounds what a guest can make us allocate.
Result<std::string> CopyInString(UserMemory& mem, UserAddr src, size_t max);

}  // namespace sentry

#endif  // SENTRY_USERMEM_USER_MEMORY_H_
