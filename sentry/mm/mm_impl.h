// The inside of MemoryManager, shared by the files of this room and no other.
#ifndef SENTRY_MM_MM_IMPL_H_
#define SENTRY_MM_MM_IMPL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "sentry/mm/code_cache.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/mm/pages.h"
#include "sentry/mm/vma_set.h"

namespace sentry {

inline constexpr uint64_t kFaultGroup = 64 << 10;     // unit of first touch and of copies on write
inline constexpr uint64_t kFaultMax = kHugePageSize;  // most that one fault maps
inline constexpr size_t kMaxVmas = 65530;             // vm.max_map_count

// What became of a fault.
enum class FaultStatus : uint8_t {
  kDone,      // try the access again
  kMapErr,    // nothing is mapped there
  kAccErr,    // not for this access
  kBus,       // beyond the end of the file
  kNoMemory,  // over the limit, or the host has none
  kDead,      // the stub is gone, or the process was killed: whatever we say, it ends
};

struct FaultRequest {
  uint64_t addr = 0;
  MemoryProtection access{};
  enum class For : uint8_t { kGuest, kCopy };  // a copy needs no platform mapping
  For who = For::kGuest;
  bool forced = false;  // as a debugger: FOLL_FORCE
  uint64_t length = 1;  // the copy goes on for so long
};

// Keeps an attachment of shared memory in use while its mapping is on its way from one place to another.
class AttachmentHold {
 public:
  explicit AttachmentHold(RefPtr<FileIdentity> identity) : identity_(std::move(identity)) {
    if (identity_) identity_->Hold();
  }
  AttachmentHold(AttachmentHold&&) = default;  // a moved RefPtr is null
  ~AttachmentHold() {
    if (identity_) identity_->PutDown();
  }

 private:
  RefPtr<FileIdentity> identity_;
};

struct MemoryManager::Impl {
  using MapOp = platform::MapOp;

  Impl(MemoryManager& mm, std::shared_ptr<platform::AddressSpaces> from, MemoryFile& mf, platform::AddressSpace& s,
       CodeCache* cache)
      : self(mm), spaces(std::move(from)), memory_file(mf), space(s), code_cache(cache) {}

  // What an operation lets go of. Declared before the lock, so that it is
  // released after: destructors of files take locks of any rank, and freeing
  // calls the host.
  class Trash {
   public:
    explicit Trash(Impl& impl) : impl_(impl) {}
    ~Trash() { impl_.Release(mem_, refs_); }
    Trash(const Trash&) = delete;
    Trash& operator=(const Trash&) = delete;
    void Add(const Pages::Piece& piece) {
      if (piece.run.in_memory_file()) {
        mem_.push_back(piece.mem());
      } else {
        refs_.push_back(piece.run.host);
      }
    }
    void Add(std::vector<Pages::Piece>& pieces) {
      for (const Pages::Piece& p : pieces) Add(p);
    }
    void Add(MemRange mem) {
      if (mem.size() > 0) mem_.push_back(mem);
    }
    void Add(RefPtr<base::RefCounted> ref) {
      if (ref) refs_.push_back(std::move(ref));
    }

   private:
    Impl& impl_;
    std::vector<MemRange> mem_;
    std::vector<RefPtr<base::RefCounted>> refs_;
  };

  // --- copies in flight (user_copy.cc) ---
  struct Pinned {
    std::byte* pointer = nullptr;
    size_t length = 0;
    int fd = -1;  // no pointer: by pread and pwrite
    uint64_t offset = 0;
  };
  // Pages under [addr, addr + some of length), kept from being freed until
  // EndCopy. No lock is held meanwhile.
  Result<Pinned> Pin(uint64_t addr, size_t length, MemoryProtection access, bool forced) ABSL_LOCKS_EXCLUDED(mu);
  bool PinLocked(uint64_t addr, size_t length, MemoryProtection access, bool forced, Pinned& out)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void EndCopy();
  template <typename Move>
  Result<size_t> Copy(UserAddr addr, size_t length, MemoryProtection access, bool forced, Move move);
  void Release(std::vector<MemRange>& mem, std::vector<RefPtr<base::RefCounted>>& refs);
  void FlushDeferred();
  // No copy runs, and none starts while mu is held.
  void DrainCopies() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // --- mappings (vma_ops.cc) ---
  VmaSet::Iterator AddVma(Vma vma) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void DropVma(VmaSet::Iterator it, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void SplitAt(uint64_t addr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Splits so that no mapping crosses the range's ends. ENOMEM: too many.
  Result<void> Isolate(UserRange range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Joins mappings in and around the range that can be one.
  void JoinAround(UserRange range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void Account(const Vma& vma, int sign) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Changes attributes that are accounted.
  template <typename Fn>
  void Change(Vma& vma, Fn fn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    Account(vma, -1);
    fn(vma);
    Account(vma, +1);
    vmas.Touch();
  }
  Result<void> UnmapLocked(UserRange range, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool MayExpand(uint64_t bytes, const Vma& as) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool MayLock(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool GrowStackTo(VmaSet::Iterator it, uint64_t start) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<uint64_t> Place(const MmapRequest& request, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<UserRange> PlaceFixed(const MmapRequest& request, uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<uint64_t> FindHole(uint64_t length, uint64_t alignment) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<UserRange> MapLocked(const MmapRequest& request, uint64_t length, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Faults [range) in, as far as it goes, and has the host commit it.
  void Populate(UserRange range) ABSL_LOCKS_EXCLUDED(mu);

  // --- platform mappings (platform_ops.cc) ---
  static MemoryProtection TargetHw(const Vma& vma, const PageRun& run);
  enum class Fill : uint8_t { kLazy, kNow };
  // Has the platform map what is there of [start, end), `page` in any case.
  FaultStatus MapWindow(const Vma& vma, uint64_t start, uint64_t end, uint64_t page, Fill fill, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  std::vector<MapOp> WindowOps(const Vma& vma, uint64_t start, uint64_t end, Fill fill) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // After it returns true, the guest reaches nothing in the range.
  bool UnmapHost(uint64_t start, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Makes the platform forget all mappings; faults bring them back.
  bool EvictAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Takes the pages of [start, end) away, platform first.
  void RemovePages(uint64_t start, uint64_t end, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // The same of shared and file pages only, or of private copies too.
  void RemoveFilePages(uint64_t start, uint64_t end, Copies copies, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Private pages `mem` in the place of whatever [start, end) had.
  FaultStatus ReplacePages(const Vma& vma, uint64_t start, uint64_t end, MemRange mem, const FaultRequest& rq,
                           Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Brings the platform's protections to what the mappings now say.
  Result<void> SyncProtection(UserRange range) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Copies fragmented private memory together until mappings are well below the
  // budget; evicts if that is not enough (compact.cc).
  void Compact(Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool CompactBlock(const Vma& vma, uint64_t start, uint64_t end, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  bool CompactStretch(const Vma& vma, std::span<const Pages::Piece> pieces, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // From memory-file pages to fresh ones; skips what was never touched.
  bool CopyPages(MemRange to, MemRange from) const;

  // --- faults (fault.cc, file_fault.cc) ---
  struct FilePlan {
    RefPtr<Mappable> mappable;
    uint64_t page = 0;         // address
    uint64_t page_offset = 0;  // in the mappable
    uint64_t from = 0, end = 0;
    bool shared = false;
    bool copy = false;  // a private mapping is written
    uint64_t invalidations = 0;
    uint64_t OffsetOf(uint64_t addr) const { return page_offset - (page - addr); }
  };
  FaultStatus FaultOnce(const FaultRequest& rq) ABSL_LOCKS_EXCLUDED(mu);
  FaultStatus Fault(const FaultRequest& rq) ABSL_LOCKS_EXCLUDED(mu);
  Vma* FindForFault(uint64_t addr) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  static bool Permits(const Vma& vma, MemoryProtection access, bool forced);
  // Nothing: `plan` says what is needed of the mappable first, without a lock.
  std::optional<FaultStatus> FaultLocked(Vma& vma, const FaultRequest& rq, FilePlan& plan, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  FaultStatus MapPresent(const Vma& vma, const FaultRequest& rq, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  FaultStatus AllocateAnon(Vma& vma, const FaultRequest& rq, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  FaultStatus BreakCow(const Vma& vma, const FaultRequest& rq, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void PlanFile(const Vma& vma, const FaultRequest& rq, FilePlan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Nothing: the mapping changed meanwhile, start over.
  std::optional<FaultStatus> FaultFile(const FaultRequest& rq, FilePlan& plan, Trash& trash) ABSL_LOCKS_EXCLUDED(mu);
  std::optional<FaultStatus> CommitFile(const FaultRequest& rq, const FilePlan& plan, const Translation& t,
                                        Trash& trash) ABSL_LOCKS_EXCLUDED(mu);
  std::optional<FaultStatus> CommitCopy(const FaultRequest& rq, const FilePlan& plan, const Translation& t,
                                        Trash& trash) ABSL_LOCKS_EXCLUDED(mu);
  Vma* Recheck(const FaultRequest& rq, const FilePlan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  std::byte* PointerTo(const PageRun& run) const {
    return run.in_memory_file() ? memory_file.Pointer(run.offset) : run.host->PointerTo(run.offset);
  }
  void LogNoMemory(const char* what);

  // --- fork (fork.cc) ---
  // Maps what the parent had mapped, in one request.
  void MapForked(std::span<const Pages::Piece> mapped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // --- rewritten call sites (call_sites.cc) ---
  struct Rewritten {
    MemOffset page;
    std::vector<platform::CallSite> sites;
  };
  // The site whose second instruction was at `addr`.
  const platform::CallSite* RewrittenAt(uint64_t addr) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // Whether `page` still has that of the code cache.
  bool IsRewritten(uint64_t page, MemOffset code) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // False: it can't be, now or ever.
  bool RewriteLocked(uint64_t behind, bool often, platform::CallSites& sites, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void StopRewritingLocked(Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // For a new mapping, which may be where the platform has its own.
  void MakeWay(UserRange range, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // --- madvise (madvise.cc) ---
  Result<void> Advise(VmaSet::Iterator it, UserRange part, int advice, Trash& trash) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<void> PopulateFor(UserRange range, MemoryProtection access) ABSL_LOCKS_EXCLUDED(mu);
  Result<void> Remove(UserRange range) ABSL_LOCKS_EXCLUDED(mu);

  // --- locking (mlock.cc) ---
  Result<void> SetLocked(UserRange range, bool locked, bool on_fault) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // --- mremap (mremap.cc) ---
  Result<UserRange> RemapLocked(const MremapRequest& rq, uint64_t old_size, uint64_t new_size, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  Result<uint64_t> MoveLocked(UserRange old, uint64_t new_size, const MremapRequest& rq, Trash& trash)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  MemoryManager& self;
  const std::shared_ptr<platform::AddressSpaces> spaces;
  MemoryFile& memory_file;
  platform::AddressSpace& space;
  CodeCache* const code_cache;  // null: no rewriting

  // Rank kMm. Held over the platform's Apply, never over a user copy, a
  // mappable's Translate or a destructor of a file.
  mutable base::RankedMutex<base::LockRank::kMm> mu;
  VmaSet vmas ABSL_GUARDED_BY(mu);
  Pages pages ABSL_GUARDED_BY(mu);
  // Bumped by InvalidateMappings: translations got before are void.
  uint64_t invalidations ABSL_GUARDED_BY(mu) = 0;
  MmLimits limits ABSL_GUARDED_BY(mu);
  uint64_t mmap_top ABSL_GUARDED_BY(mu) = kMaxUserAddr.value - (uint64_t{1} << 30);
  uint64_t brk_begin ABSL_GUARDED_BY(mu) = 0;
  uint64_t brk_now ABSL_GUARDED_BY(mu) = 0;
  bool lock_future ABSL_GUARDED_BY(mu) = false;
  bool lock_future_on_fault ABSL_GUARDED_BY(mu) = false;
  struct Totals {
    uint64_t all = 0, data = 0, stack = 0, exec = 0, locked = 0;
  };
  Totals totals ABSL_GUARDED_BY(mu);
  uint64_t peak_virtual ABSL_GUARDED_BY(mu) = 0;

  // By address of the page; entries whose page has gone since are void.
  absl::flat_hash_map<uint64_t, Rewritten> rewritten ABSL_GUARDED_BY(mu);
  absl::flat_hash_map<uint64_t, uint8_t> site_uses ABSL_GUARDED_BY(mu);  // by the address behind it
  bool no_rewriting ABSL_GUARDED_BY(mu) = false;

  // The last few pieces that copies went to; void when a version moved on.
  struct CachedPiece {
    uint64_t start = 0, end = 0;
    std::byte* pointer = nullptr;
    bool writable = false;
    uint64_t vma_version = 0, page_version = 0;
  };
  static constexpr size_t kCached = 8;
  CachedPiece cached[kCached] ABSL_GUARDED_BY(mu);

  // Copies that run without a lock. While there are any, what is freed waits in
  // `deferred`. seq_cst: EndCopy's decrement and Release's look must not pass.
  std::atomic<uint32_t> copies{0};
  std::atomic<bool> has_deferred{false};
  // Rank kMmPages: taken under mu or alone, held over nothing.
  base::RankedMutex<base::LockRank::kMmPages> deferred_mu;
  std::vector<MemRange> deferred_mem ABSL_GUARDED_BY(deferred_mu);
  std::vector<RefPtr<base::RefCounted>> deferred_refs ABSL_GUARDED_BY(deferred_mu);
  uint64_t deferred_bytes ABSL_GUARDED_BY(deferred_mu) = 0;

  // Rank kLeaf: plain data.
  mutable base::RankedMutex<base::LockRank::kLeaf> layout_mu;
  Layout layout ABSL_GUARDED_BY(layout_mu);

  std::atomic<bool> logged_no_memory{false};
};

}  // namespace sentry

#endif  // SENTRY_MM_MM_IMPL_H_
