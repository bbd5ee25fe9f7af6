// A guest address space. Analogous to Linux's struct mm_struct.
//
// Parts, a file each: vma_set (interval map of mappings, pure data), pages (what
// memory each page has, copy-on-write), fault, user_copy, mmap/mremap/madvise
// policy, fork, accounting.
#ifndef SENTRY_MM_MEMORY_MANAGER_H_
#define SENTRY_MM_MEMORY_MANAGER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ref_ptr.h"
#include "base/result.h"
#include "platform/platform.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/mm/mappable.h"
#include "sentry/usermem/user_memory.h"

namespace sentry {

class CodeCache;

// Limits that the kernel keeps current (setrlimit); bytes.
struct MmLimits {
  uint64_t address_space = UINT64_MAX;  // RLIMIT_AS
  uint64_t data = UINT64_MAX;           // RLIMIT_DATA
  uint64_t stack = 8 << 20;             // RLIMIT_STACK
  uint64_t memlock = UINT64_MAX;        // RLIMIT_MEMLOCK
};

struct MmapRequest {
  // Where: a hint, exactly here replacing what is there (MAP_FIXED), or exactly
  // here or EEXIST (MAP_FIXED_NOREPLACE).
  enum class Placement : uint8_t { kHint, kFixed, kFixedNoReplace };
  UserAddr addr{};
  uint64_t length = 0;  // > 0; rounded up here
  Placement placement = Placement::kHint;
  MemoryProtection prot{};
  MemoryProtection max_prot = {true, true, true};  // what mprotect may reach
  bool shared = false;
  bool grows_down = false;
  bool stack = false;     // shown as [stack]
  bool locked = false;    // MAP_LOCKED
  bool populate = false;  // MAP_POPULATE
  bool no_reserve = false;
  bool below_4g = false;            // MAP_32BIT
  RefPtr<Mappable> mappable{};      // null: anonymous
  RefPtr<FileIdentity> identity{};  // of the open file, if mappable
  uint64_t offset = 0;              // page-aligned
  const char* label = nullptr;      // static string: "[heap]", "[stack]", "[vdso]"
};

struct MremapRequest {
  UserAddr old_addr{};
  uint64_t old_size = 0;
  uint64_t new_size = 0;
  enum class Move : uint8_t { kNo, kMayMove, kFixed };
  Move move = Move::kNo;
  UserAddr new_addr{};
  bool keep_old = false;  // MREMAP_DONTUNMAP
};

// Why a fault could not be served: the signal Linux would send.
struct FaultFailure {
  int signo;  // SIGSEGV or SIGBUS
  int code;   // SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR
};

// One line of /proc/PID/maps, and what smaps needs of it.
struct VmaInfo {
  UserRange range;
  MemoryProtection prot;
  bool shared;
  bool grows_down;
  bool locked;
  uint64_t offset;
  uint64_t device;
  uint64_t inode;
  std::string name;
  uint64_t resident;  // bytes
};

struct MmUsage {
  uint64_t virtual_bytes = 0;
  uint64_t resident_bytes = 0;  // anonymous + file + shared
  uint64_t resident_anon = 0;
  uint64_t resident_file = 0;
  uint64_t resident_shared = 0;
  uint64_t peak_resident = 0;
  uint64_t peak_virtual = 0;
  uint64_t data_bytes = 0;
  uint64_t stack_bytes = 0;
  uint64_t exec_bytes = 0;
  uint64_t locked_bytes = 0;
};

class MemoryManager final : public base::RefCounted, public UserMemory, public MappingSpace {
 public:
  // `code_cache`, if given, outlives it.
  static Result<RefPtr<MemoryManager>> Create(std::shared_ptr<platform::AddressSpaces> spaces, MemoryFile& memory_file,
                                              CodeCache* code_cache = nullptr);
  // A copy for fork: page references are shared and write-protected on both
  // sides; MADV_DONTFORK and MADV_WIPEONFORK hold.
  Result<RefPtr<MemoryManager>> Fork();

  platform::AddressSpace& address_space() { return *platform_space_; }
  // Where its own is from, and those of its forks.
  const std::shared_ptr<platform::AddressSpaces>& spaces() const;

  // --- Mapping calls (man 2 mmap, munmap, mprotect, mremap, brk) ---
  Result<UserAddr> Mmap(const MmapRequest& request);
  Result<void> Munmap(UserAddr addr, uint64_t length);
  // shmdt(2): unmaps what is left of what one shmat(2) mapped at `addr`. EINVAL: nothing.
  Result<void> Detach(UserAddr addr);
  // kYes: what may be executed and is made readable becomes executable (READ_IMPLIES_EXEC).
  enum class ReadImpliesExec : uint8_t { kNo, kYes };
  Result<void> Mprotect(UserAddr addr, uint64_t length, MemoryProtection prot, bool grows_down,
                        ReadImpliesExec implied = ReadImpliesExec::kNo);
  Result<UserAddr> Mremap(const MremapRequest& request);
  // The new break, or the old one when it can't move (as brk(2) itself answers).
  UserAddr Brk(UserAddr addr, ReadImpliesExec implied = ReadImpliesExec::kNo);
  // For the loader: where the heap starts.
  void SetBrkStart(UserAddr addr);
  Result<void> Madvise(UserAddr addr, uint64_t length, int advice);
  Result<void> Msync(UserAddr addr, uint64_t length, int flags);
  // One byte a page into `out` (size = pages). At most kMaxMincore at once: the
  // caller goes on piece by piece, as Linux does.
  static constexpr uint64_t kMaxMincore = uint64_t{1} << 30;
  Result<void> Mincore(UserAddr addr, uint64_t length, std::vector<uint8_t>& out);
  Result<void> Mlock(UserAddr addr, uint64_t length, bool on_fault);
  Result<void> Munlock(UserAddr addr, uint64_t length);
  Result<void> MlockAll(bool current, bool future, bool on_fault);
  void MunlockAll();
  // Chooses a place without mapping it (the loader's PIE base and interpreter).
  Result<UserAddr> FindFree(uint64_t length, uint64_t alignment);
  // Top of where mmap places things; set by the loader below the stack.
  void SetMmapTop(UserAddr top);

  // Gives back anonymous memory that was handed out in advance and never touched; how many bytes. The guest sees no
  // difference.
  uint64_t ReclaimUntouched();

  // --- Faults ---
  // Serves the guest's fault at `addr`; `sp` decides on stack growth. Returns
  // nothing when the access may be tried again.
  std::optional<FaultFailure> HandleFault(UserAddr addr, MemoryProtection access);

  // --- Call sites (platform::CallSites) ---
  // A system call came from the instruction before `behind`, in a slow way: rewrites
  // its site if that can be done and pays.
  void RewriteCallSite(UserAddr behind);
  // The site whose second instruction was at `addr` before it was rewritten.
  std::optional<platform::CallSite> InRewrittenSite(UserAddr addr) const;
  // Restores all code, for good: the guest sets up what rewritten code would disturb.
  void StopRewriting();

  // --- UserMemory ---
  Result<size_t> CopyIn(UserAddr src, std::span<std::byte> dst) override;
  Result<size_t> CopyOut(UserAddr dst, std::span<const std::byte> src) override;
  Result<size_t> ZeroOut(UserAddr dst, size_t len) override;
  Result<uint32_t> LoadU32(UserAddr addr) override;
  Result<uint32_t> CompareExchangeU32(UserAddr addr, uint32_t expected, uint32_t desired) override;
  // As a debugger copies (ptrace, /proc/PID/mem): ignores write protection of
  // private mappings, copying on write.
  Result<size_t> CopyOutForced(UserAddr dst, std::span<const std::byte> src);
  Result<size_t> CopyInForced(UserAddr src, std::span<std::byte> dst);

  // --- Futex keys ---
  // What a shared futex at `addr` is keyed by: (mappable or memory identity, offset).
  struct SharedKey {
    const void* object;  // Mappable::identity(), kept alive by `keepalive`, or this mm for private memory
    uint64_t offset;
    RefPtr<base::RefCounted> keepalive;
  };
  Result<SharedKey> FutexKey(UserAddr addr);

  // --- MappingSpace ---
  void InvalidateMappings(UserRange range, Copies private_copies) override;
  void InvalidateMappingsOf(const Mappable& of, UserRange range, Copies private_copies) override;
  bool TryPin() override;
  void Unpin() override;

  // --- What /proc shows ---
  std::vector<VmaInfo> Vmas() const;
  MmUsage usage() const;
  void SetLimits(const MmLimits& limits);
  UserAddr brk_start() const;
  UserAddr brk_end() const;

  // Set by the loader, read by /proc/PID/{cmdline,environ,auxv,stat} and prctl
  // PR_SET_MM. Plain data; guarded by its own lock inside.
  struct Layout {
    UserRange code, data, args, env;
    UserAddr stack_top;
    std::vector<std::byte> auxv;
    RefPtr<FileIdentity> executable;
    UserAddr vdso;
    // Where a handler without SA_RESTORER... x86-64 always has one; 0 if none.
  };
  Layout layout() const;
  void SetLayout(Layout layout);

  // prctl(PR_SET_DUMPABLE), inherited by fork, reset by exec.
  std::atomic<int> dumpable{1};

 private:
  friend class MmTestPeer;
  struct Impl;
  MemoryManager(std::shared_ptr<platform::AddressSpaces> spaces, MemoryFile& memory_file,
                std::unique_ptr<platform::AddressSpace> space, CodeCache* code_cache);
  ~MemoryManager() override;

  std::unique_ptr<platform::AddressSpace> platform_space_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentry

#endif  // SENTRY_MM_MEMORY_MANAGER_H_
