#include "platform/kvm/tables.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using base::MutexLock;
using sentry::kPageSize;

// A slot costs the host 1/400 of its size, empty or not.
constexpr uint64_t kSlotSize = 16 << 20;
// So many freed pages keep their memory.
constexpr size_t kKept = 512;
// A drop of all shadows costs every virtual CPU its translations, so it is for many.
constexpr size_t kWaiting = 1024;

void* Reserve(uint64_t size) {
  void* const p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

}  // namespace

Result<std::unique_ptr<Tables>> Tables::Create(Machine& machine, uint64_t limit) {
  limit = std::max(kSlotSize, limit / kSlotSize * kSlotSize);
  void* const base = Reserve(limit);
  if (base == nullptr) return base::HostErrno();
  madvise(base, limit, MADV_DONTFORK);
  std::unique_ptr<Tables> t(new Tables(machine, static_cast<std::byte*>(base), limit));
  t->used_ = static_cast<uint16_t*>(Reserve(limit / kPageSize * sizeof(uint16_t)));
  if (t->used_ == nullptr) return base::HostErrno();
  return t;
}

Tables::Tables(Machine& machine, std::byte* base, uint64_t limit) : machine_(machine), base_(base), limit_(limit) {}

// The VM is gone by now, or will not run again.
Tables::~Tables() {
  if (used_ != nullptr) munmap(used_, limit_ / kPageSize * sizeof(uint16_t));
  munmap(base_, limit_);
}

Result<void> Tables::Grow() {
  if (end_ == limit_) return Errno::kENOMEM;
  TRY(machine_.AddSlot(end_, base_ + end_, kSlotSize, true));
  end_ += kSlotSize;
  return base::Ok();
}

Result<uint64_t> Tables::Allocate() {
  uint64_t page = 0;
  {
    MutexLock lock(mu_);
    if (free_.empty() && !waiting_.empty() && (waiting_.size() >= kWaiting || next_ == limit_)) {
      machine_.DropShadows();
      free_.swap(waiting_);
    }
    if (!free_.empty()) {
      page = free_.back();
      free_.pop_back();
    } else {
      if (next_ >= end_) TRY(Grow());
      page = next_;
      next_ += kPageSize;
      return page;  // zeroed by the host
    }
  }
  std::memset(Host(page), 0, kPageSize);
  used(page) = 0;
  return page;
}

void Tables::Free(std::span<const uint64_t> pages) {
  MutexLock lock(mu_);
  for (const uint64_t page : pages) {
    (shadowed_ ? waiting_ : free_).push_back(page);
    if (free_.size() + waiting_.size() > kKept + kWaiting) madvise(Host(page), kPageSize, MADV_DONTNEED);
  }
}

size_t Tables::in_use() const {
  MutexLock lock(mu_);
  return next_ / kPageSize - 1 - free_.size() - waiting_.size();
}

}  // namespace platform::kvm
