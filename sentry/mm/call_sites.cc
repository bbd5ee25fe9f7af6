// Call sites of this address space that are rewritten: pages of the code cache in the
// place of a file's own, as file pages that happen to lie in the memory file. So a store
// copies from the file itself, a fork's child starts without them, and a truncation
// takes them away.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "sentry/mm/mm_impl.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {
namespace {

// A site is rewritten when it was used so often, which is about what the rewriting
// costs; at once if another process has paid for most of it.
constexpr uint8_t kUses = 6, kNever = 255;
constexpr size_t kMaxCounted = 4096;

}  // namespace

const platform::CallSite* MemoryManager::Impl::RewrittenAt(uint64_t addr) const {
  const uint64_t page = PageRoundDown(addr);
  const auto it = rewritten.find(page);
  // After StopRewriting a thread may still come from there.
  if (it == rewritten.end() || (!no_rewriting && !IsRewritten(page, it->second.page))) return nullptr;
  for (const platform::CallSite& site : it->second.sites) {
    if (addr - page == site.second()) return &site;
  }
  return nullptr;
}

bool MemoryManager::Impl::IsRewritten(uint64_t page, MemOffset code) const {
  uint64_t start = 0;
  const PageRun* run = pages.Find(page, &start);
  return run != nullptr && run->kind == RunKind::kFile && run->in_memory_file() && run->offset + (page - start) == code;
}

void MemoryManager::RewriteCallSite(UserAddr behind) {
  Impl& m = *impl_;
  platform::CallSites* const sites = m.space.call_sites();
  if (sites == nullptr || m.code_cache == nullptr) return;
  Impl::Trash trash(m);
  base::MutexLock lock(m.mu);
  if (m.no_rewriting) return;
  if (m.site_uses.size() >= kMaxCounted) m.site_uses.clear();
  uint8_t& uses = m.site_uses[behind.value];
  if (uses == kNever) return;
  if (!m.RewriteLocked(behind.value, ++uses >= kUses, *sites, trash)) uses = kNever;
}

bool MemoryManager::Impl::RewriteLocked(uint64_t behind, bool often, platform::CallSites& sites, Trash& trash) {
  const uint64_t page = PageRoundDown(behind - 1);
  const Vma* vma = vmas.Find(page);
  if (vma == nullptr || vma->shared || !vma->mappable || !vma->prot.execute || vma->prot.write) return false;
  uint64_t start = 0;
  const PageRun* run = pages.Find(page, &start);
  if (run == nullptr || run->kind != RunKind::kFile || !run->hw.execute) return false;
  if (vmas.Overlaps(sites.area())) return false;
  const CodeCache::Key key{vma->mappable.get(), vma->OffsetOf(page)};
  if (!often && !code_cache->Knows(key, behind - page)) return true;

  std::optional<MemOffset> current;
  std::byte original[kPageSize];
  if (const auto it = rewritten.find(page); it != rewritten.end() && IsRewritten(page, it->second.page)) {
    current = it->second.page;
  } else {
    const uint64_t offset = run->offset + (page - start);
    const std::byte* const from = run->in_memory_file() ? memory_file.Pointer(offset) : run->host->PointerTo(offset);
    const bool good = from != nullptr ? SafeCopy(original, from, kPageSize) == 0
                                      : pread(run->host->fd(), original, kPageSize, static_cast<off_t>(offset)) ==
                                            static_cast<ssize_t>(kPageSize);
    if (!good) return false;  // the last page of a file
  }
  const std::optional<CodeCache::Code> code =
      code_cache->Rewrite(key, current ? std::span<const std::byte>() : std::span<const std::byte>(original), current,
                          behind - page, sites);
  if (!code) return false;
  if (!sites.Install(UserAddr(page), code->sites).ok()) {
    trash.Add(MemRange{code->page, code->page + kPageSize});
    return false;
  }
  // The host's mapping is replaced in one step: who runs there sees one or the other.
  std::vector<Pages::Piece> old = pages.Remove(page, page + kPageSize);
  trash.Add(old);
  PageRun piece;
  piece.end = page + kPageSize;
  piece.offset = code->page;
  piece.kind = RunKind::kFile;
  pages.Insert(page, std::move(piece));
  rewritten.insert_or_assign(page, Rewritten{code->page, code->sites});
  if (MapWindow(*vma, page, page + kPageSize, page, Fill::kLazy, trash) == FaultStatus::kDone) return true;
  if (!UnmapHost(page, page + kPageSize)) LOG(kError, "mm: can't unmap the code page %#x from a stub", page);
  return false;
}

std::optional<platform::CallSite> MemoryManager::InRewrittenSite(UserAddr addr) const {
  base::MutexLock lock(impl_->mu);
  const platform::CallSite* const site = impl_->RewrittenAt(addr.value);
  return site != nullptr ? std::optional(*site) : std::nullopt;
}

void MemoryManager::StopRewriting() {
  Impl::Trash trash(*impl_);
  base::MutexLock lock(impl_->mu);
  impl_->StopRewritingLocked(trash);
}

void MemoryManager::Impl::StopRewritingLocked(Trash& trash) {
  if (std::exchange(no_rewriting, true)) return;
  for (const auto& [page, code] : rewritten) {
    if (IsRewritten(page, code.page)) RemovePages(page, page + kPageSize, trash);
  }
}

void MemoryManager::Impl::MakeWay(UserRange range, Trash& trash) {
  platform::CallSites* const sites = space.call_sites();
  if (sites == nullptr || range.Intersect(sites->area()).empty()) return;
  StopRewritingLocked(trash);
  sites->Retire();
}

}  // namespace sentry
