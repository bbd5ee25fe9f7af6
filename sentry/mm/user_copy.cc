// Copies between the kernel and guest memory, through the sentry's own view of
// the pages. Pages under a copy are kept by counting copies, not references: a
// count is one atomic add, and what is freed meanwhile waits.
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sentry/mm/mm_impl.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {
namespace {

// Bounds how long a fork waits for a copy.
constexpr size_t kMaxAtOnce = 1 << 20;
// So much may wait to be freed before we stop new copies for a moment.
constexpr uint64_t kMaxDeferred = 64 << 20;
// A page that keeps vanishing between fault and copy is some other thread's
// doing; no correct program sees this.
constexpr int kMaxTries = 1000;

constexpr MemoryProtection kAccessRead{.read = true};
constexpr MemoryProtection kAccessWrite{.read = true, .write = true};

// By descriptor, of a file that the sentry has no view of. Returns bytes left.
template <typename Io>
size_t HostIo(int fd, uint64_t offset, size_t n, Io io) {
  size_t done = 0;
  while (done < n) {
    const ssize_t r = io(fd, done, n - done, static_cast<off_t>(offset + done));
    if (r < 0 && errno == EINTR) continue;
    if (r <= 0) break;
    done += static_cast<size_t>(r);
  }
  return n - done;
}

// Where the file ends; the page cache has zeroes up to the end of that page.
uint64_t HostSize(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

size_t HostRead(int fd, uint64_t offset, std::byte* to, size_t n) {
  const size_t left =
      HostIo(fd, offset, n, [&](int f, size_t at, size_t count, off_t off) { return pread(f, to + at, count, off); });
  if (left == 0) return 0;
  const uint64_t at = offset + (n - left), end = PageRoundUp(HostSize(fd));
  if (at >= end) return left;
  const size_t zeroes = std::min<uint64_t>(left, end - at);
  std::fill_n(to + (n - left), zeroes, std::byte{0});
  return left - zeroes;
}

// Never beyond the end: a store to a mapping does not make a file longer.
size_t HostWrite(int fd, uint64_t offset, const std::byte* from, size_t n) {
  const uint64_t end = HostSize(fd);
  if (offset >= PageRoundUp(end)) return n;
  const size_t in_file = offset < end ? std::min<uint64_t>(n, end - offset) : 0;
  const size_t left = HostIo(
      fd, offset, in_file, [&](int f, size_t at, size_t count, off_t off) { return pwrite(f, from + at, count, off); });
  if (left != 0) return n - in_file + left;
  return n - std::min<uint64_t>(n, PageRoundUp(end) - offset);
}

}  // namespace

bool MemoryManager::Impl::PinLocked(uint64_t addr, size_t length, MemoryProtection access, bool forced, Pinned& out) {
  CachedPiece& c = cached[addr / kPageSize % kCached];
  if (c.start <= addr && addr < c.end && c.vma_version == vmas.version() && c.page_version == pages.version() &&
      (!access.write || c.writable)) {
    out.pointer = c.pointer + (addr - c.start);
    out.length = std::min<uint64_t>({length, c.end - addr, kMaxAtOnce});
    copies.fetch_add(1, std::memory_order_seq_cst);
    return true;
  }
  const Vma* vma = vmas.Find(addr);
  if (vma == nullptr || !Permits(*vma, access, forced)) return false;
  uint64_t start = 0;
  const PageRun* run = pages.Find(addr, &start);
  if (run == nullptr) return false;
  const bool writable =
      (run->kind == RunKind::kPrivate && !run->cow) || (run->kind == RunKind::kShared && run->writable);
  if (access.write && !writable) return false;
  const uint64_t end = std::min(run->end, vma->range.end.value);
  start = std::max(start, vma->range.start.value);
  PageRun here = *run;
  uint64_t run_start = 0;
  (void)pages.Find(addr, &run_start);
  here.offset += addr - run_start;
  out.pointer = PointerTo(here);
  out.length = std::min<uint64_t>({length, end - addr, kMaxAtOnce});
  if (out.pointer == nullptr) {
    out.fd = here.host->fd();
    out.offset = here.offset;
  } else if (!forced) {
    c = {start, end, out.pointer - (addr - start), writable && vma->prot.write, vmas.version(), pages.version()};
  }
  copies.fetch_add(1, std::memory_order_seq_cst);
  return true;
}

Result<MemoryManager::Impl::Pinned> MemoryManager::Impl::Pin(uint64_t addr, size_t length, MemoryProtection access,
                                                             bool forced) {
  Pinned pinned;
  for (int i = 0; i < kMaxTries; ++i) {
    {
      base::MutexLock lock(mu);
      if (PinLocked(addr, length, access, forced, pinned)) return pinned;
    }
    const FaultStatus status =
        Fault({.addr = addr, .access = access, .who = FaultRequest::For::kCopy, .forced = forced, .length = length});
    if (status == FaultStatus::kNoMemory) LogNoMemory("a copy");
    if (status != FaultStatus::kDone) break;
  }
  return Errno::kEFAULT;
}

void MemoryManager::Impl::EndCopy() {
  if (copies.fetch_sub(1, std::memory_order_seq_cst) == 1 && has_deferred.load(std::memory_order_seq_cst)) {
    FlushDeferred();
  }
}

void MemoryManager::Impl::DrainCopies() {
  while (copies.load(std::memory_order_seq_cst) != 0) sched_yield();
}

void MemoryManager::Impl::FlushDeferred() {
  std::vector<MemRange> mem;
  std::vector<RefPtr<base::RefCounted>> refs;
  {
    base::MutexLock lock(deferred_mu);
    // Whoever copies now and began before something was put here is counted.
    if (copies.load(std::memory_order_seq_cst) != 0) return;
    mem.swap(deferred_mem);
    refs.swap(deferred_refs);
    deferred_bytes = 0;
    has_deferred.store(false, std::memory_order_seq_cst);
  }
  for (const MemRange& m : mem) memory_file.DecRef(m);
}

void MemoryManager::Impl::Release(std::vector<MemRange>& mem, std::vector<RefPtr<base::RefCounted>>& refs) {
  if (mem.empty() && refs.empty()) return;
  if (copies.load(std::memory_order_seq_cst) == 0) {
    for (const MemRange& m : mem) memory_file.DecRef(m);
    refs.clear();
    return;
  }
  uint64_t waiting = 0;
  {
    base::MutexLock lock(deferred_mu);
    for (const MemRange& m : mem) {
      deferred_mem.push_back(m);
      deferred_bytes += m.size();
    }
    for (RefPtr<base::RefCounted>& r : refs) deferred_refs.push_back(std::move(r));
    waiting = deferred_bytes;
    has_deferred.store(true, std::memory_order_seq_cst);
  }
  if (waiting > kMaxDeferred) {
    std::vector<MemRange> now;
    {
      base::MutexLock lock(mu);
      DrainCopies();
      base::MutexLock deferred(deferred_mu);
      now.swap(deferred_mem);
      deferred_bytes = 0;
    }
    for (const MemRange& m : now) memory_file.DecRef(m);
  }
  if (copies.load(std::memory_order_seq_cst) == 0) FlushDeferred();
}

template <typename Move>
Result<size_t> MemoryManager::Impl::Copy(UserAddr addr, size_t length, MemoryProtection access, bool forced,
                                         Move move) {
  if (length == 0) return size_t{0};
  if (!MakeUserRange(addr, length)) return Errno::kEFAULT;
  size_t done = 0;
  while (done < length) {
    const Result<Pinned> pinned = Pin(addr.value + done, length - done, access, forced);
    if (!pinned.ok()) break;
    const size_t left = move(*pinned, done);
    EndCopy();
    done += pinned->length - left;
    if (left != 0) break;
  }
  if (done == 0) return Errno::kEFAULT;
  return done;
}

namespace {

// The three ways to move bytes; each returns how many are left undone.
template <typename P>
auto MoveIn(std::span<std::byte> dst) {
  return [dst](const P& p, size_t done) -> size_t {
    if (p.pointer != nullptr) return SafeCopy(dst.data() + done, p.pointer, p.length);
    return HostRead(p.fd, p.offset, dst.data() + done, p.length);
  };
}

template <typename P>
auto MoveOut(std::span<const std::byte> src) {
  return [src](const P& p, size_t done) -> size_t {
    if (p.pointer != nullptr) return SafeCopy(p.pointer, src.data() + done, p.length);
    return HostWrite(p.fd, p.offset, src.data() + done, p.length);
  };
}

}  // namespace

Result<size_t> MemoryManager::CopyIn(UserAddr src, std::span<std::byte> dst) {
  return impl_->Copy(src, dst.size(), kAccessRead, false, MoveIn<Impl::Pinned>(dst));
}

Result<size_t> MemoryManager::CopyOut(UserAddr dst, std::span<const std::byte> src) {
  return impl_->Copy(dst, src.size(), kAccessWrite, false, MoveOut<Impl::Pinned>(src));
}

Result<size_t> MemoryManager::CopyInForced(UserAddr src, std::span<std::byte> dst) {
  return impl_->Copy(src, dst.size(), kAccessRead, true, MoveIn<Impl::Pinned>(dst));
}

Result<size_t> MemoryManager::CopyOutForced(UserAddr dst, std::span<const std::byte> src) {
  return impl_->Copy(dst, src.size(), kAccessWrite, true, MoveOut<Impl::Pinned>(src));
}

Result<size_t> MemoryManager::ZeroOut(UserAddr dst, size_t len) {
  static constexpr std::byte kZeroes[kPageSize] = {};
  return impl_->Copy(dst, len, kAccessWrite, false, [](const Impl::Pinned& p, size_t) -> size_t {
    if (p.pointer != nullptr) return SafeZero(p.pointer, p.length);
    for (size_t done = 0; done < p.length;) {
      const size_t n = std::min(p.length - done, sizeof(kZeroes));
      const size_t left = HostWrite(p.fd, p.offset + done, kZeroes, n);
      done += n - left;
      if (left != 0) return p.length - done;
    }
    return 0;
  });
}

Result<uint32_t> MemoryManager::LoadU32(UserAddr addr) {
  if (addr.value % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (!MakeUserRange(addr, sizeof(uint32_t))) return Errno::kEFAULT;
  const Impl::Pinned p = TRY(impl_->Pin(addr.value, sizeof(uint32_t), kAccessRead, false));
  const std::optional<uint32_t> v = p.pointer != nullptr ? SafeLoadU32(p.pointer) : std::nullopt;
  impl_->EndCopy();
  if (!v) return Errno::kEFAULT;
  return *v;
}

Result<uint32_t> MemoryManager::CompareExchangeU32(UserAddr addr, uint32_t expected, uint32_t desired) {
  if (addr.value % sizeof(uint32_t) != 0) return Errno::kEINVAL;
  if (!MakeUserRange(addr, sizeof(uint32_t))) return Errno::kEFAULT;
  const Impl::Pinned p = TRY(impl_->Pin(addr.value, sizeof(uint32_t), kAccessWrite, false));
  const std::optional<uint32_t> v =
      p.pointer != nullptr ? SafeCompareExchangeU32(p.pointer, expected, desired) : std::nullopt;
  impl_->EndCopy();
  if (!v) return Errno::kEFAULT;
  return *v;
}

}  // namespace sentry
