#include "sentry/memfile/memory_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "sentry/memfile/extent_set.h"
#include "sentry/memfile/mem_accounts.h"
#include "sentry/memfile/page_counts.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {
namespace {

// Where the large class begins in the single offset space.
constexpr MemOffset kLargeBase = MemOffset{1} << 46;
// Room to spare over the limit: free space is fragmented and, for a moment, out
// with a thread that punches it. Sparse file space costs nothing.
constexpr uint64_t kSlack = 2;
// A release of this much at once goes back to the host at once.
constexpr uint64_t kPunchAtOnce = 1 << 20;
// Requests up to this size take dirty pages: zeroing costs 0.1 us a page where
// the host's first touch costs 2.8. Greater ones may never be touched whole.
constexpr uint64_t kMaxDirtyReuse = 64 << 10;

}  // namespace

// One class: a host file, the sentry's view of it, counts and free space.
struct FileClass {
  base::UniqueFd fd;
  uint64_t size = 0;
  std::byte* view = nullptr;
  std::unique_ptr<PageCounts> counts;
  ExtentSet clean;  // holes of the host file: read as zeroes
  ExtentSet dirty;  // small class only: committed, old content

  Result<void> Open(base::UniqueFd file, uint64_t bytes) {
    if (ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return base::HostErrno();
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (p == MAP_FAILED) return base::HostErrno();
    fd = std::move(file);
    size = bytes;
    view = static_cast<std::byte*>(p);
    counts = std::make_unique<PageCounts>(bytes);
    clean.Add(0, bytes);
    return base::Ok();
  }
  ~FileClass() {
    if (view != nullptr) munmap(view, size);
  }
  void Punch(uint64_t start, uint64_t end) const {
    int rc;
    do {
      rc = fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(start),
                     static_cast<off_t>(end - start));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return;
    // The host kept the memory, but what comes back must read as zeroes.
    LOG(kWarning, "memory file: punch of %d bytes: %s", end - start, base::ErrnoName(base::HostErrno()));
    SafeZero(view + start, end - start);
  }
};

struct MemoryFile::Impl {
  using Extents = std::vector<ExtentSet::Extent>;

  // Rank kMemFile: under all of mm's. Held over no host call; ranges that are
  // being punched are in no list meanwhile.
  mutable base::RankedMutex<base::LockRank::kMemFile> mu;
  // Descriptors, views and sizes never change; counts and lists are under mu.
  FileClass small;
  FileClass large;
  uint64_t limit = 0;
  Usage used ABSL_GUARDED_BY(mu);
  MemAccounts accounts ABSL_GUARDED_BY(mu);

  static bool IsLarge(MemOffset offset) { return offset >= kLargeBase; }
  FileClass& ClassOf(MemOffset offset) { return IsLarge(offset) ? large : small; }
  const FileClass& ClassOf(MemOffset offset) const { return IsLarge(offset) ? large : small; }
  static uint64_t InClass(MemOffset offset) { return IsLarge(offset) ? offset - kLargeBase : offset; }

  void StartPages(FileClass& c, uint64_t start, uint64_t size, PageCounts::Owner owner)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    for (uint64_t at = start; at < start + size; at += kPageSize) c.counts->Start(at, owner);
    used.bytes[static_cast<size_t>(owner.kind)] += size;
  }
  void Uncharge(PageCounts::Owner owner, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    used.bytes[static_cast<size_t>(owner.kind)] -= bytes;
    accounts.Uncharge(owner.account, bytes, owner.kind);
  }
  void DropSmall(uint64_t start, uint64_t end, Extents& punch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void DropLarge(uint64_t start, uint64_t end, Extents& punch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
};

Result<std::unique_ptr<MemoryFile>> MemoryFile::Create(Options options) {
  auto impl = std::make_unique<Impl>();
  impl->limit = PageRoundDown(options.limit);
  if (impl->limit == 0) {
    struct sysinfo info;
    if (sysinfo(&info) != 0) return base::HostErrno();
    impl->limit = PageRoundDown(uint64_t{info.totalram} * info.mem_unit);
  }
  const uint64_t bytes = (impl->limit * kSlack + kHugePageSize - 1) / kHugePageSize * kHugePageSize;
  if (bytes < impl->limit || bytes >= kLargeBase) return Errno::kEINVAL;
  TRY(impl->small.Open(std::move(options.small_fd), bytes));
  if (options.large_fd.valid()) TRY(impl->large.Open(std::move(options.large_fd), bytes));
  return std::unique_ptr<MemoryFile>(new MemoryFile(std::move(impl)));
}

MemoryFile::MemoryFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MemoryFile::~MemoryFile() = default;

Result<MemRange> MemoryFile::Allocate(uint64_t size, MemKind kind, bool prefer_large) {
  if (size == 0 || (size & kPageMask) != 0) return Errno::kEINVAL;
  Impl& m = *impl_;
  const MemCharger* charger = MemCharger::Current();
  MemAccount* const account = charger != nullptr ? charger->mem_account() : nullptr;
  const PageCounts::Owner owner{kind, MemAccounts::IdOf(account)};
  bool dirty = false;
  uint64_t start = 0;
  {
    base::MutexLock lock(m.mu);
    const uint64_t total = m.used.total();
    if (size > m.limit || total > m.limit - size) return Errno::kENOMEM;
    if (MemAccount* over = MemAccounts::TryCharge(account, size, kind)) {
      over->CountEvent(MemAccount::Event::kMax);
      return Errno::kENOMEM;
    }
    if (prefer_large && size % kHugePageSize == 0) {
      if (std::optional<uint64_t> at = m.large.clean.Take(size)) {
        m.StartPages(m.large, *at, size, owner);
        return MemRange{kLargeBase + *at, kLargeBase + *at + size};
      }
    }
    std::optional<uint64_t> at;
    if (size <= kMaxDirtyReuse) at = m.small.dirty.Take(size);
    dirty = at.has_value();
    if (!at) at = m.small.clean.Take(size);
    if (!at) {
      m.accounts.Uncharge(owner.account, size, kind);
      return Errno::kENOMEM;
    }
    start = *at;
    m.StartPages(m.small, start, size, owner);
  }
  if (dirty && SafeZero(m.small.view + start, size) != 0) {
    DecRef({start, start + size});
    return Errno::kENOMEM;
  }
  return MemRange{start, start + size};
}

void MemoryFile::IncRef(MemRange range) {
  Impl& m = *impl_;
  base::MutexLock lock(m.mu);
  FileClass& c = m.ClassOf(range.start);
  const uint64_t end = Impl::InClass(range.start) + range.size();
  for (uint64_t at = Impl::InClass(range.start); at < end; at += kPageSize) c.counts->Inc(at);
}

// The small class keeps what was freed, content and all, up to kMaxDirty; great
// pieces and the surplus go back to the host.
void MemoryFile::Impl::DropSmall(uint64_t start, uint64_t end, Extents& punch) {
  uint64_t free_start = start;
  PageCounts::Owner owner;  // of [free_start, ...)
  const auto flush = [&](uint64_t free_end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (free_start == free_end) return;
    Uncharge(owner, free_end - free_start);
    if (free_end - free_start >= kPunchAtOnce) {
      punch.push_back({free_start, free_end});
    } else {
      small.dirty.Add(free_start, free_end);
    }
  };
  for (uint64_t at = start; at < end; at += kPageSize) {
    const PageCounts::Dropped d = small.counts->Dec(at);
    if (d.free) {
      if (!(d.owner == owner)) {
        flush(at);
        free_start = at;
        owner = d.owner;
      }
      small.counts->Retire(at);
      continue;
    }
    flush(at);
    free_start = at + kPageSize;
  }
  flush(end);
  if (small.dirty.total() <= kMaxDirty) return;
  while (small.dirty.total() > kMaxDirty / 2) punch.push_back(*small.dirty.TakeLargest());
}

// The large class hands out whole chunks only: of a chunk in part freed the
// pages go back to the host, and its space waits for the rest.
void MemoryFile::Impl::DropLarge(uint64_t start, uint64_t end, Extents& punch) {
  for (uint64_t at = start; at < end; at += kPageSize) {
    const PageCounts::Dropped d = large.counts->Dec(at);
    if (!d.free) continue;
    Uncharge(d.owner, kPageSize);
    if (!punch.empty() && punch.back().end == at) {
      punch.back().end = at + kPageSize;
    } else {
      punch.push_back({at, at + kPageSize});
    }
  }
}

void MemoryFile::DecRef(MemRange range) {
  if (range.size() == 0) return;
  Impl& m = *impl_;
  const bool is_large = Impl::IsLarge(range.start);
  FileClass& c = m.ClassOf(range.start);
  const uint64_t start = Impl::InClass(range.start);
  Impl::Extents punch;
  {
    base::MutexLock lock(m.mu);
    if (is_large) {
      m.DropLarge(start, start + range.size(), punch);
    } else {
      m.DropSmall(start, start + range.size(), punch);
    }
  }
  if (punch.empty()) return;
  for (const ExtentSet::Extent& e : punch) c.Punch(e.start, e.end);
  base::MutexLock lock(m.mu);
  for (const ExtentSet::Extent& e : punch) {
    if (!is_large) {
      c.clean.Add(e.start, e.end);
      continue;
    }
    // Only now: a chunk is whole again when the last of those who punch in it is
    // done, or a late punch would hit its next owner.
    for (uint64_t at = e.start; at < e.end; at += kPageSize) {
      if (!c.counts->Retire(at)) continue;
      const uint64_t chunk = at / kHugePageSize * kHugePageSize;
      c.clean.Add(chunk, chunk + kHugePageSize);
    }
  }
}

bool MemoryFile::SoleOwner(MemRange range) const {
  const Impl& m = *impl_;
  base::MutexLock lock(m.mu);
  const FileClass& c = m.ClassOf(range.start);
  const uint64_t end = Impl::InClass(range.start) + range.size();
  for (uint64_t at = Impl::InClass(range.start); at < end; at += kPageSize) {
    if (c.counts->Get(at) != 1) return false;
  }
  return true;
}

std::byte* MemoryFile::Pointer(MemOffset offset) const { return impl_->ClassOf(offset).view + Impl::InClass(offset); }

MemoryFile::HostBacking MemoryFile::Backing(MemOffset offset) const {
  return {impl_->ClassOf(offset).fd.get(), Impl::InClass(offset)};
}

std::vector<MemoryFile::HostFile> MemoryFile::host_files() const {
  std::vector<HostFile> files;
  for (const FileClass* c : {&impl_->small, &impl_->large}) {
    if (c->fd.valid()) files.push_back({c->fd.get(), {c->view, c->size}});
  }
  return files;
}

MemoryFile::Usage MemoryFile::usage() const {
  base::MutexLock lock(impl_->mu);
  return impl_->used;
}

uint64_t MemoryFile::limit() const { return impl_->limit; }

MemAccount* MemoryFile::NewAccount(MemAccount* parent) {
  base::MutexLock lock(impl_->mu);
  return impl_->accounts.New(parent);
}

void MemoryFile::ReleaseAccount(MemAccount& account) {
  base::MutexLock lock(impl_->mu);
  impl_->accounts.Release(account);
}

bool MemoryFile::Scarce() {
  constexpr uint64_t kEnough = 2 * kHugePageSize;
  const MemCharger* charger = MemCharger::Current();
  MemAccount* const account = charger != nullptr ? charger->mem_account() : nullptr;
  return account != nullptr && account->OverLimit(kEnough) != nullptr;
}

MemRelief MemoryFile::Relieve() {
  MemCharger* charger = MemCharger::Current();
  return charger != nullptr ? charger->RelieveMemory() : MemRelief::kNone;
}

MemoryFile::View MemoryFile::CallerView() const {
  const MemCharger* charger = MemCharger::Current();
  return ViewOf(charger != nullptr ? charger->visible_account() : nullptr);
}

MemoryFile::View MemoryFile::ViewOf(const MemAccount* account) const {
  const auto of = [](const Usage& u, MemKind kind) { return u.bytes[static_cast<size_t>(kind)]; };
  const Usage all = usage();
  View view{limit(), all.total(), of(all, MemKind::kAnonymous), of(all, MemKind::kShared),
            of(all, MemKind::kPageCache)};
  const MemAccount* least = nullptr;
  for (const MemAccount* a = account; a != nullptr; a = a->parent()) {
    if (a->max() < view.limit) least = a, view.limit = PageRoundDown(a->max());
  }
  if (least == nullptr) return view;
  view.used = least->usage();
  view.anonymous = least->bytes(MemKind::kAnonymous);
  view.shared = least->bytes(MemKind::kShared);
  view.page_cache = least->bytes(MemKind::kPageCache);
  return view;
}

uint64_t MemoryFile::DirtyBytes() const {
  base::MutexLock lock(impl_->mu);
  return impl_->small.dirty.total();
}

namespace {

// Calls fn(start, end) for each piece of [start, end) that the host has memory
// for. The file's position is nobody's: all other access is by mapping.
template <typename Fn>
void ForEachData(const FileClass& c, uint64_t start, uint64_t end, Fn fn) {
  while (start < end) {
    const off_t data = lseek(c.fd.get(), static_cast<off_t>(start), SEEK_DATA);
    if (data < 0 || static_cast<uint64_t>(data) >= end) return;
    off_t hole = lseek(c.fd.get(), data, SEEK_HOLE);
    if (hole < 0 || static_cast<uint64_t>(hole) > end) hole = static_cast<off_t>(end);
    if (hole <= data) return;  // punched in between
    fn(static_cast<uint64_t>(data), static_cast<uint64_t>(hole));
    start = static_cast<uint64_t>(hole);
  }
}

}  // namespace

uint64_t MemoryFile::CommittedBytes() const {
  uint64_t sum = 0;
  for (const FileClass* c : {&impl_->small, &impl_->large}) {
    if (!c->fd.valid()) continue;
    ForEachData(*c, 0, c->size, [&](uint64_t start, uint64_t end) { sum += end - start; });
  }
  return sum;
}

std::vector<MemRange> MemoryFile::Untouched(MemRange range) const {
  const FileClass& c = impl_->ClassOf(range.start);
  const MemOffset base = range.start - Impl::InClass(range.start);
  std::vector<MemRange> holes;
  MemOffset at = range.start;
  ForEachData(c, Impl::InClass(range.start), Impl::InClass(range.end), [&](uint64_t start, uint64_t end) {
    if (base + start > at) holes.push_back({at, base + start});
    at = base + end;
  });
  if (at < range.end) holes.push_back({at, range.end});
  return holes;
}

Result<void> MemoryFile::Commit(MemRange range) {
  const FileClass& c = impl_->ClassOf(range.start);
  int rc;
  do {
    rc = fallocate(c.fd.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(Impl::InClass(range.start)),
                   static_cast<off_t>(range.size()));
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return Errno::kENOMEM;
  // SEEK_DATA counts such a page as a hole until it was touched once.
  const std::byte* view = Pointer(range.start);
  for (uint64_t at = 0; at < range.size(); at += kPageSize) {
    if (!SafeLoadU32(view + at).has_value()) return Errno::kENOMEM;
  }
  return base::Ok();
}

// mincore of our view, not SEEK_HOLE: that one looks for the next hole however
// far away it is.
void MemoryFile::Residency(MemRange range, std::span<uint8_t> out) const {
  if (range.size() == 0) return;
  if (mincore(Pointer(range.start), range.size(), out.data()) != 0) std::fill(out.begin(), out.end(), uint8_t{1});
  for (uint8_t& b : out) b &= 1;
}

}  // namespace sentry
