// The buffer behind a pipe or fifo. Analogous to Linux's struct
// pipe_inode_info: a ring of page-sized buffers (man 7 pipe).
//
// Never sleeps: EAGAIN when empty or full. A write of at most PIPE_BUF bytes
// goes in whole or not at all; a longer one may be short.
#ifndef SENTRY_FS_PIPE_PIPE_H_
#define SENTRY_FS_PIPE_PIPE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/wait_queue.h"
#include "sentry/usermem/io_buffer.h"
#include "sentry/usermem/user_addr.h"
#include "sentry/vfs/context.h"

namespace sentry {

inline constexpr size_t kPipeBuf = kPageSize;         // PIPE_BUF
inline constexpr uint32_t kPipeDefaultSlots = 16;     // 64 KiB
inline constexpr size_t kPipeMaxSize = 1 << 20;       // /proc/sys/fs/pipe-max-size
inline constexpr int64_t kPipeUserPagesSoft = 16384;  // /proc/sys/fs/pipe-user-pages-soft

// A page of data; shared only by tee(2).
struct PipePage final : base::RefCounted {
  std::array<std::byte, kPageSize> bytes;

 private:
  ~PipePage() override = default;
};

class Pipe final : public base::RefCounted {
 public:
  // `uid` pays for the pages: over pipe-user-pages-soft a new pipe is small.
  Pipe(const Credentials& creds, bool is_fifo);

  bool is_fifo() const { return is_fifo_; }
  base::WaitQueue& wait_queue() { return wait_queue_; }

  // Linux's counters of fifo_open: how often an end was ever opened, so that a
  // peer that came and went still releases the opener that waits for it.
  struct Openings {
    uint64_t reads = 0;
    uint64_t writes = 0;
  };
  // Adds an end (both for O_RDWR). `need_reader`: ENXIO unless a reader is
  // there. The counters and ends are those found after.
  struct OpenState {
    Openings openings;
    bool has_readers = false;
    bool has_writers = false;
  };
  enum class NeedReader : uint8_t { kNo, kYes };
  Result<OpenState> OpenEnds(bool reads, bool writes, NeedReader need);
  void CloseEnds(bool reads, bool writes);
  Openings openings() const;

  // 0: no writer and nothing left. Data that could not be copied stays.
  Result<size_t> Read(IoSink& dst);
  enum class Mode : uint8_t { kStream, kPacket };
  Result<size_t> Write(IoSource& src, Mode mode);

  // kEventIn, kEventOut, kEventErr (no reader), kEventHup (no writer).
  base::EventMask Readiness() const;
  size_t bytes_queued() const;  // FIONREAD

  size_t capacity() const;  // F_GETPIPE_SZ
  // F_SETPIPE_SZ: the new capacity. EINVAL, EPERM, EBUSY.
  Result<size_t> SetCapacity(const VfsContext& ctx, size_t bytes);

  // splice(2) and tee(2) between two pipes: moves or shares whole buffers.
  // EINVAL for a pipe with itself, EAGAIN, EPIPE.
  static Result<size_t> Splice(Pipe& from, Pipe& to, size_t len);
  static Result<size_t> Tee(Pipe& from, Pipe& to, size_t len);

 private:
  struct Buffer {
    RefPtr<PipePage> page;
    uint32_t offset = 0;
    uint32_t length = 0;
    bool packet = false;
    bool can_merge = false;
  };
  // What a writer copied in and has not yet inserted.
  struct Chunk {
    RefPtr<PipePage> page;
    size_t length = 0;
  };
  struct WritePlan {
    size_t first = 0;  // bytes of the first chunk
    uint32_t chunks = 0;
  };

  ~Pipe() override;
  static Result<size_t> Transfer(Pipe& from, Pipe& to, size_t len, bool consume);

  bool full() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return used_ >= ring_.size(); }
  Buffer& At(uint32_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return ring_[(tail_ + i) % ring_.size()]; }
  bool CanMerge(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Append(Buffer buffer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Drops the first buffer; keeps its page as a spare if nobody shares it.
  void PopFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  RefPtr<PipePage> TakePage() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Result<WritePlan> PlanWrite(size_t len, Mode mode, std::vector<RefPtr<PipePage>>* pages);
  size_t Insert(std::vector<Chunk>& chunks, Mode mode, bool* gone);
  Result<size_t> WriteSmall(IoSource& src, Mode mode);
  bool InsertSmall(std::span<const std::byte> bytes, Mode mode) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const bool is_fifo_;
  const uint32_t uid_;
  base::WaitQueue wait_queue_;

  // Rank kFileDescription: one reader at a time, held over its user copy so
  // that the buffers it copies from stay first in the ring. Outside of mu_.
  base::RankedMutex<base::LockRank::kFileDescription> read_mu_;

  // Rank kPipe. Held over no user copy. Readers alone remove buffers, and they
  // hold read_mu_; writers append bytes behind those that a reader looks at.
  mutable base::RankedMutex<base::LockRank::kPipe> mu_;
  std::vector<Buffer> ring_ ABSL_GUARDED_BY(mu_);
  uint32_t tail_ ABSL_GUARDED_BY(mu_) = 0;  // first buffer
  uint32_t used_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t readers_ ABSL_GUARDED_BY(mu_) = 0;
  uint32_t writers_ ABSL_GUARDED_BY(mu_) = 0;
  Openings openings_ ABSL_GUARDED_BY(mu_);
  std::array<RefPtr<PipePage>, 2> spare_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_PIPE_PIPE_H_
