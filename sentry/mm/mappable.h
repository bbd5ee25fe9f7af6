// What mm asks of a thing that can be mapped: a tmpfs file, a gofer file with a
// donated host descriptor, /dev/zero. Implemented by vfs inodes.
#ifndef SENTRY_MM_MAPPABLE_H_
#define SENTRY_MM_MAPPABLE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

using base::MakeRef;
using base::RefPtr;

class Mappable;

// An address space, as the owner of mapped pages sees it.
class MappingSpace {
 public:
  virtual ~MappingSpace() = default;
  // Drops what is mapped of [range): shared pages, and private ones that were
  // not yet copied, and the copies too if `private_copies`. Later accesses
  // fault again. Called with no lock of the mappable's held.
  enum class Copies { kKeep, kDrop };
  virtual void InvalidateMappings(UserRange range, Copies private_copies) = 0;
  // The same, but only of what still maps `of`: the range may have become
  // something else's since the mappable looked.
  virtual void InvalidateMappingsOf(const Mappable& of, UserRange range, Copies private_copies) {
    (void)of;
    InvalidateMappings(range, private_copies);
  }
  // Keeps the space alive over a call without the mappable's lock; false when it
  // is about to die (its mappings are then as good as gone).
  virtual bool TryPin() { return true; }
  virtual void Unpin() {}
};

// Where a page of a mappable lies in a host file right now.
struct Translation {
  uint64_t offset = 0;  // within the mappable, page-aligned
  uint64_t length = 0;  // page multiple; at least the page asked for
  // Either pages of the memory file (one reference to each is given away with
  // the answer) ...
  bool in_memory_file = false;
  MemOffset mem_offset = 0;
  // ... or a range of another host file (donated by the gofer). The descriptor
  // lives as long as `keepalive`; `pointer` is the sentry's own view, or null if
  // it has none (access through it may fault: the file can be truncated).
  int host_fd = -1;
  uint64_t host_offset = 0;
  std::byte* pointer = nullptr;
  RefPtr<base::RefCounted> keepalive{};
};

// Base of vfs::Inode, so that a mapping's lifetime is the inode's. The default
// is a thing that cannot be mapped.
class Mappable : public base::RefCounted {
 public:
  // By which a futex in a shared mapping is known: the same for all mappables that are one file.
  virtual const void* identity() const { return this; }
  // Checks whether it can be mapped at all: ENODEV here; EACCES, EPERM.
  virtual Result<void> CheckMap(bool shared, MemoryProtection max) {
    (void)shared, (void)max;
    return Errno::kENODEV;
  }
  // The page at `offset` and, where cheap, what follows it, up to `max_length`.
  // Called with no lock of mm's held. `access` is what the mapping is for: a
  // shared one is translated again with `write` before its first store.
  // EFAULT: beyond the end of file (SIGBUS). ENOMEM: no memory for it.
  virtual Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) {
    (void)offset, (void)max_length, (void)access;
    return Errno::kEFAULT;
  }
  // msync(MS_SYNC) of a shared mapping.
  virtual Result<void> SyncMapped(uint64_t offset, uint64_t length) {
    (void)offset, (void)length;
    return base::Ok();
  }

  // madvise(MADV_REMOVE) of a shared writable mapping: makes a hole there.
  virtual Result<void> PunchMapped(uint64_t offset, uint64_t length) {
    (void)offset, (void)length;
    return Errno::kEOPNOTSUPP;
  }

  // mm tells of each VMA that maps [offset, offset+range.size()).
  void AddMapping(MappingSpace& space, UserRange range, uint64_t offset, bool shared_writable);
  void RemoveMapping(MappingSpace& space, UserRange range, uint64_t offset, bool shared_writable);
  // For the owner, after truncation or a change of backing (overlay copy-up).
  void InvalidateAll(uint64_t offset, uint64_t length, MappingSpace::Copies private_copies);
  // Count of shared writable VMAs (memfd seals, ETXTBSY).
  size_t shared_writable_mappings() const;

 private:
  struct Entry {
    MappingSpace* space;
    UserRange range;
    uint64_t offset;
    bool shared_writable;
  };
  // Rank kMappable: taken under mm's locks, never while calling back into them.
  mutable base::RankedMutex<base::LockRank::kMappable> mappings_mu_;
  std::vector<Entry> mappings_ ABSL_GUARDED_BY(mappings_mu_);
};

// Who a file mapping is, for /proc/PID/maps, and what keeps it open (Linux's
// vm_file). vfs::FileDescription derives from it.
class FileIdentity : public base::RefCounted {
 public:
  virtual std::string MappedName() const = 0;
  // A segment of System V shared memory, attached by one shmat(2): it hears of each mapping that comes and goes (under
  // mm's lock), none are merged, and shmdt(2) finds them.
  bool attachment() const { return attached_bytes() != 0; }
  virtual uint64_t attached_bytes() const { return 0; }
  virtual void Mapped() {}
  virtual void Unmapped() {}
  // Between these it is in use though nothing may be mapped.
  virtual void Hold() {}
  virtual void PutDown() {}
  virtual uint64_t MappedDevice() const = 0;
  virtual uint64_t MappedInode() const = 0;
};

}  // namespace sentry

#endif  // SENTRY_MM_MAPPABLE_H_
