// A map of user or group ids between a user namespace and the kernel. Analogous
// to Linux's struct uid_gid_map; immutable.
#ifndef SENTRY_VFS_ID_MAP_H_
#define SENTRY_VFS_ID_MAP_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sentry {

inline constexpr uint32_t kInvalidId = UINT32_MAX;  // of nobody; "leave alone" in system calls
inline constexpr uint32_t kOverflowId = 65534;      // what an id without a mapping is shown as

class IdMap {
 public:
  static constexpr size_t kMaxExtents = 340;
  struct Extent {
    uint32_t first;  // inside
    uint32_t lower;  // in the parent (as written), or the kernel (as kept)
    uint32_t count;
  };

  IdMap() = default;
  static IdMap Identity();
  // What is written to uid_map: EINVAL for anything that map_write refuses.
  static base::Result<IdMap> Parse(std::string_view text);

  bool empty() const { return extents_.empty(); }
  const std::vector<Extent>& extents() const { return extents_; }
  uint32_t Down(uint32_t id) const { return DownRange(id, 1); }  // inside to kernel
  // The first of `count` ids that all are in one extent.
  uint32_t DownRange(uint32_t id, uint32_t count) const;
  uint32_t Up(uint32_t id) const;  // kernel to inside
  // This map's lower ids seen through the parent's: kernel ids. EPERM.
  base::Result<IdMap> Through(const IdMap& parent) const;

 private:
  bool Overlaps(const Extent& extent) const;
  std::vector<Extent> extents_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_ID_MAP_H_
