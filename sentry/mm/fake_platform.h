// A platform for tests: an address space is a stretch of the test's own, into
// which mappings really go, so that a test can load and store as a guest would.
#ifndef SENTRY_MM_FAKE_PLATFORM_H_
#define SENTRY_MM_FAKE_PLATFORM_H_

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "base/check.h"
#include "platform/platform.h"

namespace sentry {

class FakeAddressSpace final : public platform::AddressSpace {
 public:
  // Guest addresses from here on can't be mapped.
  static constexpr uint64_t kSize = uint64_t{64} << 30;

  FakeAddressSpace() {
    void* p = mmap(nullptr, kSize, PROT_NONE, kReserve, -1, 0);
    CHECK(p != MAP_FAILED);
    base_ = static_cast<std::byte*>(p);
  }
  ~FakeAddressSpace() override { munmap(base_, kSize); }

  platform::Result<void> Apply(std::span<const platform::MapOp> ops) override {
    ++applies;
    for (const platform::MapOp& op : ops) {
      ++this->ops;
      if (fail_next > 0 && --fail_next == 0) return platform::Errno::kENOMEM;
      if (dead) return platform::Errno::kESRCH;
      const uint64_t end = std::min(op.range.end.value, kSize);
      if (op.range.start.value >= end) continue;
      std::byte* at = base_ + op.range.start.value;
      const size_t size = end - op.range.start.value;
      CHECK(op.range.start.page_aligned() && op.range.end.page_aligned());
      if (op.kind == platform::MapOp::Kind::kUnmap) {
        CHECK(mmap(at, size, PROT_NONE, kReserve | MAP_FIXED, -1, 0) != MAP_FAILED);
        continue;
      }
      CHECK(op.range.end.value <= kSize && op.prot.any());
      if (op.kind == platform::MapOp::Kind::kProtect) {
        if (mprotect(at, size, op.prot.ToHost()) != 0) return base::HostErrno();
        continue;
      }
      const int flags = MAP_SHARED | MAP_FIXED | (op.populate ? MAP_POPULATE : 0);
      if (mmap(at, size, op.prot.ToHost(), flags, op.host_fd, static_cast<off_t>(op.offset)) == MAP_FAILED) {
        return base::HostErrno();
      }
    }
    return base::Ok();
  }
  size_t vma_budget() const override { return budget; }
  std::byte* At(uint64_t addr) const { return base_ + addr; }

  size_t budget = 30000;
  size_t applies = 0;
  size_t ops = 0;
  int fail_next = 0;  // the n-th op from now on fails with ENOMEM
  bool dead = false;

 private:
  static constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  std::byte* base_;
};

class FakePlatform final : public platform::Platform {
 public:
  const platform::PlatformInfo& info() const override { return info_; }
  platform::Result<std::unique_ptr<platform::AddressSpace>> NewAddressSpace() override {
    return std::unique_ptr<platform::AddressSpace>(std::make_unique<FakeAddressSpace>());
  }
  platform::Result<std::unique_ptr<platform::Context>> NewContext() override { return platform::Errno::kENOSYS; }

 private:
  platform::PlatformInfo info_;
};

}  // namespace sentry

#endif  // SENTRY_MM_FAKE_PLATFORM_H_
