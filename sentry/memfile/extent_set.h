// Free space of a file: disjoint extents, never adjacent. Pure data.
#ifndef SENTRY_MEMFILE_EXTENT_SET_H_
#define SENTRY_MEMFILE_EXTENT_SET_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"

namespace sentry {

class ExtentSet {
 public:
  struct Extent {
    uint64_t start;
    uint64_t end;
    uint64_t size() const { return end - start; }
  };

  // [start, end) must not overlap what is there. Merges with its neighbours.
  void Add(uint64_t start, uint64_t end);
  // `size` bytes from the front of a fitting extent, of the smallest size class
  // that has one and there the lowest: sequential requests stay contiguous,
  // and big extents whole.
  std::optional<uint64_t> Take(uint64_t size);
  // One of the largest class, whole.
  std::optional<Extent> TakeLargest();

  uint64_t total() const { return total_; }
  size_t count() const { return by_start_.size(); }
  bool empty() const { return by_start_.empty(); }

 private:
  static size_t ClassOf(uint64_t size);
  void Insert(uint64_t start, uint64_t end);
  void Erase(absl::btree_map<uint64_t, uint64_t>::iterator it);

  absl::btree_map<uint64_t, uint64_t> by_start_;  // start -> end
  // Starts of the extents whose size is in [2^i, 2^(i+1)).
  std::array<absl::btree_set<uint64_t>, 64> by_class_;
  uint64_t class_mask_ = 0;  // which classes are not empty
  uint64_t total_ = 0;
};

}  // namespace sentry

#endif  // SENTRY_MEMFILE_EXTENT_SET_H_
