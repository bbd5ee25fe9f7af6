// What memory each page of an address space has. Pure data, no locks.
//
// A run is a stretch of pages that lie together in one host file and share all
// attributes; neighbours that continue each other are joined. The structure
// owns no page references: whoever removes a run gives up its pages.
#ifndef SENTRY_MM_PAGES_H_
#define SENTRY_MM_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "sentry/mm/mappable.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

// A host file that is mapped for the guest, donated by the gofer.
class HostView final : public base::RefCounted {
 public:
  HostView(int fd, const std::byte* pointer, uint64_t host_offset, RefPtr<base::RefCounted> keepalive)
      : fd_(fd),
        has_pointer_(pointer != nullptr),
        base_(reinterpret_cast<uintptr_t>(pointer) - host_offset),
        keepalive_(std::move(keepalive)) {}
  int fd() const { return fd_; }
  const RefPtr<base::RefCounted>& keepalive() const { return keepalive_; }
  // The sentry's own view of `offset` of the file, or null.
  std::byte* PointerTo(uint64_t offset) const {
    return has_pointer_ ? reinterpret_cast<std::byte*>(base_ + offset) : nullptr;
  }
  bool SameAs(const HostView& o) const {
    return fd_ == o.fd_ && has_pointer_ == o.has_pointer_ && base_ == o.base_ && keepalive_ == o.keepalive_;
  }

 private:
  const int fd_;
  const bool has_pointer_;
  const uintptr_t base_;
  const RefPtr<base::RefCounted> keepalive_;
};

enum class RunKind : uint8_t {
  kPrivate,  // our own pages of the memory file, one reference each
  kFile,     // a mappable's pages, seen by a private mapping: never written
  kShared,   // a mappable's pages, seen by a shared mapping
  kCount,
};

struct PageRun {
  uint64_t end = 0;         // address
  uint64_t offset = 0;      // in the memory file, or in `host`
  RefPtr<HostView> host{};  // null: the memory file
  RunKind kind = RunKind::kPrivate;
  bool cow = false;       // kPrivate: other spaces may have references too
  bool writable = false;  // kShared: translated for writing
  MemoryProtection hw{};  // how the platform maps it; none: not at all

  bool in_memory_file() const { return host == nullptr; }
  bool SameBacking(const PageRun& o) const { return offset == o.offset && host == o.host; }
};

class Pages {
 public:
  using Map = absl::btree_map<uint64_t, PageRun>;

  // A piece of a run, by value: stays good when the map changes.
  struct Piece {
    uint64_t start = 0;
    PageRun run;  // end and offset are the piece's own
    uint64_t size() const { return run.end - start; }
    MemRange mem() const { return {run.offset, run.offset + size()}; }
  };

  // The run around `addr`, or null. Good until the next change.
  const PageRun* Find(uint64_t addr, uint64_t* start) const;
  // The pieces of [start, end), in order.
  std::vector<Piece> PiecesIn(uint64_t start, uint64_t end) const;
  // Calls fn(start, end) for each stretch without a page.
  std::vector<std::pair<uint64_t, uint64_t>> HolesIn(uint64_t start, uint64_t end) const;
  bool HasAny(uint64_t start, uint64_t end) const;
  bool empty() const { return map_.empty(); }

  // [start, run.end) must be a hole.
  void Insert(uint64_t start, PageRun run);
  // Takes out what lies in [start, end); the caller now owns the references.
  std::vector<Piece> Remove(uint64_t start, uint64_t end);
  // Calls fn(start, run&) for each run of [start, end), cut at the edges; fn may
  // change kind, cow, writable and hw.
  template <typename Fn>
  void Update(uint64_t start, uint64_t end, Fn fn) {
    CutAt(start);
    CutAt(end);
    for (auto it = map_.lower_bound(start); it != map_.end() && it->first < end; ++it) {
      Count(it->first, it->second, -1);
      fn(it->first, it->second);
      Count(it->first, it->second, +1);
    }
    Join(start, end);
  }

  // Separate mappings that the platform holds for us, at most.
  size_t hw_runs() const { return hw_runs_; }
  uint64_t bytes(RunKind kind) const { return bytes_[static_cast<size_t>(kind)]; }
  uint64_t peak_bytes() const { return peak_; }
  size_t size() const { return map_.size(); }
  uint64_t version() const { return version_; }

 private:
  void Count(uint64_t start, const PageRun& run, int sign);
  void CutAt(uint64_t addr);
  void Join(uint64_t start, uint64_t end);

  Map map_;
  size_t hw_runs_ = 0;
  uint64_t bytes_[static_cast<size_t>(RunKind::kCount)] = {};
  uint64_t peak_ = 0;
  uint64_t version_ = 1;
};

}  // namespace sentry

#endif  // SENTRY_MM_PAGES_H_
