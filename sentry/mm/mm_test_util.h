// What the tests of this room share: an address space on the fake platform, and
// a guest that loads and stores in it.
#ifndef SENTRY_MM_MM_TEST_UTIL_H_
#define SENTRY_MM_MM_TEST_UTIL_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sentry/mm/fake_platform.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/usermem/safe_copy.h"

namespace sentry {

inline constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

inline std::unique_ptr<MemoryFile> NewMemoryFile(uint64_t limit) {
  MemoryFile::Options o;
  o.small_fd = base::UniqueFd(memfd_create("small", MFD_CLOEXEC));
  o.large_fd = base::UniqueFd(memfd_create("large", MFD_CLOEXEC));
  o.limit = limit;
  auto r = MemoryFile::Create(std::move(o));
  CHECK(r.ok());
  return std::move(*r);
}

// A file for mapping: on a host memfd with a view, without one, or in the memory file.
class TestFile final : public Mappable {
 public:
  enum class Kind { kHost, kHostNoView, kMemory };
  TestFile(MemoryFile& mf, uint64_t size, Kind kind = Kind::kHost) : mf_(mf), kind_(kind), size_(size) {
    if (kind == Kind::kMemory) {
      auto r = mf.Allocate(PageRoundUp(size), MemKind::kShared, false);
      CHECK(r.ok());
      mem_ = *r;
      view_ = mf.Pointer(mem_.start);
      return;
    }
    fd_ = base::UniqueFd(memfd_create("file", MFD_CLOEXEC));
    CHECK(ftruncate(fd_.get(), static_cast<off_t>(size)) == 0);
    mapped_ = PageRoundUp(size);
    view_ = static_cast<std::byte*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
  }
  Result<void> CheckMap(bool, MemoryProtection) override { return base::Ok(); }
  Result<Translation> Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) override {
    ++translations;
    if (access.write) ++write_translations;
    if (hook) hook();
    if (offset >= PageRoundUp(size_)) return Errno::kEFAULT;
    Translation t{.offset = offset, .length = std::min(max_length, PageRoundUp(size_) - offset)};
    if (kind_ == Kind::kMemory) {
      t.in_memory_file = true;
      t.mem_offset = mem_.start + offset;
      mf_.IncRef({t.mem_offset, t.mem_offset + t.length});
    } else {
      t.host_fd = fd_.get();
      t.host_offset = offset;
      if (kind_ == Kind::kHost) t.pointer = view_ + offset;
    }
    return t;
  }
  Result<void> SyncMapped(uint64_t offset, uint64_t length) override {
    synced = {offset, length};
    return base::Ok();
  }
  // The host file alone, as another host process would.
  void HostTruncate(uint64_t size) { CHECK(ftruncate(fd_.get(), static_cast<off_t>(size)) == 0); }
  void Truncate(uint64_t size) {
    size_ = size;
    if (kind_ != Kind::kMemory) HostTruncate(size);
    InvalidateAll(PageRoundUp(size), UINT64_MAX, MappingSpace::Copies::kDrop);
  }
  std::byte* view() { return view_; }
  char& At(uint64_t offset) { return reinterpret_cast<char*>(view_)[offset]; }

  int translations = 0, write_translations = 0;
  std::function<void()> hook;
  std::pair<uint64_t, uint64_t> synced{};

 private:
  ~TestFile() override {
    if (mem_.size() > 0) {
      mf_.DecRef(mem_);
    } else {
      munmap(view_, mapped_);
    }
  }
  MemoryFile& mf_;
  const Kind kind_;
  uint64_t size_;
  base::UniqueFd fd_;
  uint64_t mapped_ = 0;
  MemRange mem_;
  std::byte* view_ = nullptr;
};

// One guest process. Accesses fault as on ptrace, which can't tell a first write
// from a read: reported as a read, and as a write when it comes again.
class Guest {
 public:
  explicit Guest(RefPtr<MemoryManager> mm) : mm_(std::move(mm)) {}
  MemoryManager& mm() { return *mm_; }
  MemoryManager* operator->() { return mm_.get(); }
  FakeAddressSpace& space() { return static_cast<FakeAddressSpace&>(mm_->address_space()); }
  std::byte* Raw(UserAddr a) { return space().At(a.value); }
  void Drop() { mm_.reset(); }

  std::optional<FaultFailure> Store(UserAddr a, char v) {
    return Access(a, kProtReadWrite, [&] { return SafeCopy(Raw(a), &v, 1) == 0; });
  }
  std::optional<FaultFailure> Load(UserAddr a, char* v) {
    return Access(a, kProtRead, [&] { return SafeCopy(v, Raw(a), 1) == 0; });
  }
  // -1: it did not work.
  int Get(UserAddr a) {
    char v = 0;
    return Load(a, &v) ? -1 : static_cast<unsigned char>(v);
  }
  bool Put(UserAddr a, char v) { return !Store(a, v); }
  size_t faults = 0;

  UserAddr Map(uint64_t length, MmapRequest rq = {}) {
    rq.length = length;
    if (!rq.prot.any()) rq.prot = kProtReadWrite;
    auto r = mm_->Mmap(rq);
    EXPECT_TRUE(r.ok()) << (r.ok() ? "" : base::ErrnoName(r.error()));
    return r.ok() ? *r : UserAddr();
  }

 private:
  template <typename Try>
  std::optional<FaultFailure> Access(UserAddr a, MemoryProtection access, Try again) {
    for (int i = 0; i < 10; ++i) {
      if (again()) return std::nullopt;
      ++faults;
      const MemoryProtection as = access.write && i > 0 ? MemoryProtection{.write = true} : kProtRead;
      if (auto failure = mm_->HandleFault(a, as)) return failure;
    }
    ADD_FAILURE() << "a fault that never ends at " << std::hex << a.value;
    return FaultFailure{0, 0};
  }
  RefPtr<MemoryManager> mm_;
};

class MmTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { InstallSafeCopyHandler(); }
  Guest NewGuest() {
    auto mm = MemoryManager::Create({std::shared_ptr<void>(), &platform}, *mf);
    CHECK(mm.ok());
    (*mm)->SetMmapTop(UserAddr(48 * kGiB));
    return Guest(std::move(*mm));
  }
  Guest Fork(Guest& of) {
    auto mm = of->Fork();
    CHECK(mm.ok());
    return Guest(std::move(*mm));
  }
  void UseMemory(uint64_t limit) { mf = NewMemoryFile(limit); }
  uint64_t used() const { return mf->usage().total(); }

  FakePlatform platform;
  std::unique_ptr<MemoryFile> mf = NewMemoryFile(4 * kGiB);
};

inline std::span<const std::byte> Bytes(const std::string& s) { return std::as_bytes(std::span(s.data(), s.size())); }

}  // namespace sentry

#endif  // SENTRY_MM_MM_TEST_UTIL_H_
