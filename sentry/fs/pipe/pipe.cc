#include "sentry/fs/pipe/pipe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

namespace sentry {
namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm;
constexpr size_t kSmallWrite = 512;
constexpr uint32_t kMaxChunks = kPipeDefaultSlots;  // copied in between two insertions

// Slots charged to each user (Linux's user_struct.pipe_bufs). Never destroyed:
// pipes may outlive static objects.
class Accounting {
 public:
  // The user's total after adding `slots`.
  int64_t Add(uint32_t uid, int64_t slots) {
    base::MutexLock lock(mu_);
    const auto it = by_uid_.try_emplace(uid, 0).first;
    const int64_t total = it->second += slots;
    if (total == 0) by_uid_.erase(it);
    return total;
  }
  static Accounting& Get() {
    static Accounting* const instance = new Accounting;
    return *instance;
  }

 private:
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::map<uint32_t, int64_t> by_uid_ ABSL_GUARDED_BY(mu_);
};

bool MayExceedUserPages(const Credentials& creds) {
  return creds.Has(Capability::kSysResource) || creds.Has(Capability::kSysAdmin);
}

}  // namespace

Pipe::Pipe(const Credentials& creds, bool is_fifo) : is_fifo_(is_fifo), uid_(creds.uid) {
  uint32_t slots = kPipeDefaultSlots;
  const int64_t total = Accounting::Get().Add(uid_, slots);
  if (total > kPipeUserPagesSoft && !MayExceedUserPages(creds)) {
    constexpr uint32_t kMinSlots = 2;  // Linux's PIPE_MIN_DEF_BUFFERS
    Accounting::Get().Add(uid_, int64_t{kMinSlots} - slots);
    slots = kMinSlots;
  }
  base::MutexLock lock(mu_);
  ring_.resize(slots);
}

Pipe::~Pipe() {
  base::MutexLock lock(mu_);
  Accounting::Get().Add(uid_, -static_cast<int64_t>(ring_.size()));
}

Result<Pipe::OpenState> Pipe::OpenEnds(bool reads, bool writes, NeedReader need) {
  bool first;
  OpenState state;
  {
    base::MutexLock lock(mu_);
    if (need == NeedReader::kYes && readers_ == 0) return Errno::kENXIO;
    if (reads) ++readers_, ++openings_.reads;
    if (writes) ++writers_, ++openings_.writes;
    first = (reads && readers_ == 1) || (writes && writers_ == 1);
    state = {openings_, readers_ > 0, writers_ > 0};
  }
  if (first) wait_queue_.Notify(kIn | kOut);  // openers that wait for a peer
  return state;
}

void Pipe::CloseEnds(bool reads, bool writes) {
  std::vector<Buffer> dropped;
  {
    base::MutexLock lock(mu_);
    if (reads) --readers_;
    if (writes) --writers_;
    if (readers_ == 0 && writers_ == 0) {  // a fifo opened again starts empty
      dropped.resize(ring_.size());
      dropped.swap(ring_);
      tail_ = used_ = 0;
      for (RefPtr<PipePage>& page : spare_) page.reset();
      return;
    }
    if ((readers_ == 0) == (writers_ == 0)) return;
  }
  wait_queue_.Notify(kIn | kOut | base::kEventErr | base::kEventHup);
}

Pipe::Openings Pipe::openings() const {
  base::MutexLock lock(mu_);
  return openings_;
}

bool Pipe::CanMerge(size_t bytes) {
  if (used_ == 0 || bytes == 0) return false;
  const Buffer& last = At(used_ - 1);
  return last.can_merge && last.offset + last.length + bytes <= kPageSize;
}

void Pipe::Append(Buffer buffer) {
  ++used_;
  At(used_ - 1) = std::move(buffer);
}

void Pipe::PopFront() {
  RefPtr<PipePage> page = std::move(At(0).page);
  At(0) = Buffer{};
  tail_ = (tail_ + 1) % ring_.size();
  --used_;
  if (page->ref_count() != 1) return;
  for (RefPtr<PipePage>& spare : spare_) {
    if (spare) continue;
    spare = std::move(page);
    return;
  }
}

RefPtr<PipePage> Pipe::TakePage() {
  for (RefPtr<PipePage>& spare : spare_) {
    if (spare) return std::move(spare);
  }
  return MakeRef<PipePage>();
}

Result<size_t> Pipe::Read(IoSink& dst) {
  if (dst.remaining() == 0) return size_t{0};
  size_t done = 0;
  size_t copied = 0;  // of the first buffer, to be consumed
  bool wake_writers = false;
  Result<size_t> end = size_t{0};  // what to return if nothing was read
  {
    base::MutexLock reader(read_mu_);
    while (true) {
      const std::byte* from;
      size_t want;
      {
        base::MutexLock lock(mu_);
        bool packet_end = false;
        if (copied > 0) {
          Buffer& first = At(0);
          packet_end = first.packet;
          first.offset += copied;
          first.length -= copied;
          if (first.length == 0 || packet_end) {
            wake_writers |= full();
            PopFront();
          }
        }
        if (packet_end || dst.remaining() == 0) break;
        if (used_ == 0) {
          if (writers_ > 0) end = Errno::kEAGAIN;
          break;
        }
        const Buffer& first = At(0);
        from = first.page->bytes.data() + first.offset;
        want = std::min<size_t>(first.length, dst.remaining());
      }
      // The buffer stays first and its bytes stay as they are: see read_mu_.
      const Result<size_t> n = dst.Write(std::span(from, want));
      if (!n.ok() || *n < want) {
        end = Errno::kEFAULT;
        break;
      }
      copied = *n;
      done += copied;
    }
  }
  if (wake_writers) wait_queue_.Notify(kOut);
  return done > 0 ? Result<size_t>(done) : end;
}

bool Pipe::InsertSmall(std::span<const std::byte> bytes, Mode mode) {
  if (mode == Mode::kStream && CanMerge(bytes.size())) {
    Buffer& last = At(used_ - 1);
    memcpy(last.page->bytes.data() + last.offset + last.length, bytes.data(), bytes.size());
    last.length += bytes.size();
    return true;
  }
  if (full()) return false;
  RefPtr<PipePage> page = TakePage();
  memcpy(page->bytes.data(), bytes.data(), bytes.size());
  Append({.page = std::move(page),
          .length = static_cast<uint32_t>(bytes.size()),
          .packet = mode == Mode::kPacket,
          .can_merge = mode == Mode::kStream});
  return true;
}

// The common short message: no page is allocated before it is known to fit.
Result<size_t> Pipe::WriteSmall(IoSource& src, Mode mode) {
  std::byte bytes[kSmallWrite];
  const size_t len = src.remaining();
  const Result<size_t> n = src.Read(std::span(bytes, len));
  {
    base::MutexLock lock(mu_);
    // In Linux's order: the state of the pipe goes before a bad address.
    if (readers_ == 0) return Errno::kEPIPE;
    if (!n.ok() || *n < len) return full() ? Errno::kEAGAIN : Errno::kEFAULT;
    if (!InsertSmall(std::span(bytes, len), mode)) {
      src.Rewind(len);
      return Errno::kEAGAIN;
    }
  }
  wait_queue_.Notify(kIn);
  return len;
}

Result<Pipe::WritePlan> Pipe::PlanWrite(size_t len, Mode mode, std::vector<RefPtr<PipePage>>* pages) {
  base::MutexLock lock(mu_);
  if (readers_ == 0) return Errno::kEPIPE;
  const uint32_t room = static_cast<uint32_t>(ring_.size()) - used_;
  WritePlan plan;
  // As Linux: the odd bytes go first if they fit behind the last buffer's.
  const size_t odd = len % kPageSize;
  if (mode == Mode::kStream && CanMerge(odd)) {
    plan = {odd, 1 + static_cast<uint32_t>(std::min<size_t>(room, len / kPageSize))};
  } else {
    plan = {std::min<size_t>(len, kPageSize),
            static_cast<uint32_t>(std::min<size_t>(room, (len + kPageSize - 1) / kPageSize))};
  }
  if (plan.chunks == 0) return Errno::kEAGAIN;
  plan.chunks = std::min(plan.chunks, kMaxChunks);
  for (uint32_t i = 0; i < std::min<uint32_t>(plan.chunks, spare_.size()); ++i) pages->push_back(TakePage());
  return plan;
}

size_t Pipe::Insert(std::vector<Chunk>& chunks, Mode mode, bool* gone) {
  base::MutexLock lock(mu_);
  size_t done = 0;
  *gone = readers_ == 0;
  if (*gone) return 0;
  for (Chunk& chunk : chunks) {
    if (mode == Mode::kStream && CanMerge(chunk.length)) {
      Buffer& last = At(used_ - 1);
      memcpy(last.page->bytes.data() + last.offset + last.length, chunk.page->bytes.data(), chunk.length);
      last.length += chunk.length;
    } else if (full()) {
      break;
    } else {
      Append({.page = std::move(chunk.page),
              .length = static_cast<uint32_t>(chunk.length),
              .packet = mode == Mode::kPacket,
              .can_merge = mode == Mode::kStream});
    }
    done += chunk.length;
  }
  return done;
}

Result<size_t> Pipe::Write(IoSource& src, Mode mode) {
  const size_t len = src.remaining();
  if (len == 0) return size_t{0};
  if (len <= kSmallWrite) return WriteSmall(src, mode);
  size_t done = 0;
  const auto stop = [&](Errno e) { return done > 0 ? Result<size_t>(done) : Result<size_t>(e); };
  while (src.remaining() > 0) {
    std::vector<RefPtr<PipePage>> pages;
    const Result<WritePlan> plan = PlanWrite(src.remaining(), mode, &pages);
    if (!plan.ok()) return stop(plan.error());
    std::vector<Chunk> chunks;
    chunks.reserve(plan->chunks);
    size_t copied = 0;
    bool fault = false;
    for (uint32_t i = 0; i < plan->chunks && !fault && src.remaining() > 0; ++i) {
      const size_t want = i == 0 ? plan->first : std::min<size_t>(src.remaining(), kPageSize);
      RefPtr<PipePage> page = i < pages.size() ? std::move(pages[i]) : MakeRef<PipePage>();
      const Result<size_t> n = src.Read(std::span(page->bytes).first(want));
      fault = !n.ok() || *n < want;
      if (fault) break;
      copied += want;
      chunks.push_back({std::move(page), want});
    }
    bool gone = false;
    const size_t inserted = Insert(chunks, mode, &gone);
    if (inserted > 0) wait_queue_.Notify(kIn);
    done += inserted;
    if (gone) return stop(Errno::kEPIPE);
    if (inserted < copied) {
      if (!fault) src.Rewind(copied - inserted);
      return stop(Errno::kEAGAIN);
    }
    if (fault) return stop(Errno::kEFAULT);
  }
  return done;
}

base::EventMask Pipe::Readiness() const {
  base::MutexLock lock(mu_);
  base::EventMask mask = 0;
  if (used_ > 0) mask |= kIn;
  if (!full()) mask |= kOut;
  if (readers_ == 0) mask |= base::kEventErr;
  if (writers_ == 0) mask |= base::kEventHup;
  return mask;
}

size_t Pipe::bytes_queued() const {
  base::MutexLock lock(mu_);
  size_t sum = 0;
  for (const Buffer& b : ring_) sum += b.length;
  return sum;
}

size_t Pipe::capacity() const {
  base::MutexLock lock(mu_);
  return ring_.size() * kPageSize;
}

Result<size_t> Pipe::SetCapacity(const VfsContext& ctx, size_t bytes) {
  if (bytes == 0 || bytes > (size_t{1} << 31)) return Errno::kEINVAL;
  // Not even CAP_SYS_RESOURCE lifts the limit: the pages are the sentry's own.
  if (bytes > kPipeMaxSize) return Errno::kEPERM;
  const uint32_t slots = static_cast<uint32_t>(std::bit_ceil(std::max<size_t>(bytes, kPageSize)) / kPageSize);
  bool grew;
  {
    base::MutexLock lock(mu_);
    if (slots < used_) return Errno::kEBUSY;
    const int64_t change = static_cast<int64_t>(slots) - static_cast<int64_t>(ring_.size());
    const int64_t total = Accounting::Get().Add(uid_, change);
    if (change > 0 && total > kPipeUserPagesSoft && !MayExceedUserPages(*ctx.creds)) {
      Accounting::Get().Add(uid_, -change);
      return Errno::kEPERM;
    }
    std::vector<Buffer> fresh(slots);
    for (uint32_t i = 0; i < used_; ++i) fresh[i] = std::move(At(i));
    ring_ = std::move(fresh);
    tail_ = 0;
    grew = change > 0;
  }
  if (grew) wait_queue_.Notify(kOut);
  return size_t{slots} * kPageSize;
}

Result<size_t> Pipe::Splice(Pipe& from, Pipe& to, size_t len) { return Transfer(from, to, len, true); }
Result<size_t> Pipe::Tee(Pipe& from, Pipe& to, size_t len) { return Transfer(from, to, len, false); }

Result<size_t> Pipe::Transfer(Pipe& from, Pipe& to, size_t len, bool consume) {
  if (&from == &to) return Errno::kEINVAL;
  if (len == 0) return size_t{0};
  size_t done = 0;
  bool wake_writers = false;
  {
    base::MutexLock reader(from.read_mu_);
    base::MutexPairLock lock(from.mu_, to.mu_);
    if (to.readers_ == 0) return Errno::kEPIPE;
    if (from.used_ == 0) {
      if (from.writers_ == 0) return size_t{0};
      return Errno::kEAGAIN;
    }
    if (to.full()) return Errno::kEAGAIN;
    uint32_t next = 0;  // of `from`, when nothing is consumed
    while (done < len && next < from.used_ && !to.full()) {
      Buffer& b = from.At(next);
      Buffer moved = b;
      moved.length = static_cast<uint32_t>(std::min<size_t>(b.length, len - done));
      done += moved.length;
      const bool whole = moved.length == b.length;
      moved.can_merge = b.can_merge && whole && consume;
      if (!consume) {
        ++next;
      } else if (whole) {
        wake_writers |= from.full();
        b.page.reset();  // now `moved`'s alone
        b = Buffer{};
        from.tail_ = (from.tail_ + 1) % from.ring_.size();
        --from.used_;
      } else {
        b.offset += moved.length;
        b.length -= moved.length;
      }
      to.Append(std::move(moved));
    }
  }
  if (wake_writers) from.wait_queue_.Notify(kOut);
  to.wait_queue_.Notify(kIn);
  return done;
}

}  // namespace sentry
