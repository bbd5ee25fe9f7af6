// Keeping below the platform's budget of mappings (DESIGN 4): a host process has
// 65,530 of them, and memory that was copied on write here and there takes many.
#include <algorithm>

#include "sentry/mm/mm_impl.h"

namespace sentry {
namespace {
// A block of 2 MiB is worth copying together from so many mappings on.
constexpr size_t kWorthwhile = 4;
}  // namespace

bool MemoryManager::Impl::CompactStretch(const Vma& vma, std::span<const Pages::Piece> pieces, Trash& trash) {
  const uint64_t from = pieces.front().start, to = pieces.back().run.end;
  const Result<MemRange> mem =
      memory_file.Allocate(to - from, MemKind::kAnonymous, to - from == kHugePageSize && !vma.no_huge);
  if (!mem.ok()) return false;
  // Neither the guest nor a copy of ours may write while we move.
  bool mapped = false;
  for (const Pages::Piece& p : pieces) mapped |= p.run.hw.any();
  if (mapped) {
    if (!UnmapHost(from, to)) return false;
    pages.Update(from, to, [](uint64_t, PageRun& r) { r.hw = kProtNone; });
  }
  DrainCopies();
  for (const Pages::Piece& p : pieces) {
    const MemOffset at = mem->start + (p.start - from);
    if (CopyPages({at, at + p.size()}, p.mem())) continue;
    trash.Add(*mem);
    return false;
  }
  std::vector<Pages::Piece> old = pages.Remove(from, to);
  trash.Add(old);
  PageRun run;
  run.end = to;
  run.offset = mem->start;
  const MemoryProtection target = TargetHw(vma, run);
  pages.Insert(from, run);
  if (!mapped || !target.any()) return true;
  const MemoryFile::HostBacking b = memory_file.Backing(mem->start);
  const MapOp op{.kind = MapOp::Kind::kMap,
                 .range = {UserAddr(from), UserAddr(to)},
                 .prot = target,
                 .host_fd = b.fd,
                 .offset = b.offset};
  if (!space.Apply(std::span(&op, 1)).ok()) return false;
  pages.Update(from, to, [&](uint64_t, PageRun& r) { r.hw = target; });
  return true;
}

// Copies each stretch of private pages in [start, end) together.
bool MemoryManager::Impl::CompactBlock(const Vma& vma, uint64_t start, uint64_t end, Trash& trash) {
  const std::vector<Pages::Piece> pieces = pages.PiecesIn(start, end);
  for (size_t i = 0; i < pieces.size();) {
    size_t last = i;
    const auto joins = [&](size_t k) {
      return k < pieces.size() && pieces[k].run.kind == RunKind::kPrivate && pieces[k].start == pieces[k - 1].run.end;
    };
    if (pieces[i].run.kind == RunKind::kPrivate) {
      while (joins(last + 1)) ++last;
    }
    const size_t count = last - i + 1;
    if (count >= kWorthwhile) {
      if (!CompactStretch(vma, std::span(pieces).subspan(i, count), trash)) return false;
    }
    i = last + 1;
  }
  return true;
}

void MemoryManager::Impl::Compact(Trash& trash) {
  const size_t goal = space.vma_budget() / 4 * 3;
  for (auto it = vmas.begin(); it != vmas.end() && pages.hw_runs() > goal; ++it) {
    const Vma& vma = it->second;
    if (vma.shared || !pages.HasAny(vma.range.start.value, vma.range.end.value)) continue;
    const uint64_t end = vma.range.end.value;
    for (uint64_t at = vma.range.start.value; at < end && pages.hw_runs() > goal;) {
      const uint64_t block_end = std::min(end, (at / kHugePageSize + 1) * kHugePageSize);
      if (!CompactBlock(vma, at, block_end, trash)) {
        EvictAll();
        return;
      }
      at = block_end;
    }
  }
  if (pages.hw_runs() > goal) EvictAll();
}

}  // namespace sentry
