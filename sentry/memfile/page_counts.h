// Reference counts of the pages of one class of the memory file: a word a page,
// in segments of 2 MiB that exist only while a page of theirs is in use.
#ifndef SENTRY_MEMFILE_PAGE_COUNTS_H_
#define SENTRY_MEMFILE_PAGE_COUNTS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/check.h"
#include "sentry/memfile/memory_file.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

class PageCounts {
 public:
  static constexpr uint64_t kPagesPerSegment = kHugePageSize / kPageSize;

  explicit PageCounts(uint64_t bytes)
      // calloc, not a vector: the table is untouched zero pages of the host's
      // until a segment there is used.
      : segments_(static_cast<Segment**>(calloc(bytes / kHugePageSize + 1, sizeof(Segment*)))),
        segment_count_(bytes / kHugePageSize + 1) {
    CHECK(segments_ != nullptr);
  }
  PageCounts(const PageCounts&) = delete;
  PageCounts& operator=(const PageCounts&) = delete;
  ~PageCounts() {
    for (uint64_t i = 0; i < segment_count_; ++i) delete segments_.get()[i];
  }

  // What the memory is for, and the number of the account that pays for it (0: none).
  struct Owner {
    MemKind kind = MemKind::kAnonymous;
    uint32_t account = 0;
    friend bool operator==(const Owner&, const Owner&) = default;
  };

  uint64_t Get(uint64_t offset) const {
    const Segment* s = segments_.get()[offset / kHugePageSize];
    return s == nullptr ? 0 : s->word[Index(offset)] >> kOwnerBits;
  }
  // From 0 to 1.
  void Start(uint64_t offset, Owner owner) {
    Segment*& s = segments_.get()[offset / kHugePageSize];
    if (s == nullptr) s = new Segment;
    uint64_t& w = s->word[Index(offset)];
    CHECK(w == 0 && owner.account <= kAccountMask);
    w = kOne | uint64_t{owner.account} << kKindBits | static_cast<uint64_t>(owner.kind);
    ++s->live;
  }
  void Inc(uint64_t offset) {
    uint64_t& w = Word(offset);
    CHECK(w < UINT64_MAX - kOne);
    w += kOne;
  }
  struct Dropped {
    bool free = false;  // that was the last reference: call Retire when done with it
    Owner owner{};
  };
  Dropped Dec(uint64_t offset) {
    uint64_t& w = Word(offset);
    w -= kOne;
    if (w >> kOwnerBits != 0) return {};
    Dropped d{true, {static_cast<MemKind>(w & kKindMask), static_cast<uint32_t>(w >> kKindBits & kAccountMask)}};
    w = 0;
    return d;
  }
  // A page that Dec freed may be handed out again. True if no page of its
  // segment is in use or waits to be retired.
  bool Retire(uint64_t offset) {
    Segment*& s = segments_.get()[offset / kHugePageSize];
    if (--s->live != 0) return false;
    delete s;
    s = nullptr;
    return true;
  }

 private:
  // The owner shares the word, so that the page that frees itself knows what to
  // take off the accounts.
  static constexpr uint32_t kKindBits = 3;
  static constexpr uint32_t kAccountBits = 16;
  static constexpr uint64_t kAccountMask = (uint64_t{1} << kAccountBits) - 1;
  static constexpr uint32_t kOwnerBits = kKindBits + kAccountBits;
  static constexpr uint64_t kOne = uint64_t{1} << kOwnerBits;
  static constexpr uint32_t kKindMask = (1u << kKindBits) - 1;
  static_assert(static_cast<uint32_t>(MemKind::kCount) <= kKindMask);
  struct Segment {
    uint64_t word[kPagesPerSegment] = {};
    uint32_t live = 0;
  };
  struct Free {
    void operator()(Segment** p) const { free(p); }
  };

  static uint64_t Index(uint64_t offset) { return offset / kPageSize % kPagesPerSegment; }
  uint64_t& Word(uint64_t offset) {
    Segment* s = segments_.get()[offset / kHugePageSize];
    CHECK(s != nullptr);
    uint64_t& w = s->word[Index(offset)];
    CHECK(w >> kOwnerBits != 0);  // a page that nobody owns
    return w;
  }

  std::unique_ptr<Segment*, Free> segments_;
  uint64_t segment_count_;
};

}  // namespace sentry

#endif  // SENTRY_MEMFILE_PAGE_COUNTS_H_
