// A file system in the memory file: /tmp, /dev/shm, memfds, System V shared
// memory and the upper layer of the overlay. Analogous to Linux's mm/shmem.c.
#ifndef SENTRY_FS_TMPFS_TMPFS_H_
#define SENTRY_FS_TMPFS_TMPFS_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "sentry/memfile/memory_file.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/inode.h"

namespace sentry {

struct TmpfsOptions {
  uint64_t max_bytes = 0;   // 0: only the memory file's own limit
  uint64_t max_inodes = 0;  // 0: no limit; each further hard link counts as one
  uint32_t root_mode = 01777;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string source = "tmpfs";
};

// memfd_create(2) flags and seals (man 2 memfd_create, fcntl).
inline constexpr uint32_t kMfdCloExec = 1, kMfdAllowSealing = 2, kMfdHugeTlb = 4, kMfdNoExecSeal = 8, kMfdExec = 16;
inline constexpr uint32_t kSealSeal = 1, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8, kSealFutureWrite = 16,
                          kSealExec = 32;

class TmpfsFileSystem final : public FileSystem {
 public:
  // `memory` outlives the file system.
  static RefPtr<TmpfsFileSystem> Create(MemoryFile& memory, TmpfsOptions options = {});
  // Options text of mount(2): size=, mode=, uid=, gid=, nr_inodes=, nr_blocks=. EINVAL for
  // any other. Ids are those of `mounter`, and its own the default; a share of memory
  // ("size=50%") is one of `total`.
  static Result<TmpfsOptions> ParseOptions(std::string_view text, uint64_t total, const Credentials* mounter = nullptr);

  // A new root directory; for the one mount of this file system.
  RefPtr<Inode> NewRoot();
  // An unnamed regular file (memfd, System V shm, shared anonymous memory).
  RefPtr<Inode> NewUnnamedFile(uint32_t mode, uint32_t uid, uint32_t gid);
  // memfd_create(2). EINVAL: flags, or a name of more than 249 bytes.
  Result<RefPtr<FileDescription>> NewMemfd(const VfsContext& ctx, std::string_view name, uint32_t flags);

  std::string source() const override { return options_.source; }
  std::string options() const override;
  Result<abi::Statfs> StatFs(const VfsContext& ctx) override;
  // size=, nr_blocks= and nr_inodes= change if there was a limit and what is used fits.
  Result<void> Reconfigure(const VfsContext& ctx, std::string_view options) override;

  MemoryFile& memory() const { return memory_; }
  uint64_t NextIno() { return next_ino_.fetch_add(1, std::memory_order_relaxed); }
  // Accounts pages against size=; ENOSPC.
  Result<void> Charge(uint64_t bytes);
  void Uncharge(uint64_t bytes) { used_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  Result<void> TakeInode();  // ENOSPC: nr_inodes=
  void PutInode() { inode_count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  TmpfsFileSystem(MemoryFile& memory, TmpfsOptions options);
  ~TmpfsFileSystem() override;

  MemoryFile& memory_;
  const TmpfsOptions options_;
  std::atomic<uint64_t> max_bytes_, max_inodes_;  // as options_ until Reconfigure
  std::atomic<uint64_t> next_ino_{1};
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> inode_count_{0};
};

// fcntl(F_ADD_SEALS, F_GET_SEALS). EINVAL: not a file of a tmpfs. EPERM, EBUSY.
Result<void> AddSeals(FileDescription& file, uint32_t seals);
Result<uint32_t> GetSeals(FileDescription& file);

}  // namespace sentry

#endif  // SENTRY_FS_TMPFS_TMPFS_H_
