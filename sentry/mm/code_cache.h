// Pages of code with rewritten call sites (platform::CallSites), kept for all address
// spaces of a sandbox: who runs the same page of the same file again maps what is here.
#ifndef SENTRY_MM_CODE_CACHE_H_
#define SENTRY_MM_CODE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "platform/platform.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/mm/mappable.h"

namespace sentry {

// Thread-safe. Holds a reference to each page.
class CodeCache {
 public:
  // Which page: never followed, and believed only as far as the contents agree.
  using Key = std::pair<const Mappable*, uint64_t>;

  explicit CodeCache(MemoryFile& memory_file) : memory_file_(memory_file) {}
  ~CodeCache();

  // Whether the site that ends at `behind` of the page is rewritten already.
  bool Knows(const Key& key, size_t behind) const;

  struct Code {
    MemOffset page;  // with a reference for the caller
    std::vector<platform::CallSite> sites;
  };
  // The rewritten page, the site at `behind` among others. `original` is the page as
  // the file has it now; empty if the caller runs a page of this cache, which then must
  // still be `current`. nullopt: no such site, or no memory.
  std::optional<Code> Rewrite(const Key& key, std::span<const std::byte> original, std::optional<MemOffset> current,
                              size_t behind, platform::CallSites& sites);

 private:
  static constexpr size_t kMaxPages = 1024;
  struct Entry {
    std::vector<std::byte> original;
    std::vector<platform::CallSite> sites;
    MemOffset page = 0;
  };
  Code Share(const Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  MemoryFile& memory_file_;
  // Rank: kCodeCache. Taken under an mm's lock.
  mutable base::RankedMutex<base::LockRank::kCodeCache> mu_;
  absl::flat_hash_map<Key, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_MM_CODE_CACHE_H_
