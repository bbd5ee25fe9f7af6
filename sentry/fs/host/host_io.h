// Reads and writes of an inherited host descriptor that never block and never
// change it.
#ifndef SENTRY_FS_HOST_HOST_IO_H_
#define SENTRY_FS_HOST_HOST_IO_H_

#include <atomic>
#include <cstddef>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/wait_queue.h"

namespace sentry {

using base::Errno;
using base::Result;

class HostIo {
 public:
  enum class Kind : uint8_t { kRegular, kDirectory, kPipe, kSocket, kTerminal, kDevice };

  static Result<Kind> KindOf(int fd);
  HostIo(base::UniqueFd fd, Kind kind) : fd_(std::move(fd)), kind_(kind) {}

  int fd() const { return fd_.get(); }
  Kind kind() const { return kind_; }
  bool always_ready() const { return kind_ == Kind::kRegular || kind_ == Kind::kDirectory; }

  // At the host's own position. EAGAIN: not now.
  Result<size_t> Read(std::span<std::byte> dst) const;
  Result<size_t> Write(std::span<const std::byte> src, bool append) const;
  // Events of `mask` that hold now, and error and hang-up.
  base::EventMask Poll(base::EventMask mask) const;

 private:
  const base::UniqueFd fd_;
  const Kind kind_;
  // Whether the host knows RWF_NOWAIT for this file; found out by trying.
  mutable std::atomic<bool> no_wait_{true};
};

}  // namespace sentry

#endif  // SENTRY_FS_HOST_HOST_IO_H_
