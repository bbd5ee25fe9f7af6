// The data of a tmpfs file. No lock is held while user memory is copied: pages
// are pinned by a reference, and the copy runs without the lock.
#include <algorithm>
#include <utility>

#include "sentry/fs/tmpfs/nodes.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry::tmpfs {
namespace {

// How much a write allocates at once. A write to a hole is mostly the next of
// many; what is allocated beyond need would be memory that the guest pays for.
constexpr uint64_t kMaxPiece = 1 << 20;
// Pages given to one fault in a hole.
constexpr uint64_t kFaultFill = 64 << 10;

}  // namespace

RegularFile::RegularFile(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args, uint32_t seals)
    : Node(std::move(fs), args), seals_(seals) {}

RegularFile::~RegularFile() { Free(pages_.Remove(0, UINT64_MAX)); }

const void* RegularFile::Kind() {
  static const char tag = 0;
  return &tag;
}

void RegularFile::Free(const std::vector<MemRange>& ranges) {
  uint64_t bytes = 0;
  for (const MemRange& range : ranges) {
    tmpfs().memory().DecRef(range);
    bytes += range.size();
  }
  tmpfs().Uncharge(bytes);
}

void RegularFile::FillSize(Attributes& out) const {
  out.size = size_;
  out.blocks = pages_.bytes() / 512;
}

// Puts pages into a hole, fewer than asked for where memory is in pieces.
Result<void> RegularFile::Fill(PageMap::Run& run) {
  for (;;) {
    const Result<void> charged = tmpfs().Charge(run.length);
    if (charged.ok()) {
      const Result<MemRange> range = tmpfs().memory().Allocate(run.length, MemKind::kShared, false);
      if (range.ok()) {
        pages_.Insert(run.offset, *range);
        run.memory = range->start;
        run.hole = false;
        return Ok();
      }
      tmpfs().Uncharge(run.length);
      if (run.length == kPageSize) return range.error();
    } else if (run.length == kPageSize) {
      return charged.error();
    }
    run.length = PageRoundUp(run.length / 2);
  }
}

Result<RegularFile::Piece> RegularFile::Pin(uint64_t offset, size_t length, Holes holes) {
  const uint64_t skip = offset & kPageMask;
  Piece piece;
  piece.run = pages_.Find(offset, PageRoundUp(std::min<uint64_t>(length, kMaxPiece) + skip));
  if (piece.run.hole && holes == Holes::kFill) TRY(Fill(piece.run));
  piece.length = std::min<uint64_t>(length, piece.run.length - skip);
  if (!piece.run.hole) {
    tmpfs().memory().IncRef(piece.run.range());
    piece.at = tmpfs().memory().Pointer(piece.run.memory) + skip;
  }
  return piece;
}

void RegularFile::Unpin(const Piece& piece) {
  if (!piece.run.hole) tmpfs().memory().DecRef(piece.run.range());
}

Result<size_t> RegularFile::Read(IoSink& dst, uint64_t offset) {
  size_t done = 0;
  while (dst.remaining() > 0) {
    Piece piece;
    {
      base::MutexLock lock(mu_);
      if (offset >= size_) break;
      piece = TRY(Pin(offset, std::min<uint64_t>(size_ - offset, dst.remaining()), Holes::kKeep));
    }
    const Result<size_t> n =
        piece.at != nullptr ? dst.Write(std::span(piece.at, piece.length)) : dst.Zero(piece.length);
    Unpin(piece);
    if (!n.ok()) {
      if (done > 0) break;
      return n.error();
    }
    done += *n;
    offset += *n;
    if (*n < piece.length) break;
  }
  return done;
}

Result<void> RegularFile::CheckWrite(uint64_t offset, size_t length) const {
  if ((seals_ & (kSealWrite | kSealFutureWrite)) != 0) return Errno::kEPERM;
  if ((seals_ & kSealGrow) != 0 && offset + length > size_) return Errno::kEPERM;
  return Ok();
}

void RegularFile::Written(const VfsContext& ctx, uint64_t end) {
  if (end > size_) size_ = end;
  Attributes& a = attributes_;
  a.mtime = a.ctime = RealtimeNow();
  DropCapabilitiesLocked();
  if ((a.mode & (abi::kSIsUid | abi::kSIsGid)) == 0 || !ctx.creds) return;
  if (const std::optional<uint32_t> perm = PermAfterWrite(*ctx.creds, a)) a.mode = type() | *perm;
}

Result<size_t> RegularFile::WritePiece(const VfsContext& ctx, IoSource& src, uint64_t offset, size_t length) {
  Piece piece;
  {
    base::MutexLock lock(mu_);
    TRY(CheckWrite(offset, length));
    piece = TRY(Pin(offset, length, Holes::kFill));
  }
  const Result<size_t> n = src.Read(std::span(piece.at, piece.length));
  {
    base::MutexLock lock(mu_);
    if (n.ok() && *n > 0) Written(ctx, offset + *n);
  }
  Unpin(piece);
  return n;
}

namespace {

// Linux's generic_write_checks: how much may be written at `offset`.
Result<size_t> ClipWrite(const VfsContext& ctx, uint64_t offset, size_t length) {
  const uint64_t limit = std::min<uint64_t>(ctx.file_size_limit, INT64_MAX & ~kPageMask);
  if (length == 0) return length;
  if (offset >= limit) return Errno::kEFBIG;
  return std::min<uint64_t>(length, limit - offset);
}

}  // namespace

Result<size_t> RegularFile::Write(const VfsContext& ctx, IoSource& src, uint64_t offset) {
  const size_t total = TRY(ClipWrite(ctx, offset, src.remaining()));
  size_t done = 0;
  while (done < total) {
    const size_t want = std::min<size_t>(total - done, kMaxPiece);
    const Result<size_t> n = WritePiece(ctx, src, offset + done, want);
    if (n.Is(Errno::kENOMEM) && MemoryFile::Relieve() == MemRelief::kTryAgain) continue;
    if (!n.ok()) {
      if (done > 0) break;
      return n.error();
    }
    if (*n == 0) break;
    done += *n;
  }
  return done;
}

// The user's bytes come into a buffer first, so that where the end is and the
// write there are one step under the lock: two appends never mix.
Result<size_t> RegularFile::Append(const VfsContext& ctx, IoSource& src, uint64_t& end) {
  const size_t total = src.remaining();
  std::vector<std::byte> buffer(std::min(total, kIoChunk));
  size_t done = 0;
  {
    base::MutexLock lock(mu_);
    end = size_;
  }
  while (done < total) {
    const size_t want = std::min(total - done, buffer.size());
    const Result<size_t> got = src.Read(std::span(buffer.data(), want));
    if (!got.ok() || *got == 0) return done > 0 ? Result<size_t>(done) : got;
    size_t put = 0;
    Result<void> result = Ok();
    {
      base::MutexLock lock(mu_);
      end = size_;
      const Result<size_t> allowed = ClipWrite(ctx, end, *got);
      result = allowed.ok() ? CheckWrite(end, *got) : Result<void>(allowed.error());
      while (result.ok() && put < *allowed) {
        const Result<Piece> piece = Pin(end, *allowed - put, Holes::kFill);
        if (!piece.ok()) {
          result = piece.error();
          break;
        }
        const size_t left = SafeCopy(piece->at, buffer.data() + put, piece->length);
        Unpin(*piece);
        put += piece->length - left;
        end += piece->length - left;
        Written(ctx, end);
        if (left != 0) result = Errno::kENOMEM;
      }
    }
    done += put;
    if (put < *got) {
      src.Rewind(*got - put);
      if (done == 0 && !result.ok()) return result.error();
      break;
    }
  }
  return done;
}

void RegularFile::ZeroLocked(uint64_t offset, uint64_t length) {
  while (length > 0) {
    const uint64_t skip = offset & kPageMask;
    const PageMap::Run run = pages_.Find(offset, PageRoundUp(length + skip));
    const uint64_t n = std::min(length, run.length - skip);
    if (!run.hole) SafeZero(tmpfs().memory().Pointer(run.memory) + skip, n);
    offset += n;
    length -= n;
  }
}

Result<void> RegularFile::Resize(uint64_t size) {
  std::vector<MemRange> gone;
  {
    base::MutexLock lock(mu_);
    if (size < size_ && (seals_ & kSealShrink) != 0) return Errno::kEPERM;
    if (size > size_ && (seals_ & kSealGrow) != 0) return Errno::kEPERM;
    if (size < size_) {
      gone = pages_.Remove(PageRoundUp(size), UINT64_MAX);
      if ((size & kPageMask) != 0) ZeroLocked(size, PageRoundUp(size) - size);
    }
    const bool shrinks = size < size_;
    size_ = size;
    if (!shrinks) return Ok();
  }
  InvalidateAll(PageRoundUp(size), UINT64_MAX, MappingSpace::Copies::kDrop);
  Free(gone);
  return Ok();
}

Result<void> RegularFile::SetAttr(const VfsContext& ctx, const SetAttributes& set) {
  if (set.size) TRY(Resize(*set.size));
  return Node::SetAttr(ctx, set);
}

Result<RefPtr<FileDescription>> RegularFile::Open(const VfsContext&, const Path& path, uint32_t flags) {
  return NewRegularDescription(path, flags);
}

Result<void> RegularFile::PunchHole(uint64_t offset, uint64_t length) {
  std::vector<MemRange> gone;
  const uint64_t end = length > INT64_MAX - offset ? INT64_MAX : offset + length;
  const uint64_t first = PageRoundUp(offset), last = PageRoundDown(end);
  {
    base::MutexLock lock(mu_);
    if ((seals_ & (kSealWrite | kSealFutureWrite)) != 0) return Errno::kEPERM;
    if (first < last) gone = pages_.Remove(first, last - first);
    ZeroLocked(offset, std::min(first, end) - offset);
    if (last >= first) ZeroLocked(last, end - last);
    attributes_.mtime = attributes_.ctime = RealtimeNow();
  }
  if (first < last) InvalidateAll(first, last - first, MappingSpace::Copies::kKeep);
  Free(gone);
  return Ok();
}

// All or nothing, as Linux's: what was added is taken away again.
Result<void> RegularFile::Preallocate(uint64_t offset, uint64_t length) {
  const uint64_t end = PageRoundUp(offset + length);
  std::vector<std::pair<uint64_t, uint64_t>> added;
  Result<void> result = Ok();
  for (uint64_t at = PageRoundDown(offset); at < end;) {
    base::MutexLock lock(mu_);
    PageMap::Run run = pages_.Find(at, std::min(end - at, kMaxPiece));
    if (run.hole) {
      result = Fill(run);
      if (!result.ok()) break;
      added.emplace_back(run.offset, run.length);
    }
    at = run.offset + run.length;
  }
  if (result.ok()) return result;
  for (const auto& [at, size] : added) {
    std::vector<MemRange> gone;
    {
      base::MutexLock lock(mu_);
      gone = pages_.Remove(at, size);
    }
    InvalidateAll(at, size, MappingSpace::Copies::kKeep);
    Free(gone);
  }
  return result.error() == Errno::kENOMEM ? Errno::kENOSPC : result;
}

Result<void> RegularFile::Fallocate(const VfsContext& ctx, int mode, uint64_t offset, uint64_t length) {
  constexpr int kKeepSize = 1, kPunchHole = 2, kZeroRange = 16;
  if (mode == (kPunchHole | kKeepSize)) return PunchHole(offset, length);
  if ((mode & ~(kKeepSize | kZeroRange)) != 0) return Errno::kEOPNOTSUPP;
  const uint64_t end = offset + length;
  {
    base::MutexLock lock(mu_);
    if ((mode & kKeepSize) == 0 && end > size_) {
      if (end > ctx.file_size_limit) return Errno::kEFBIG;
      if ((seals_ & kSealGrow) != 0) return Errno::kEPERM;
    }
  }
  if ((mode & kZeroRange) != 0) TRY(PunchHole(offset, length));
  TRY(Preallocate(offset, length));
  base::MutexLock lock(mu_);
  if ((mode & kKeepSize) == 0) size_ = std::max(size_, end);
  attributes_.mtime = attributes_.ctime = RealtimeNow();
  return Ok();
}

Result<uint64_t> RegularFile::SeekDataHole(uint64_t offset, int whence) {
  base::MutexLock lock(mu_);
  if (whence == abi::kSeekEnd) return size_;
  if (offset >= size_) return Errno::kENXIO;
  if (whence == abi::kSeekHole) return std::min(size_, pages_.NextHole(offset));
  const uint64_t data = pages_.NextData(offset);
  return data < size_ ? Result<uint64_t>(data) : Errno::kENXIO;
}

Result<void> RegularFile::AddSeals(uint32_t seals) {
  constexpr uint32_t kAll = kSealSeal | kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite | kSealExec;
  if ((seals & ~kAll) != 0) return Errno::kEINVAL;
  base::MutexLock lock(mu_);
  if ((seals_ & kSealSeal) != 0) return Errno::kEPERM;
  if ((seals & ~seals_ & kSealWrite) != 0 && shared_writable_mappings() != 0) return Errno::kEBUSY;
  // Sealed as executable: nor may its content change.
  if ((seals & kSealExec) != 0 && (attributes_.mode & 0111) != 0) {
    seals |= kSealShrink | kSealGrow | kSealWrite | kSealFutureWrite;
  }
  seals_ |= seals;
  return Ok();
}

uint32_t RegularFile::seals() const {
  base::MutexLock lock(mu_);
  return seals_;
}

Result<void> RegularFile::CheckMap(bool shared, MemoryProtection max) {
  base::MutexLock lock(mu_);
  const bool sealed = (seals_ & (kSealWrite | kSealFutureWrite)) != 0;
  return shared && max.write && sealed ? Errno::kEPERM : Ok();
}

// Fills holes even for a read: the page stays mapped when a write comes later.
Result<Translation> RegularFile::Translate(uint64_t offset, uint64_t max_length, MemoryProtection) {
  base::MutexLock lock(mu_);
  const uint64_t page = PageRoundDown(offset);
  if (page >= PageRoundUp(size_)) return Errno::kEFAULT;
  const uint64_t room = std::min(PageRoundUp(std::max<uint64_t>(max_length, 1)), PageRoundUp(size_) - page);
  PageMap::Run run = pages_.Find(page, room);
  if (run.hole) {
    run.length = std::min(run.length, kFaultFill);
    const Result<void> filled = Fill(run);
    if (!filled.ok()) return filled.error() == Errno::kENOSPC ? Errno::kEFAULT : filled.error();
  }
  tmpfs().memory().IncRef(run.range());
  Translation out{};
  out.offset = run.offset;
  out.length = run.length;
  out.in_memory_file = true;
  out.mem_offset = run.memory;
  return out;
}

}  // namespace sentry::tmpfs
