// Faults on memory that mm itself has: anonymous pages, copies on write. What
// needs a mappable is in file_fault.cc.
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "sentry/abi/mman.h"
#include "sentry/mm/mm_impl.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {

std::optional<FaultFailure> MemoryManager::HandleFault(UserAddr addr, MemoryProtection access) {
  const FaultRequest rq{.addr = addr.value, .access = access};
  switch (impl_->Fault(rq)) {
    case FaultStatus::kDone:
    case FaultStatus::kDead:  // the next Switch tells
      return std::nullopt;
    case FaultStatus::kMapErr:
      return FaultFailure{SIGSEGV, abi::kSegvMapErr};
    case FaultStatus::kAccErr:
      // Linux looks for the page, and then whether it may be executed.
      if (access.execute && impl_->Fault({.addr = addr.value, .access = {.read = true}}) == FaultStatus::kBus) {
        return FaultFailure{SIGBUS, abi::kBusAdrErr};
      }
      return FaultFailure{SIGSEGV, abi::kSegvAccErr};
    case FaultStatus::kNoMemory:
      impl_->LogNoMemory("a fault");
      return FaultFailure{SIGBUS, abi::kBusAdrErr};
    case FaultStatus::kBus:
      return FaultFailure{SIGBUS, abi::kBusAdrErr};
  }
  return FaultFailure{SIGSEGV, abi::kSegvMapErr};
}

void MemoryManager::Impl::LogNoMemory(const char* what) {
  if (logged_no_memory.exchange(true, std::memory_order_relaxed)) return;  // a guest may do it in a loop
  LOG(kWarning, "mm: no memory for %s: %d of %d bytes are in use", what, memory_file.usage().total(),
      memory_file.limit());
}

bool MemoryManager::Impl::Permits(const Vma& vma, MemoryProtection access, bool forced) {
  if (access.write && !vma.prot.write && !(forced && !vma.shared && vma.max_prot.write)) return false;
  if (access.execute && !vma.prot.execute) return false;
  // x86: any protection but none can be read.
  return vma.prot.any() || (forced && vma.max_prot.read);
}

Vma* MemoryManager::Impl::FindForFault(uint64_t addr) {
  auto it = vmas.FirstAbove(addr);
  if (it == vmas.end()) return nullptr;
  if (it->first <= addr) return &it->second;
  if (!it->second.grows_down || !GrowStackTo(it, PageRoundDown(addr))) return nullptr;
  return vmas.Find(addr);
}

// Where a limit is in the way, a process dies for it, and the fault is tried again.
FaultStatus MemoryManager::Impl::Fault(const FaultRequest& rq) {
  constexpr int kMaxReliefs = 64;
  for (int i = 0;; ++i) {
    const FaultStatus status = FaultOnce(rq);
    if (status != FaultStatus::kNoMemory || i == kMaxReliefs) return status;
    const MemRelief relief = MemoryFile::Relieve();
    if (relief == MemRelief::kDying) return FaultStatus::kDead;
    if (relief == MemRelief::kNone) return status;
  }
}

FaultStatus MemoryManager::Impl::FaultOnce(const FaultRequest& rq) {
  for (;;) {
    Trash trash(*this);
    FilePlan plan;
    {
      base::MutexLock lock(mu);
      Vma* vma = FindForFault(rq.addr);
      if (vma == nullptr) return FaultStatus::kMapErr;
      if (!Permits(*vma, rq.access, rq.forced)) return FaultStatus::kAccErr;
      if (std::optional<FaultStatus> status = FaultLocked(*vma, rq, plan, trash)) return *status;
    }
    if (std::optional<FaultStatus> status = FaultFile(rq, plan, trash)) return *status;
  }
}

std::optional<FaultStatus> MemoryManager::Impl::FaultLocked(Vma& vma, const FaultRequest& rq, FilePlan& plan,
                                                            Trash& trash) {
  uint64_t start = 0;
  const PageRun* run = pages.Find(rq.addr, &start);
  if (run == nullptr && vma.anonymous()) return AllocateAnon(vma, rq, trash);
  if (run != nullptr) {
    const bool write = rq.access.write;
    if (write && run->kind == RunKind::kPrivate && run->cow) return BreakCow(vma, rq, trash);
    const bool ask = write && (run->kind == RunKind::kFile || (run->kind == RunKind::kShared && !run->writable));
    if (!ask) return rq.who == FaultRequest::For::kGuest ? MapPresent(vma, rq, trash) : FaultStatus::kDone;
  }
  PlanFile(vma, rq, plan);
  return std::nullopt;
}

FaultStatus MemoryManager::Impl::MapPresent(const Vma& vma, const FaultRequest& rq, Trash& trash) {
  const uint64_t page = PageRoundDown(rq.addr);
  const Pages::Piece piece = pages.PiecesIn(page, page + kPageSize).front();
  if (piece.run.hw.Allows(rq.access) && piece.run.hw.any()) {
    // Mapped already. Perhaps a store that the platform could not tell from a load
    // and reports first as one ...
    if (piece.run.kind == RunKind::kPrivate && piece.run.cow && vma.prot.write) return BreakCow(vma, rq, trash);
    // ... or another thread was faster, or the host has nothing to give
    // for the page: the file was truncated, memory is full. A touch tells.
    std::byte byte;
    const std::byte* at = PointerTo(piece.run);
    const bool good = at != nullptr ? SafeCopy(&byte, at, 1) == 0
                                    : pread(piece.run.host->fd(), &byte, 1, static_cast<off_t>(piece.run.offset)) == 1;
    if (good) return FaultStatus::kDone;
    if (piece.run.in_memory_file()) return FaultStatus::kNoMemory;
    RemovePages(page, page + kPageSize, trash);
    return FaultStatus::kBus;
  }
  const uint64_t start = std::max(vma.range.start.value, page / kFaultMax * kFaultMax);
  const uint64_t end = std::min(vma.range.end.value, page / kFaultMax * kFaultMax + kFaultMax);
  return MapWindow(vma, start, end, page, Fill::kLazy, trash);
}

namespace {

// Where this fault's window lies: 64 KiB, and twice the last one's size while
// faults come next to each other (MACHINE: a fault costs more than it maps).
void NextWindow(Vma& vma, uint64_t page) {
  const bool dense =
      vma.window_size != 0 && page + vma.window_size >= vma.window_start && page < vma.window_end + vma.window_size;
  vma.window_size = dense ? std::min(vma.window_size * 2, kFaultMax) : kFaultGroup;
  vma.window_start = page / vma.window_size * vma.window_size;
  vma.window_end = vma.window_start + vma.window_size;
}

}  // namespace

FaultStatus MemoryManager::Impl::AllocateAnon(Vma& vma, const FaultRequest& rq, Trash& trash) {
  const uint64_t page = PageRoundDown(rq.addr);
  NextWindow(vma, page);
  uint64_t start = std::max(vma.range.start.value, vma.window_start);
  uint64_t end = vma.window_end;
  // A copy of known length gets its memory at once.
  if (rq.length > 1) end = std::max(end, PageRoundUp(rq.addr + std::min(rq.length, kFaultMax)));
  end = std::min(vma.range.end.value, end);
  if (MemoryFile::Scarce()) start = page, end = page + kPageSize;
  bool served = false;
  for (auto [from, to] : pages.HolesIn(start, end)) {
    const bool whole = to - from == kHugePageSize && from % kHugePageSize == 0;
    Result<MemRange> mem = memory_file.Allocate(to - from, MemKind::kAnonymous, whole && !vma.no_huge);
    const bool needed = from <= page && page < to;
    if (!mem.ok()) {
      if (!needed) continue;
      from = page;
      to = page + kPageSize;
      mem = memory_file.Allocate(kPageSize, MemKind::kAnonymous, false);
      if (!mem.ok()) return FaultStatus::kNoMemory;
    }
    served |= needed;
    PageRun run;
    run.end = to;
    run.offset = mem->start;
    pages.Insert(from, std::move(run));
  }
  if (!served) return FaultStatus::kNoMemory;
  if (rq.who == FaultRequest::For::kCopy) return FaultStatus::kDone;
  return MapWindow(vma, start, end, page, Fill::kLazy, trash);
}

FaultStatus MemoryManager::Impl::BreakCow(const Vma& vma, const FaultRequest& rq, Trash& trash) {
  const uint64_t page = PageRoundDown(rq.addr);
  const auto part_of = [&](uint64_t unit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const uint64_t from = std::max(vma.range.start.value, page / unit * unit);
    const uint64_t to = std::min(vma.range.end.value, page / unit * unit + unit);
    for (const Pages::Piece& p : pages.PiecesIn(from, to)) {
      if (p.start <= page && page < p.run.end) return p;
    }
    return Pages::Piece{};
  };
  Pages::Piece group = part_of(kFaultGroup);
  const MemOffset at = group.run.offset + (page - group.start);
  if (memory_file.SoleOwner({at, at + kPageSize})) {
    // The others are gone: nothing to copy, here and most likely around.
    Pages::Piece part = part_of(kFaultMax);
    if (!memory_file.SoleOwner(part.mem())) part = group;
    if (!memory_file.SoleOwner(part.mem())) part = {page, PageRun{.end = page + kPageSize}};
    pages.Update(part.start, part.run.end, [](uint64_t, PageRun& run) { run.cow = false; });
    if (rq.who == FaultRequest::For::kCopy) return FaultStatus::kDone;
    return MapWindow(vma, part.start, part.run.end, page, Fill::kLazy, trash);
  }
  Result<MemRange> mem = memory_file.Allocate(group.size(), MemKind::kAnonymous, false);
  if (!mem.ok()) {
    group.run.offset = at;
    group.start = page;
    group.run.end = page + kPageSize;
    mem = memory_file.Allocate(kPageSize, MemKind::kAnonymous, false);
    if (!mem.ok()) return FaultStatus::kNoMemory;
  }
  if (!CopyPages(*mem, group.mem())) {
    trash.Add(*mem);
    return FaultStatus::kNoMemory;
  }
  return ReplacePages(vma, group.start, group.run.end, *mem, rq, trash);
}

}  // namespace sentry
