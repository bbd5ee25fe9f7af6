// What the platform has mapped of our pages, and how that changes.
#include <algorithm>

#include "base/log.h"
#include "sentry/mm/mm_impl.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {
namespace {

// One fault maps no more separate pieces than this.
constexpr size_t kMaxOps = 64;

UserRange Range(uint64_t start, uint64_t end) { return {UserAddr(start), UserAddr(end)}; }

// Appends, joining with the last one where that is the same change.
void Append(std::vector<platform::MapOp>& ops, const platform::MapOp& op) {
  if (!ops.empty()) {
    platform::MapOp& last = ops.back();
    if (last.kind == op.kind && last.range.end == op.range.start && last.prot == op.prot &&
        last.host_fd == op.host_fd && last.host_file == op.host_file && last.populate == op.populate &&
        (op.kind != platform::MapOp::Kind::kMap || last.offset + last.range.size() == op.offset)) {
      last.range.end = op.range.end;
      return;
    }
  }
  ops.push_back(op);
}

}  // namespace

MemoryProtection MemoryManager::Impl::TargetHw(const Vma& vma, const PageRun& run) {
  MemoryProtection p = vma.prot;
  if (!p.any()) return p;
  p.read = true;  // x86: what can be written or executed can be read
  const bool may_write = (run.kind == RunKind::kPrivate && !run.cow) || (run.kind == RunKind::kShared && run.writable);
  if (!may_write) p.write = false;
  return p;
}

std::vector<platform::MapOp> MemoryManager::Impl::WindowOps(const Vma& vma, uint64_t start, uint64_t end,
                                                            Fill fill) const {
  std::vector<MapOp> ops;
  for (const Pages::Piece& p : pages.PiecesIn(start, end)) {
    const MemoryProtection target = TargetHw(vma, p.run);
    if (!target.any() || p.run.hw == target) continue;
    MapOp op{.kind = MapOp::Kind::kMap, .range = Range(p.start, p.run.end), .prot = target};
    if (p.run.hw.any()) {
      op.kind = MapOp::Kind::kProtect;
    } else if (p.run.in_memory_file()) {
      const MemoryFile::HostBacking b = memory_file.Backing(p.run.offset);
      op.host_fd = b.fd;
      op.offset = b.offset;
      op.populate = fill == Fill::kNow && p.run.kind == RunKind::kPrivate;
    } else {
      op.host_fd = p.run.host->fd();
      op.host_file = p.run.host->keepalive();
      op.offset = p.run.offset;
    }
    Append(ops, op);
  }
  return ops;
}

FaultStatus MemoryManager::Impl::MapWindow(const Vma& vma, uint64_t start, uint64_t end, uint64_t page, Fill fill,
                                           Trash& trash) {
  std::vector<MapOp> ops = WindowOps(vma, start, end, fill);
  const size_t budget = space.vma_budget();
  if (ops.size() > kMaxOps) {
    start = std::max(start, page / kFaultGroup * kFaultGroup);
    end = std::min(end, page / kFaultGroup * kFaultGroup + kFaultGroup);
    ops = WindowOps(vma, start, end, fill);
  }
  if (pages.hw_runs() + ops.size() > budget) {
    Compact(trash);
    ops = WindowOps(vma, start, end, fill);
  }
  if (ops.empty()) return FaultStatus::kDone;
  Result<void> r = space.Apply(ops);
  if (r.Is(Errno::kENOMEM)) {
    // Out of mappings after all (the platform counts otherwise than we do):
    // start anew with the one page that is needed.
    if (!EvictAll()) return FaultStatus::kNoMemory;
    ops = WindowOps(vma, page, page + kPageSize, fill);
    r = space.Apply(ops);
  }
  if (!r.ok()) return r.Is(Errno::kESRCH) ? FaultStatus::kDead : FaultStatus::kNoMemory;
  for (const MapOp& op : ops) {
    pages.Update(op.range.start.value, op.range.end.value, [&](uint64_t, PageRun& run) { run.hw = op.prot; });
  }
  return FaultStatus::kDone;
}

bool MemoryManager::Impl::UnmapHost(uint64_t start, uint64_t end) {
  const MapOp op{.kind = MapOp::Kind::kUnmap, .range = Range(start, end), .prot = {}};
  const Result<void> r = space.Apply(std::span(&op, 1));
  if (r.ok() || r.Is(Errno::kESRCH)) return true;  // no stub, nobody who reaches anything
  return EvictAll();                               // a hole in the middle may cost a mapping; unmapping all never does
}

bool MemoryManager::Impl::EvictAll() {
  const MapOp op{.kind = MapOp::Kind::kUnmap, .range = {kMinUserAddr, kMaxUserAddr}, .prot = {}};
  const Result<void> r = space.Apply(std::span(&op, 1));
  if (!r.ok() && !r.Is(Errno::kESRCH)) return false;
  pages.Update(0, kMaxUserAddr.value, [](uint64_t, PageRun& run) { run.hw = kProtNone; });
  return true;
}

void MemoryManager::Impl::RemovePages(uint64_t start, uint64_t end, Trash& trash) {
  std::vector<Pages::Piece> gone = pages.Remove(start, end);
  uint64_t first = UINT64_MAX, last = 0;
  for (const Pages::Piece& p : gone) {
    if (!p.run.hw.any()) continue;
    first = std::min(first, p.start);
    last = std::max(last, p.run.end);
  }
  if (first < last && !UnmapHost(first, last)) {
    // The guest may still reach these pages, so nobody else may ever have them.
    LOG(kError, "mm: can't unmap %#x-%#x from a stub; its pages are given up", first, last);
    return;
  }
  trash.Add(gone);
}

void MemoryManager::Impl::RemoveFilePages(uint64_t start, uint64_t end, Copies copies, Trash& trash) {
  if (copies == Copies::kDrop) return RemovePages(start, end, trash);
  for (const Pages::Piece& p : pages.PiecesIn(start, end)) {
    if (p.run.kind != RunKind::kPrivate) RemovePages(p.start, p.run.end, trash);
  }
}

FaultStatus MemoryManager::Impl::ReplacePages(const Vma& vma, uint64_t start, uint64_t end, MemRange mem,
                                              const FaultRequest& rq, Trash& trash) {
  std::vector<Pages::Piece> old = pages.Remove(start, end);
  const bool mapped = std::any_of(old.begin(), old.end(), [](const Pages::Piece& p) { return p.run.hw.any(); });
  PageRun run;
  run.end = end;
  run.offset = mem.start;
  pages.Insert(start, std::move(run));
  FaultStatus status = FaultStatus::kDone;
  if (mapped || rq.who == FaultRequest::For::kGuest) {
    status = MapWindow(vma, start, end, PageRoundDown(rq.addr), Fill::kNow, trash);
  }
  if (status != FaultStatus::kDone && mapped && !UnmapHost(start, end)) {
    LOG(kError, "mm: can't unmap %#x-%#x from a stub; its pages are given up", start, end);
    return status;
  }
  trash.Add(old);
  return status;
}

Result<void> MemoryManager::Impl::SyncProtection(UserRange range) {
  std::vector<MapOp> ops;
  for (auto it = vmas.FirstAbove(range.start.value); it != vmas.end() && it->first < range.end.value; ++it) {
    const UserRange part = it->second.range.Intersect(range);
    for (const Pages::Piece& p : pages.PiecesIn(part.start.value, part.end.value)) {
      const MemoryProtection target = TargetHw(it->second, p.run);
      if (!p.run.hw.any() || p.run.hw == target) continue;
      Append(ops, {.kind = target.any() ? MapOp::Kind::kProtect : MapOp::Kind::kUnmap,
                   .range = Range(p.start, p.run.end),
                   .prot = target});
    }
  }
  if (ops.empty()) return base::Ok();
  const Result<void> r = space.Apply(ops);
  if (!r.ok()) return EvictAll() ? Result<void>() : r;
  for (const MapOp& op : ops) {
    pages.Update(op.range.start.value, op.range.end.value, [&](uint64_t, PageRun& run) { run.hw = op.prot; });
  }
  return base::Ok();
}

bool MemoryManager::Impl::CopyPages(MemRange to, MemRange from) const {
  // Pieces of 2 MiB at most, so that the map of what was touched is small.
  uint8_t touched[kFaultMax / kPageSize];
  for (uint64_t done = 0; done < from.size();) {
    const uint64_t size = std::min(from.size() - done, kFaultMax);
    const std::span<uint8_t> map(touched, size / kPageSize);
    memory_file.Residency({from.start + done, from.start + done + size}, map);
    for (size_t i = 0; i < map.size();) {
      if (!map[i]) {
        ++i;
        continue;
      }
      size_t n = 1;
      while (i + n < map.size() && map[i + n]) ++n;
      const uint64_t at = done + i * kPageSize;
      if (SafeCopy(memory_file.Pointer(to.start + at), memory_file.Pointer(from.start + at), n * kPageSize) != 0) {
        return false;
      }
      i += n;
    }
    done += size;
  }
  return true;
}

}  // namespace sentry
