// The memory file: all memory that guests can map and write, in two host files
// (DESIGN: "All guest memory is one shared file in two classes").
//
// Small class: 4 KiB pages of a memfd. Large class: 2 MiB chunks of a tmpfs file
// with huge pages, where the host gave one. The sentry maps both whole, so a
// page's content is reached by a plain pointer; stores there can fail with
// SIGBUS (host out of memory) and go through CopySafe (safe_copy.h).
//
// Pages are counted: copy-on-write forks share them by reference.
#ifndef SENTRY_MEMFILE_MEMORY_FILE_H_
#define SENTRY_MEMFILE_MEMORY_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "sentry/memfile/mem_account.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

using base::Errno;
using base::Result;

// A page-aligned offset in the memory file's single offset space; the top part
// is the large class. 0 is a valid offset.
using MemOffset = uint64_t;

// [start, end) of the memory file, page-aligned, of one class.
struct MemRange {
  MemOffset start = 0;
  MemOffset end = 0;
  uint64_t size() const { return end - start; }
};

// What an allocation is for; accounted and shown in /proc/meminfo.
enum class MemKind : uint8_t { kAnonymous, kShared /* tmpfs, shm, memfd */, kPageCache, kKernel, kCount };

class MemoryFile {
 public:
  struct Options {
    base::UniqueFd small_fd;  // memfd
    base::UniqueFd large_fd;  // tmpfs huge=always; may be invalid: then only small
    uint64_t limit = 0;       // bytes that may be allocated; 0: the host's memory
  };
  static Result<std::unique_ptr<MemoryFile>> Create(Options options);
  ~MemoryFile();

  // `size` bytes (page multiple), contiguous in the file, zeroed, each page with
  // one reference. 2 MiB-aligned sizes of at least 2 MiB come from the large
  // class when `prefer_large`. Charged to the account of the calling thread's MemCharger. ENOMEM over a limit.
  Result<MemRange> Allocate(uint64_t size, MemKind kind, bool prefer_large);

  // One more / one less reference to each page. The last one frees: the page is
  // punched out or kept zeroed for reuse.
  void IncRef(MemRange range);
  void DecRef(MemRange range);
  // Whether every page has exactly one reference (copy-on-write: sole owner).
  bool SoleOwner(MemRange range) const;

  // The sentry's own view of [range). Valid while the caller holds a reference.
  std::byte* Pointer(MemOffset offset) const;

  // The host file and offset to map for the guest.
  struct HostBacking {
    int fd;
    uint64_t offset;
  };
  HostBacking Backing(MemOffset offset) const;

  // The host files, the one of the small class first, and the sentry's views of them.
  struct HostFile {
    int fd;
    std::span<std::byte> view;
  };
  std::vector<HostFile> host_files() const;

  struct Usage {
    uint64_t bytes[static_cast<size_t>(MemKind::kCount)] = {};
    uint64_t total() const {
      uint64_t sum = 0;
      for (uint64_t b : bytes) sum += b;
      return sum;
    }
  };
  Usage usage() const;
  uint64_t limit() const;

  // --- Accounts (mem_account.h) ---
  // Below `parent`, if there is one. Null: there are too many.
  MemAccount* NewAccount(MemAccount* parent);
  // What is charged to it stays charged; its limit no longer matters to anybody new.
  void ReleaseAccount(MemAccount& account);
  // Whether an account of the calling thread's is close to its limit: then nothing is to be taken in advance.
  static bool Scarce();
  // After an ENOMEM: whether it is worth trying again. No lock but an open file's position is held.
  static MemRelief Relieve();
  // Memory as somebody sees it: the least limit of the account and those above, and what is used of that.
  struct View {
    uint64_t limit = 0, used = 0, anonymous = 0, shared = 0, page_cache = 0;
    uint64_t free() const { return limit - (used < limit ? used : limit); }
  };
  View ViewOf(const MemAccount* account) const;
  View CallerView() const;  // of the calling thread's visible account

  // Bytes that the host has really committed (SEEK_DATA), for true-up.
  uint64_t CommittedBytes() const;
  // The same of one range: for each page, whether the host holds memory for it.
  // `out` has a byte a page. What was never touched reads as zeroes.
  void Residency(MemRange range, std::span<uint8_t> out) const;
  // The parts of [range) that nobody ever stored to: the host has nothing for them, not even in its swap.
  std::vector<MemRange> Untouched(MemRange range) const;
  // Makes the host hold memory for all of [range) now (MAP_POPULATE, mlock); the
  // caller holds a reference. ENOMEM.
  Result<void> Commit(MemRange range);
  // Bytes freed but kept (committed) for reuse; at most kMaxDirty.
  uint64_t DirtyBytes() const;
  static constexpr uint64_t kMaxDirty = 4 << 20;

 private:
  struct Impl;
  explicit MemoryFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentry

#endif  // SENTRY_MEMFILE_MEMORY_FILE_H_
