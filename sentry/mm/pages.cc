#include "sentry/mm/pages.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace sentry {
namespace {

bool Continues(uint64_t start, const PageRun& a, uint64_t next_start, const PageRun& b) {
  return a.end == next_start && a.kind == b.kind && a.cow == b.cow && a.writable == b.writable && a.hw == b.hw &&
         a.host == b.host && a.offset + (a.end - start) == b.offset;
}

// The part [from, to) of a run that starts at `start`.
Pages::Piece PieceOf(uint64_t start, const PageRun& run, uint64_t from, uint64_t to) {
  Pages::Piece p{std::max(start, from), run};
  p.run.offset += p.start - start;
  p.run.end = std::min(run.end, to);
  return p;
}

// The first run that ends above `addr`.
template <typename M>
auto FirstAbove(M& map, uint64_t addr) {
  auto it = map.upper_bound(addr);
  if (it != map.begin()) {
    auto prev = std::prev(it);
    if (prev->second.end > addr) return prev;
  }
  return it;
}

}  // namespace

const PageRun* Pages::Find(uint64_t addr, uint64_t* start) const {
  auto it = map_.upper_bound(addr);
  if (it == map_.begin()) return nullptr;
  --it;
  if (addr >= it->second.end) return nullptr;
  *start = it->first;
  return &it->second;
}

std::vector<Pages::Piece> Pages::PiecesIn(uint64_t start, uint64_t end) const {
  std::vector<Piece> out;
  for (auto it = FirstAbove(map_, start); it != map_.end() && it->first < end; ++it) {
    out.push_back(PieceOf(it->first, it->second, start, end));
  }
  return out;
}

std::vector<std::pair<uint64_t, uint64_t>> Pages::HolesIn(uint64_t start, uint64_t end) const {
  std::vector<std::pair<uint64_t, uint64_t>> out;
  uint64_t at = start;
  for (auto it = FirstAbove(map_, start); it != map_.end() && it->first < end; ++it) {
    if (it->first > at) out.emplace_back(at, it->first);
    at = it->second.end;
  }
  if (at < end) out.emplace_back(at, end);
  return out;
}

bool Pages::HasAny(uint64_t start, uint64_t end) const {
  auto it = FirstAbove(map_, start);
  return it != map_.end() && it->first < end;
}

void Pages::Count(uint64_t start, const PageRun& run, int sign) {
  const uint64_t size = run.end - start;
  uint64_t& bytes = bytes_[static_cast<size_t>(run.kind)];
  bytes = sign > 0 ? bytes + size : bytes - size;
  if (sign > 0) peak_ = std::max(peak_, bytes_[0] + bytes_[1] + bytes_[2]);
  if (run.hw.any()) hw_runs_ = sign > 0 ? hw_runs_ + 1 : hw_runs_ - 1;
}

void Pages::CutAt(uint64_t addr) {
  ++version_;
  auto it = map_.upper_bound(addr);
  if (it == map_.begin()) return;
  --it;
  if (it->first >= addr || it->second.end <= addr) return;
  PageRun high = it->second;
  high.offset += addr - it->first;
  it->second.end = addr;
  if (high.hw.any()) ++hw_runs_;
  map_.emplace(addr, std::move(high));
}

// Joins what continues, from the run before `start` to the one at `end`.
void Pages::Join(uint64_t start, uint64_t end) {
  ++version_;
  auto it = map_.lower_bound(start);
  if (it != map_.begin()) --it;
  while (it != map_.end() && it->first <= end) {
    auto next = std::next(it);
    if (next == map_.end()) return;
    if (!Continues(it->first, it->second, next->first, next->second)) {
      it = next;
      continue;
    }
    if (next->second.hw.any()) --hw_runs_;
    const uint64_t key = it->first;
    const uint64_t new_end = next->second.end;
    map_.erase(next);
    it = map_.find(key);
    it->second.end = new_end;
  }
}

void Pages::Insert(uint64_t start, PageRun run) {
  DCHECK(start < run.end && !HasAny(start, run.end));
  const uint64_t end = run.end;
  Count(start, run, +1);
  map_.emplace(start, std::move(run));
  Join(start, end);
}

std::vector<Pages::Piece> Pages::Remove(uint64_t start, uint64_t end) {
  std::vector<Piece> out;
  if (!HasAny(start, end)) return out;
  CutAt(start);
  CutAt(end);
  auto first = map_.lower_bound(start), it = first;
  for (; it != map_.end() && it->first < end; ++it) {
    Count(it->first, it->second, -1);
    out.push_back({it->first, it->second});
  }
  map_.erase(first, it);
  return out;
}

}  // namespace sentry
