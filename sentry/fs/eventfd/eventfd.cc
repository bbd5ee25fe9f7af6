#include "sentry/fs/eventfd/eventfd.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/abi/eventfd.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm;
constexpr uint64_t kMaxCount = UINT64_MAX - 1;  // what write(2) may reach

uint64_t NextId() {
  static std::atomic<uint64_t> next{0};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

EventFd::EventFd(Path path, uint32_t flags, uint64_t initial, Mode mode)
    : FileDescription(std::move(path), flags), mode_(mode), id_(NextId()), count_(initial) {}

const void* EventFd::Kind() {
  static const char kTag = 0;
  return &kTag;
}

void EventFd::Signal(uint64_t n) {
  {
    base::MutexLock lock(mu_);
    count_ += std::min(n, UINT64_MAX - count_);
  }
  wait_queue_.Notify(kIn);
}

Result<size_t> EventFd::Read(const VfsContext&, IoSink& dst) {
  uint64_t value;
  if (dst.remaining() < sizeof(value)) return Errno::kEINVAL;
  {
    base::MutexLock lock(mu_);
    if (count_ == 0) return Errno::kEAGAIN;
    value = mode_ == Mode::kSemaphore ? 1 : count_;
    count_ -= value;
  }
  wait_queue_.Notify(kOut);
  // As Linux: the count is taken even if it can't be handed over.
  const size_t n = TRY(dst.Write(std::as_bytes(std::span(&value, 1))));
  return n == sizeof(value) ? Result<size_t>(n) : Errno::kEFAULT;
}

Result<size_t> EventFd::Write(const VfsContext&, IoSource& src) {
  uint64_t value = 0;
  if (src.remaining() < sizeof(value)) return Errno::kEINVAL;
  const size_t n = TRY(src.Read(std::as_writable_bytes(std::span(&value, 1))));
  if (n < sizeof(value)) return Errno::kEFAULT;
  if (value == UINT64_MAX) return Errno::kEINVAL;
  {
    base::MutexLock lock(mu_);
    if (count_ > kMaxCount || value > kMaxCount - count_) {
      src.Rewind(n);
      return Errno::kEAGAIN;
    }
    count_ += value;
  }
  wait_queue_.Notify(kIn);
  return n;
}

base::EventMask EventFd::Readiness(base::EventMask mask) {
  base::MutexLock lock(mu_);
  base::EventMask ready = 0;
  if (count_ > 0) ready |= base::kEventIn;
  if (count_ == UINT64_MAX) ready |= base::kEventErr;
  if (count_ < kMaxCount) ready |= base::kEventOut;
  return ready & mask;
}

std::string EventFd::FdInfo() {
  base::MutexLock lock(mu_);
  return absl::StrFormat("eventfd-count: %16x\neventfd-id: %d\neventfd-semaphore: %d\n", count_, id_,
                         mode_ == Mode::kSemaphore ? 1 : 0);
}

Result<RefPtr<FileDescription>> NewEventFd(const VfsContext&, uint32_t initial, uint32_t flags) {
  if ((flags & ~(abi::kEfdSemaphore | abi::kEfdCloExec | abi::kEfdNonBlock)) != 0) return Errno::kEINVAL;
  const auto mode = (flags & abi::kEfdSemaphore) != 0 ? EventFd::Mode::kSemaphore : EventFd::Mode::kCounter;
  return RefPtr<FileDescription>(
      MakeRef<EventFd>(InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:[eventfd]"),
                       abi::kORdWr | (flags & abi::kEfdNonBlock), initial, mode));
}

}  // namespace sentry
