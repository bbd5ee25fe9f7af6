// What the platforms of stub processes share: how they are made, and their address
// spaces.
#ifndef PLATFORM_STUB_STUB_PLATFORM_H_
#define PLATFORM_STUB_STUB_PLATFORM_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "platform/platform.h"
#include "platform/stub/layout.h"
#include "platform/stub/placement.h"
#include "platform/stub/stub_pool.h"
#include "platform/stub/stub_process.h"
#include "platform/stub/template.h"

namespace platform::stub {

struct Options {
  // The memory files, as given to StartTemplate; borrowed. -1: none.
  int small_fd = -1;
  int large_fd = -1;
  TemplateHandle stub_template;
  // Called once, on the platform's own thread, with what happened. No stub can be
  // made any more: the sandbox should end.
  std::function<void(std::string cause)> on_template_death;
  // Called on the same thread when a stub has died by itself, and perhaps when none
  // has: AddressSpace::Lost tells. Guests that are blocked would not notice.
  std::function<void()> on_stub_death = {};
};

class StubAddressSpace : public AddressSpace {
 public:
  StubAddressSpace(StubPool& pool, std::shared_ptr<StubProcess> stub, size_t vma_budget)
      : pool_(pool), stub_(std::move(stub)), vma_budget_(vma_budget) {}
  ~StubAddressSpace() override { pool_.Bury(stub_); }

  Result<void> Apply(std::span<const MapOp> ops) override { return stub_->Apply(ops); }
  size_t vma_budget() const override { return vma_budget_; }
  std::optional<std::string> Lost() const override { return stub_->Lost(); }
  const std::shared_ptr<StubProcess>& stub() const { return stub_; }

 private:
  StubPool& pool_;
  const std::shared_ptr<StubProcess> stub_;
  const size_t vma_budget_;
};

// What their platforms have in common. Starts a thread and the first stubs, opens
// nothing; outlives its address spaces and contexts.
class StubPlatform : public Platform {
 public:
  const PlatformInfo& info() const override { return info_; }
  Result<std::unique_ptr<AddressSpace>> NewAddressSpace() final { return MakeSpace(TRY(pool().Take())); }
  Result<std::shared_ptr<AddressSpaces>> NewAddressSpaces(base::UniqueFd place) final;

 protected:
  struct Parts {
    std::unique_ptr<StubPool> pool;
    std::unique_ptr<Placement> placement;
    size_t vma_budget;
    bool has_vdso;
  };
  static Result<Parts> MakeParts(Options options, StubMode mode);
  StubPlatform(std::string name, Parts parts)
      : info_{std::move(name), {UserAddr(STUB_BASE), UserAddr(STUB_END)}, parts.has_vdso ? uint64_t{STUB_VDSO} : 0},
        parts_(std::move(parts)) {}
  virtual std::unique_ptr<AddressSpace> MakeSpace(std::shared_ptr<StubProcess> stub) = 0;
  Placement& placement() { return *parts_.placement; }
  StubPool& pool() { return *parts_.pool; }
  size_t vma_budget() const { return parts_.vma_budget; }

 private:
  class Branch;
  const PlatformInfo info_;
  const Parts parts_;
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_STUB_PLATFORM_H_
