// UserMemory for tests: bytes at a base address; everything else is EFAULT.
#ifndef SENTRY_USERMEM_FAKE_USER_MEMORY_H_
#define SENTRY_USERMEM_FAKE_USER_MEMORY_H_

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "sentry/usermem/user_memory.h"

namespace sentry {

class FakeUserMemory final : public UserMemory {
 public:
  explicit FakeUserMemory(size_t size, UserAddr base = UserAddr(0x10000)) : base_(base), bytes_(size) {}

  UserAddr base() const { return base_; }
  std::vector<std::byte>& bytes() { return bytes_; }
  size_t copies() const { return copies_; }

  // Puts `text` and a NUL at `offset`; its address.
  UserAddr PutString(size_t offset, std::string_view text) {
    memcpy(bytes_.data() + offset, text.data(), text.size());
    bytes_[offset + text.size()] = std::byte{0};
    return base_ + offset;
  }
  template <typename T>
  T Get(size_t offset) const {
    T v;
    memcpy(&v, bytes_.data() + offset, sizeof(v));
    return v;
  }
  template <typename T>
  void Put(size_t offset, const T& v) {
    memcpy(bytes_.data() + offset, &v, sizeof(v));
  }

  Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) override {
    const size_t n = TRY(Clip(src, dst.size()));
    if (n > 0) memcpy(dst.data(), At(src), n);
    return n;
  }
  Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) override {
    const size_t n = TRY(Clip(dst, src.size()));
    if (n > 0) memcpy(At(dst), src.data(), n);
    return n;
  }
  Result<size_t> ZeroOut(UserAddr dst, size_t len) override {
    const size_t n = TRY(Clip(dst, len));
    if (n > 0) memset(At(dst), 0, n);
    return n;
  }
  Result<uint32_t> LoadU32(UserAddr addr) override {
    if (addr.value % 4 != 0) return Errno::kEINVAL;
    const size_t n = TRY(Clip(addr, 4));
    if (n < 4) return Errno::kEFAULT;
    return Get<uint32_t>(addr - base_);
  }
  Result<uint32_t> CompareExchangeU32(UserAddr addr, uint32_t expected, uint32_t desired) override {
    const uint32_t found = TRY(LoadU32(addr));
    if (found == expected) Put(addr - base_, desired);
    return found;
  }

 private:
  std::byte* At(UserAddr addr) { return bytes_.data() + (addr - base_); }
  // How many of `len` bytes at `addr` are there.
  Result<size_t> Clip(UserAddr addr, size_t len) {
    ++copies_;
    if (len == 0) return size_t{0};
    if (addr < base_ || addr - base_ >= bytes_.size()) return Errno::kEFAULT;
    return std::min(len, bytes_.size() - (addr - base_));
  }

  UserAddr base_;
  std::vector<std::byte> bytes_;
  size_t copies_ = 0;
};

}  // namespace sentry

#endif  // SENTRY_USERMEM_FAKE_USER_MEMORY_H_
