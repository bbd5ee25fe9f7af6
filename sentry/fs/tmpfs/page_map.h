// Which pages of the memory file hold which part of a file: runs, since files
// are mostly written from front to back. Holes have no run.
#ifndef SENTRY_FS_TMPFS_PAGE_MAP_H_
#define SENTRY_FS_TMPFS_PAGE_MAP_H_

#include <cstdint>
#include <map>
#include <vector>

#include "sentry/memfile/memory_file.h"

namespace sentry {

// Not locked: its file's lock guards it. It owns one reference to each page.
class PageMap {
 public:
  struct Run {
    uint64_t offset;  // in the file, page-aligned
    uint64_t length;
    MemOffset memory;
    bool hole = false;  // `memory` means nothing
    MemRange range() const { return {memory, memory + length}; }
  };

  // The run (or hole) that holds `offset`, cut to begin at its page and to be no
  // longer than `max_length` (page multiple, not 0).
  Run Find(uint64_t offset, uint64_t max_length) const;
  // Fills a hole with pages that now are the map's.
  void Insert(uint64_t offset, MemRange range);
  // Takes out what lies in [offset, offset+length), page-aligned; the pages are
  // the caller's.
  std::vector<MemRange> Remove(uint64_t offset, uint64_t length);
  // The first data, or hole, at or behind `offset`; UINT64_MAX: no more data.
  uint64_t NextData(uint64_t offset) const;
  uint64_t NextHole(uint64_t offset) const;
  uint64_t bytes() const { return bytes_; }

 private:
  struct Value {
    uint64_t length;
    MemOffset memory;
  };
  std::map<uint64_t, Value> runs_;
  uint64_t bytes_ = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_TMPFS_PAGE_MAP_H_
