// Faults that need the mappable. It is asked with no lock held, since the answer
// may come from the gofer; what it said counts only if the mapping is still the
// same and nothing was invalidated meanwhile.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sentry/mm/mm_impl.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {
namespace {

// Gives back the page references that came with a translation, at the end. Who
// keeps pages takes references of its own.
class HeldTranslation {
 public:
  explicit HeldTranslation(MemoryFile& mf) : memory_file_(mf) {}
  ~HeldTranslation() { Drop(); }
  HeldTranslation(const HeldTranslation&) = delete;
  HeldTranslation& operator=(const HeldTranslation&) = delete;
  void Set(Translation t) {
    Drop();
    t_ = std::move(t);
    set_ = true;
  }
  const Translation& get() const { return t_; }

 private:
  void Drop() {
    if (set_ && t_.in_memory_file) memory_file_.DecRef({t_.mem_offset, t_.mem_offset + t_.length});
    set_ = false;
  }
  MemoryFile& memory_file_;
  Translation t_;
  bool set_ = false;
};

// Whether it answers for the page at `offset`, in a form that can be mapped.
bool Answers(const Translation& t, uint64_t offset) {
  return t.offset <= offset && offset - t.offset < t.length && ((t.offset | t.length) & kPageMask) == 0 &&
         ((t.in_memory_file ? t.mem_offset : t.host_offset) & kPageMask) == 0 && (t.in_memory_file || t.host_fd >= 0);
}

// Bytes copied of the host file from `offset` on; the page cache gives zeroes
// behind the end of the last page, and so do we.
size_t ReadHost(int fd, uint64_t offset, std::byte* to, size_t length) {
  size_t done = 0;
  while (done < length) {
    const ssize_t n = pread(fd, to + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

// From the translation's pages for [offset, offset+length) of the mappable to
// `to`, which is zeroed. Returns whole pages that are good.
uint64_t CopyFrom(const Translation& t, MemoryFile& mf, uint64_t offset, std::byte* to, uint64_t length) {
  const uint64_t skip = offset - t.offset;
  size_t good = 0;
  if (t.in_memory_file) {
    good = length - SafeCopy(to, mf.Pointer(t.mem_offset + skip), length);
  } else if (t.pointer != nullptr) {
    good = length - SafeCopy(to, t.pointer + skip, length);
  } else {
    good = PageRoundUp(ReadHost(t.host_fd, t.host_offset + skip, to, length));
  }
  return PageRoundDown(good);
}

FaultStatus FailureOf(Errno e) { return e == Errno::kENOMEM ? FaultStatus::kNoMemory : FaultStatus::kBus; }

}  // namespace

void MemoryManager::Impl::PlanFile(const Vma& vma, const FaultRequest& rq, FilePlan& plan) {
  plan.mappable = vma.mappable;
  plan.page = PageRoundDown(rq.addr);
  plan.page_offset = vma.OffsetOf(plan.page);
  plan.shared = vma.shared;
  plan.copy = rq.access.write && !vma.shared;
  plan.invalidations = invalidations;
  // Backwards only where that costs the file nothing (host files are what
  // private read-only mappings are of); forwards as far as one fault may map.
  const uint64_t behind = plan.copy || vma.shared ? kFaultGroup : kFaultMax;
  const uint64_t ahead = plan.copy ? kFaultGroup : kFaultMax;
  plan.from = std::max(vma.range.start.value, plan.page / behind * behind);
  plan.end = std::min(vma.range.end.value, plan.page / ahead * ahead + ahead);
  // What is there already stays: all of it, or for a copy the private pages.
  for (const Pages::Piece& p : pages.PiecesIn(plan.from, plan.end)) {
    if (p.start <= plan.page && plan.page < p.run.end) {
      if (!plan.copy) plan.from = plan.page;
      continue;
    }
    if (plan.copy && p.run.kind != RunKind::kPrivate) continue;
    if (p.run.end <= plan.page) plan.from = p.run.end;
    if (p.start > plan.page) {
      if (plan.shared && rq.access.write && !p.run.writable) continue;
      plan.end = p.start;
      break;
    }
  }
}

std::optional<FaultStatus> MemoryManager::Impl::FaultFile(const FaultRequest& rq, FilePlan& plan, Trash& trash) {
  const MemoryProtection access{.read = true, .write = rq.access.write && plan.shared, .execute = rq.access.execute};
  trash.Add(RefPtr<base::RefCounted>(plan.mappable));  // dies, if it does, without a lock
  HeldTranslation held(memory_file);
  Result<Translation> t = plan.mappable->Translate(plan.OffsetOf(plan.from), plan.end - plan.from, access);
  if (t.ok()) held.Set(std::move(*t));
  if (plan.from != plan.page && (!t.ok() || !Answers(held.get(), plan.page_offset))) {
    plan.from = plan.page;
    t = plan.mappable->Translate(plan.page_offset, plan.end - plan.page, access);
    if (t.ok()) held.Set(std::move(*t));
  }
  if (!t.ok()) return FailureOf(t.error());
  if (!Answers(held.get(), plan.page_offset)) return FaultStatus::kBus;
  // What was answered, in addresses, and no more than was asked.
  const Translation& got = held.get();
  const uint64_t before = plan.page_offset - got.offset, behind = got.length - before;
  plan.from = plan.page - plan.from > before ? plan.page - before : plan.from;
  plan.end = plan.end - plan.page > behind ? plan.page + behind : plan.end;
  return plan.copy ? CommitCopy(rq, plan, got, trash) : CommitFile(rq, plan, got, trash);
}

Vma* MemoryManager::Impl::Recheck(const FaultRequest& rq, const FilePlan& plan) {
  if (plan.invalidations != invalidations) return nullptr;
  Vma* vma = vmas.Find(plan.page);
  if (vma == nullptr || vma->mappable != plan.mappable || vma->shared != plan.shared ||
      vma->OffsetOf(plan.page) != plan.page_offset || !Permits(*vma, rq.access, rq.forced)) {
    return nullptr;
  }
  return vma;
}

std::optional<FaultStatus> MemoryManager::Impl::CommitFile(const FaultRequest& rq, const FilePlan& plan,
                                                           const Translation& t, Trash& trash) {
  PageRun run;
  run.kind = plan.shared ? RunKind::kShared : RunKind::kFile;
  run.writable = plan.shared && rq.access.write;
  const uint64_t base = (t.in_memory_file ? t.mem_offset : t.host_offset) - t.offset;
  const auto backing = [&](uint64_t addr) { return base + plan.OffsetOf(addr); };
  if (!t.in_memory_file) run.host = MakeRef<HostView>(t.host_fd, t.pointer, t.host_offset, t.keepalive);
  trash.Add(RefPtr<base::RefCounted>(run.host));

  base::MutexLock lock(mu);
  const Vma* vma = Recheck(rq, plan);
  if (vma == nullptr) return std::nullopt;
  const uint64_t start = std::max(plan.from, vma->range.start.value), end = std::min(plan.end, vma->range.end.value);
  // One view a file, so that runs can be joined.
  for (const Pages::Piece& p : pages.PiecesIn(start == 0 ? 0 : start - 1, end + 1)) {
    if (run.host && p.run.host && p.run.host->SameAs(*run.host)) run.host = p.run.host;
  }
  if (run.writable) {
    for (const Pages::Piece& p : pages.PiecesIn(start, end)) {
      if (p.run.writable) continue;
      if (p.run.host == run.host && p.run.offset == backing(p.start)) {
        pages.Update(p.start, p.run.end, [](uint64_t, PageRun& r) { r.writable = true; });
      } else {
        RemovePages(p.start, p.run.end, trash);  // moved: an overlay's copy-up
      }
    }
  }
  for (auto [from, to] : pages.HolesIn(start, end)) {
    PageRun piece = run;
    piece.end = to;
    piece.offset = backing(from);
    if (t.in_memory_file) memory_file.IncRef({piece.offset, piece.offset + (to - from)});
    pages.Insert(from, std::move(piece));
  }
  if (rq.who == FaultRequest::For::kCopy) return FaultStatus::kDone;
  return MapWindow(*vma, start, end, plan.page, Fill::kLazy, trash);
}

std::optional<FaultStatus> MemoryManager::Impl::CommitCopy(const FaultRequest& rq, const FilePlan& plan,
                                                           const Translation& t, Trash& trash) {
  uint64_t from = plan.from, end = plan.end;
  Result<MemRange> mem = memory_file.Allocate(end - from, MemKind::kAnonymous, false);
  if (!mem.ok()) {
    from = plan.page;
    end = from + kPageSize;
    mem = memory_file.Allocate(kPageSize, MemKind::kAnonymous, false);
    if (!mem.ok()) return FaultStatus::kNoMemory;
  }
  const auto memory_of = [&](uint64_t a, uint64_t b) {
    return MemRange{mem->start + (a - from), mem->start + (b - from)};
  };
  const uint64_t good = CopyFrom(t, memory_file, plan.OffsetOf(from), memory_file.Pointer(mem->start), end - from);
  if (from + good <= plan.page) {
    trash.Add(*mem);
    return FaultStatus::kBus;
  }
  trash.Add(memory_of(from + good, end));
  end = from + good;

  base::MutexLock lock(mu);
  const Vma* vma = Recheck(rq, plan);
  uint64_t lo = from, hi = end;
  if (vma != nullptr) {
    lo = std::max(lo, vma->range.start.value);
    hi = std::min(hi, vma->range.end.value);
    // Another thread may have copied some of it.
    for (const Pages::Piece& p : pages.PiecesIn(lo, hi)) {
      if (p.run.kind != RunKind::kPrivate) continue;
      if (p.start <= plan.page && plan.page < p.run.end) vma = nullptr;
      lo = plan.page;
      hi = plan.page + kPageSize;
    }
  }
  if (vma == nullptr) {
    trash.Add(memory_of(from, end));
    return std::nullopt;
  }
  trash.Add(memory_of(from, lo));
  trash.Add(memory_of(hi, end));
  return ReplacePages(*vma, lo, hi, memory_of(lo, hi), rq, trash);
}

}  // namespace sentry
