// fork: references to pages are shared, none is copied (DESIGN 4).
#include <algorithm>

#include "base/log.h"
#include "sentry/mm/mm_impl.h"

namespace sentry {
namespace {

// What the parent has mapped the child will want too: a request to the platform maps
// it for a small part of what the faults would cost. No more than this, for a child
// that soon execs.
constexpr size_t kMaxMapped = 40;

}  // namespace

void MemoryManager::Impl::MapForked(std::span<const Pages::Piece> mapped) {
  std::vector<MapOp> ops;
  // Code first, which no child does without; then from the top of the address space
  // down, where the stack is.
  for (const bool code : {true, false}) {
    for (auto p = mapped.rbegin(); p != mapped.rend() && ops.size() < kMaxMapped; ++p) {
      if (p->run.hw.execute != code) continue;
      const Vma* vma = vmas.Find(p->start);
      if (vma == nullptr || p->run.end > vma->range.end.value) continue;
      std::vector<MapOp> more = WindowOps(*vma, p->start, p->run.end, Fill::kLazy);
      ops.insert(ops.end(), more.begin(), more.end());
    }
  }
  if (ops.empty() || ops.size() > space.vma_budget()) return;
  if (!space.Apply(ops).ok()) {
    // Some of it may be mapped, which nobody would know of. Who can't map now will fault.
    if (!EvictAll()) LOG(kError, "mm: can't unmap what a fork mapped in a stub");
    return;
  }
  for (const MapOp& op : ops) {
    pages.Update(op.range.start.value, op.range.end.value, [&](uint64_t, PageRun& run) { run.hw = op.prot; });
  }
}

Result<RefPtr<MemoryManager>> MemoryManager::Fork() {
  Impl& parent = *impl_;
  RefPtr<MemoryManager> child = TRY(Create(parent.spaces, parent.memory_file, parent.code_cache));
  std::vector<Vma> vmas;
  std::vector<AttachmentHold> holds;  // till the child has mapped them
  std::vector<Pages::Piece> pages, files, mapped;
  uint64_t invalidations;
  MmLimits limits;
  uint64_t mmap_top, brk_begin, brk_now;
  bool no_rewriting;
  {
    // After this block: nobody, the parent's threads and copies of ours included,
    // writes to a page that the child will see.
    base::MutexLock lock(parent.mu);
    parent.DrainCopies();
    std::vector<Impl::MapOp> protect;
    for (const auto& [start, vma] : parent.vmas) {
      if (vma.dont_fork) continue;
      vmas.push_back(vma);
      if (vma.identity && vma.identity->attachment()) holds.emplace_back(vma.identity);
      Vma& copy = vmas.back();
      copy.locked = copy.lock_on_fault = false;
      copy.window_size = 0;
      if (vma.wipe_on_fork) continue;
      for (Pages::Piece& p : parent.pages.PiecesIn(vma.range.start.value, vma.range.end.value)) {
        if (p.run.hw.any()) mapped.push_back(p);
        // Of a file's pages the child asks the file itself, but for those of a host file
        // that are mapped.
        if (p.run.kind == RunKind::kFile && p.run.hw.any() && !p.run.in_memory_file()) files.push_back(p);
        if (p.run.kind != RunKind::kPrivate) continue;
        if (p.run.hw.write) {
          const UserRange range{UserAddr(p.start), UserAddr(p.run.end)};
          MemoryProtection prot = p.run.hw;
          prot.write = false;
          if (!protect.empty() && protect.back().range.end == range.start && protect.back().prot == prot) {
            protect.back().range.end = range.end;
          } else {
            protect.push_back({.kind = Impl::MapOp::Kind::kProtect, .range = range, .prot = prot});
          }
        }
        pages.push_back(std::move(p));
      }
    }
    if (!protect.empty()) {
      const Result<void> r = parent.space.Apply(protect);
      // Out of host mappings: unmapping everything protects as well.
      if (!r.ok() && (r.Is(Errno::kESRCH) || !parent.EvictAll())) return r.error();
    }
    for (Pages::Piece& p : pages) {
      parent.memory_file.IncRef(p.mem());
      parent.pages.Update(p.start, p.run.end, [](uint64_t, PageRun& run) {
        run.cow = true;
        run.hw.write = false;
      });
      p.run.cow = true;
      p.run.hw = kProtNone;
    }
    limits = parent.limits;
    mmap_top = parent.mmap_top;
    brk_begin = parent.brk_begin;
    brk_now = parent.brk_now;
    no_rewriting = parent.no_rewriting;
    invalidations = parent.invalidations;
  }
  {
    Impl& c = *child->impl_;
    base::MutexLock lock(c.mu);
    c.limits = limits;
    c.mmap_top = mmap_top;
    c.brk_begin = brk_begin;
    c.brk_now = brk_now;
    c.no_rewriting = no_rewriting;
    for (Vma& vma : vmas) c.AddVma(std::move(vma));
    holds.clear();
    for (Pages::Piece& p : pages) c.pages.Insert(p.start, std::move(p.run));
  }
  {
    // From here on the child hears of what happens to its files itself. What it missed
    // before, the parent heard.
    base::MutexLock lock(parent.mu);
    if (parent.invalidations != invalidations) files.clear();
  }
  {
    Impl& c = *child->impl_;
    base::MutexLock lock(c.mu);
    if (c.invalidations == 0) {
      for (Pages::Piece& p : files) {
        p.run.hw = kProtNone;
        c.pages.Insert(p.start, std::move(p.run));
      }
    }
    c.MapForked(mapped);
  }
  child->SetLayout(layout());
  child->dumpable.store(dumpable.load(std::memory_order_relaxed), std::memory_order_relaxed);
  return child;
}

}  // namespace sentry
