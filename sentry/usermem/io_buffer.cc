#include "sentry/usermem/io_buffer.h"

#include <algorithm>
#include <cstring>

namespace sentry {
namespace {

size_t TotalOf(const std::vector<UserIovec>& iov) {
  size_t sum = 0;
  for (const UserIovec& v : iov) {
    // The call that built the vector has bounded the sum; this one only never
    // wraps, whatever it got.
    if (v.len > SIZE_MAX - sum) return SIZE_MAX;
    sum += v.len;
  }
  return sum;
}

// Walks `len` bytes of the vector from (index, offset), calling
// fn(address, bytes) -> Result<size_t> for each piece; moves the cursor behind
// what was done. Stops at the first short piece.
template <typename Fn>
Result<size_t> Walk(const std::vector<UserIovec>& iov, size_t& index, size_t& offset, size_t len, Fn fn) {
  size_t done = 0;
  while (done < len && index < iov.size()) {
    const UserIovec& v = iov[index];
    if (offset == v.len) {
      ++index;
      offset = 0;
      continue;
    }
    const size_t want = std::min<size_t>(v.len - offset, len - done);
    const Result<size_t> n = fn(v.base + offset, done, want);
    if (!n.ok()) {
      if (done == 0) return n.error();
      break;
    }
    offset += *n;
    done += *n;
    if (*n < want) break;
  }
  return done;
}

}  // namespace

UserIoSink::UserIoSink(UserMemory& mem, UserAddr addr, size_t len)
    : UserIoSink(mem, std::vector<UserIovec>{{addr, len}}) {}

UserIoSink::UserIoSink(UserMemory& mem, std::vector<UserIovec> iov)
    : mem_(mem), iov_(std::move(iov)), remaining_(TotalOf(iov_)) {}

template <typename CopyFn>
Result<size_t> UserIoSink::Advance(size_t len, CopyFn copy) {
  const size_t n = TRY(Walk(iov_, index_, offset_, len, copy));
  remaining_ -= n;
  return n;
}

Result<size_t> UserIoSink::Write(std::span<const std::byte> bytes) {
  return Advance(std::min(bytes.size(), remaining_),
                 [&](UserAddr to, size_t done, size_t n) { return mem_.CopyOut(to, bytes.subspan(done, n)); });
}

Result<size_t> UserIoSink::Zero(size_t len) {
  return Advance(std::min(len, remaining_), [&](UserAddr to, size_t, size_t n) { return mem_.ZeroOut(to, n); });
}

UserIoSource::UserIoSource(UserMemory& mem, UserAddr addr, size_t len)
    : UserIoSource(mem, std::vector<UserIovec>{{addr, len}}) {}

UserIoSource::UserIoSource(UserMemory& mem, std::vector<UserIovec> iov)
    : mem_(mem), iov_(std::move(iov)), remaining_(TotalOf(iov_)) {}

Result<size_t> UserIoSource::Read(std::span<std::byte> bytes) {
  const size_t n =
      TRY(Walk(iov_, index_, offset_, std::min(bytes.size(), remaining_),
               [&](UserAddr from, size_t done, size_t want) { return mem_.CopyIn(from, bytes.subspan(done, want)); }));
  remaining_ -= n;
  return n;
}

void UserIoSource::Skip(size_t n) {
  const Result<size_t> skipped = Walk(iov_, index_, offset_, std::min(n, remaining_),
                                      [](UserAddr, size_t, size_t want) { return Result<size_t>(want); });
  remaining_ -= skipped.ok() ? *skipped : 0;
}

void UserIoSource::Rewind(size_t n) {
  remaining_ += n;
  while (n > 0) {
    const size_t step = std::min(n, offset_);
    offset_ -= step;
    n -= step;
    if (n == 0) return;
    CHECK(index_ > 0);  // never more than was read
    --index_;
    offset_ = iov_[index_].len;
  }
}

Result<size_t> KernelIoSink::Write(std::span<const std::byte> bytes) {
  const size_t n = std::min(bytes.size(), buf_.size());
  if (n > 0) memcpy(buf_.data(), bytes.data(), n);
  buf_ = buf_.subspan(n);
  return n;
}

Result<size_t> KernelIoSink::Zero(size_t len) {
  const size_t n = std::min(len, buf_.size());
  if (n > 0) memset(buf_.data(), 0, n);
  buf_ = buf_.subspan(n);
  return n;
}

Result<size_t> KernelIoSource::Read(std::span<std::byte> bytes) {
  const size_t n = std::min(bytes.size(), buf_.size() - pos_);
  if (n > 0) memcpy(bytes.data(), buf_.data() + pos_, n);
  pos_ += n;
  return n;
}

}  // namespace sentry
