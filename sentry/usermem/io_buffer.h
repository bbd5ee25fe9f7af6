// Where the bytes of a read go (IoSink) and those of a write come from
// (IoSource). File code sees only these, so read, readv, pread, sendfile,
// splice and the loader all share one path.
//
// Both are sequential cursors over guest iovecs or kernel memory. A copy may be
// short when a guest page is bad; the cursor then stands at the bad byte, and
// the call that follows returns EFAULT. No lock may be held over a copy: file
// code copies from or to a kernel-side chunk of at most kIoChunk bytes.
#ifndef SENTRY_USERMEM_IO_BUFFER_H_
#define SENTRY_USERMEM_IO_BUFFER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "sentry/usermem/user_memory.h"

namespace sentry {

inline constexpr size_t kIoChunk = 64 << 10;
inline constexpr size_t kMaxRwCount = 0x7ffff000;  // Linux's MAX_RW_COUNT

class IoSink {
 public:
  virtual ~IoSink() = default;
  virtual size_t remaining() const = 0;
  // Copies as much of `bytes` as fits and can be written; EFAULT if none of a
  // non-empty span could.
  virtual Result<size_t> Write(std::span<const std::byte> bytes) = 0;
  virtual Result<size_t> Zero(size_t len) = 0;
};

class IoSource {
 public:
  virtual ~IoSource() = default;
  virtual size_t remaining() const = 0;
  virtual Result<size_t> Read(std::span<std::byte> bytes) = 0;
  // Passes over `n` bytes without looking at them (/dev/null).
  virtual void Skip(size_t n) = 0;
  // Takes back the last `n` bytes read (a write that the file took in part).
  virtual void Rewind(size_t n) = 0;
};

struct UserIovec {
  UserAddr base;
  uint64_t len;
};

class UserIoSink final : public IoSink {
 public:
  UserIoSink(UserMemory& mem, UserAddr addr, size_t len);
  UserIoSink(UserMemory& mem, std::vector<UserIovec> iov);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Write(std::span<const std::byte> bytes) override;
  Result<size_t> Zero(size_t len) override;

 private:
  template <typename CopyFn>
  Result<size_t> Advance(size_t len, CopyFn copy);

  UserMemory& mem_;
  std::vector<UserIovec> iov_;
  size_t index_ = 0;
  size_t offset_ = 0;
  size_t remaining_;
};

class UserIoSource final : public IoSource {
 public:
  UserIoSource(UserMemory& mem, UserAddr addr, size_t len);
  UserIoSource(UserMemory& mem, std::vector<UserIovec> iov);
  size_t remaining() const override { return remaining_; }
  Result<size_t> Read(std::span<std::byte> bytes) override;
  void Skip(size_t n) override;
  void Rewind(size_t n) override;

 private:
  UserMemory& mem_;
  std::vector<UserIovec> iov_;
  size_t index_ = 0;
  size_t offset_ = 0;
  size_t remaining_;
};

class KernelIoSink final : public IoSink {
 public:
  explicit KernelIoSink(std::span<std::byte> buf) : buf_(buf) {}
  size_t remaining() const override { return buf_.size(); }
  Result<size_t> Write(std::span<const std::byte> bytes) override;
  Result<size_t> Zero(size_t len) override;

 private:
  std::span<std::byte> buf_;
};

class KernelIoSource final : public IoSource {
 public:
  explicit KernelIoSource(std::span<const std::byte> buf) : buf_(buf) {}
  size_t remaining() const override { return buf_.size() - pos_; }
  Result<size_t> Read(std::span<std::byte> bytes) override;
  void Skip(size_t n) override { pos_ += n; }
  void Rewind(size_t n) override { pos_ -= n; }

 private:
  std::span<const std::byte> buf_;
  size_t pos_ = 0;
};

}  // namespace sentry

#endif  // SENTRY_USERMEM_IO_BUFFER_H_
