// What MAP_SHARED|MAP_ANONYMOUS maps: memory with no name and no file, shared by
// those who inherit the mapping, and System V shared memory. Analogous to Linux's shmem_zero_setup.
#ifndef SENTRY_MM_SHARED_ANON_H_
#define SENTRY_MM_SHARED_ANON_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "sentry/mm/mappable.h"

namespace sentry {

class SharedAnon final : public Mappable {
 public:
  SharedAnon(MemoryFile& memory_file, uint64_t size) : memory_file_(memory_file), size_(size) {}
  Result<void> CheckMap(bool, MemoryProtection) override { return base::Ok(); }
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override;
  Result<void> PunchMapped(uint64_t offset, uint64_t length) override;
  uint64_t ResidentBytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  ~SharedAnon() override;

  MemoryFile& memory_file_;
  const uint64_t size_;
  // Rank kMappable; never held with the list of mappings' own.
  base::RankedMutex<base::LockRank::kMappable> mu_;
  std::map<uint64_t, MemRange> pages_ ABSL_GUARDED_BY(mu_);  // by offset; disjoint
  std::atomic<uint64_t> bytes_{0};                           // of them
};

// Its name in /proc/PID/maps.
class SharedAnonIdentity final : public FileIdentity {
 public:
  explicit SharedAnonIdentity(uint64_t inode) : inode_(inode) {}
  std::string MappedName() const override { return "/dev/zero (deleted)"; }
  uint64_t MappedDevice() const override { return 1; }  // 00:01, Linux's kernel-internal shmem mount
  uint64_t MappedInode() const override { return inode_; }

 private:
  const uint64_t inode_;
};

}  // namespace sentry

#endif  // SENTRY_MM_SHARED_ANON_H_
