// Memory that a fault took in advance and the guest never touched, given back when memory is short.
#include "sentry/mm/mm_impl.h"

namespace sentry {

namespace {

struct Part {
  uint64_t start, end;  // addresses
};

// The untouched parts of an anonymous mapping's pages.
void AddUntouched(const MemoryFile& memory_file, const Pages::Piece& piece, std::vector<Part>& out) {
  if (piece.run.kind != RunKind::kPrivate || !piece.run.in_memory_file()) return;
  for (const MemRange& hole : memory_file.Untouched(piece.mem())) {
    const uint64_t start = piece.start + (hole.start - piece.run.offset);
    out.push_back({start, start + hole.size()});
  }
}

}  // namespace

uint64_t MemoryManager::ReclaimUntouched() {
  Impl& m = *impl_;
  Impl::Trash trash(m);
  uint64_t bytes = 0;
  base::MutexLock lock(m.mu);
  std::vector<Part> parts;
  for (const auto& [start, vma] : m.vmas) {
    if (!vma.anonymous() || vma.shared || vma.locked) continue;
    for (const Pages::Piece& piece : m.pages.PiecesIn(start, vma.range.end.value)) {
      AddUntouched(m.memory_file, piece, parts);
    }
  }
  if (parts.empty()) return 0;
  // Nobody may reach them while we look again: a store would be lost.
  for (const Part& part : parts) {
    if (!m.UnmapHost(part.start, part.end)) return 0;
    m.pages.Update(part.start, part.end, [](uint64_t, PageRun& run) { run.hw = kProtNone; });
  }
  m.DrainCopies();
  for (const Part& part : parts) {
    std::vector<Part> still;
    for (const Pages::Piece& piece : m.pages.PiecesIn(part.start, part.end)) {
      AddUntouched(m.memory_file, piece, still);
    }
    for (const Part& gone : still) {
      m.RemovePages(gone.start, gone.end, trash);
      bytes += gone.end - gone.start;
    }
  }
  return bytes;
}

}  // namespace sentry
