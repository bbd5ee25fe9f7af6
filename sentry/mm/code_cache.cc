#include "sentry/mm/code_cache.h"

#include <algorithm>
#include <cstring>

namespace sentry {

using base::MutexLock;
using platform::CallSite;

CodeCache::~CodeCache() {
  MutexLock lock(mu_);
  for (const auto& [key, entry] : entries_) memory_file_.DecRef({entry.page, entry.page + kPageSize});
}

bool CodeCache::Knows(const Key& key, size_t behind) const {
  MutexLock lock(mu_);
  const auto it = entries_.find(key);
  return it != entries_.end() && std::any_of(it->second.sites.begin(), it->second.sites.end(),
                                             [&](const CallSite& site) { return site.behind_call() == behind; });
}

CodeCache::Code CodeCache::Share(const Entry& entry) {
  memory_file_.IncRef({entry.page, entry.page + kPageSize});
  return {entry.page, entry.sites};
}

std::optional<CodeCache::Code> CodeCache::Rewrite(const Key& key, std::span<const std::byte> original,
                                                  std::optional<MemOffset> current, size_t behind,
                                                  platform::CallSites& sites) {
  MutexLock lock(mu_);
  const auto it = entries_.find(key);
  Entry entry;
  if (it != entries_.end()) {
    const Entry& known = it->second;
    const bool same = current
                          ? *current == known.page
                          : std::equal(original.begin(), original.end(), known.original.begin(), known.original.end());
    if (same && std::any_of(known.sites.begin(), known.sites.end(),
                            [&](const CallSite& site) { return site.behind_call() == behind; })) {
      return Share(known);
    }
    if (same) entry = known;
  } else if (entries_.size() >= kMaxPages) {
    return std::nullopt;
  }
  if (entry.original.empty()) {
    if (current) return std::nullopt;
    entry.original.assign(original.begin(), original.end());
  }
  const std::optional<CallSite> site = sites.Find(entry.original, behind);
  if (!site) return std::nullopt;
  // A page that is mapped somewhere never changes: a new one takes its place.
  const Result<MemRange> mem = memory_file_.Allocate(kPageSize, MemKind::kAnonymous, false);
  if (!mem.ok()) return std::nullopt;
  entry.sites.push_back(*site);
  std::byte* const page = memory_file_.Pointer(mem->start);
  memcpy(page, entry.original.data(), kPageSize);
  for (const CallSite& each : entry.sites) sites.Rewrite({page, kPageSize}, each);
  if (it != entries_.end()) memory_file_.DecRef({it->second.page, it->second.page + kPageSize});
  entry.page = mem->start;
  return Share(entries_.insert_or_assign(key, std::move(entry)).first->second);
}

}  // namespace sentry
