#include "platform/stub/stub_platform.h"

#include <algorithm>
#include <utility>

namespace platform::stub {
namespace {

// At most half of vm.max_map_count: a request may split what lies below it, and
// the stub's own mappings count too.
constexpr size_t kMaxVmaBudget = 30000;

}  // namespace

Result<StubPlatform::Parts> StubPlatform::MakeParts(Options options, StubMode mode) {
  const bool has_vdso = options.stub_template.has_vdso;
  const size_t vma_budget = std::min(kMaxVmaBudget, options.stub_template.max_mappings / 2);
  std::unique_ptr<StubPool> pool =
      TRY(StubPool::Create(std::move(options.stub_template), {options.small_fd, options.large_fd}, mode));
  auto on_hangup = [pool = pool.get(), report = std::move(options.on_template_death)] {
    if (report) report(pool->TemplateDeathCause());
  };
  auto on_deaths = [pool = pool.get(), report = std::move(options.on_stub_death)] {
    pool->TakeDeaths();
    if (report) report();
  };
  auto on_tick = [pool = pool.get()] { return pool->Reap(); };
  std::unique_ptr<Placement> placement = TRY(Placement::Create({.hangup_fd = pool->control_fd(),
                                                                .on_hangup = std::move(on_hangup),
                                                                .deaths_fd = pool->deaths_fd(),
                                                                .on_deaths = std::move(on_deaths),
                                                                .on_tick = std::move(on_tick)}));
  // The placement's thread uses the pool: as the later member it goes first.
  return Parts{std::move(pool), std::move(placement), vma_budget, has_vdso};
}

// Stubs of another template.
class StubPlatform::Branch : public AddressSpaces {
 public:
  Branch(StubPlatform& platform, std::unique_ptr<StubPool> pool) : platform_(platform), pool_(std::move(pool)) {}

  Result<std::unique_ptr<AddressSpace>> NewAddressSpace() override {
    Result<std::shared_ptr<StubProcess>> stub = pool_->Take();
    // Without its template (the host may have killed it for want of memory) its guests go on, at others' charge.
    if (stub.Is(Errno::kESRCH)) return platform_.NewAddressSpace();
    return platform_.MakeSpace(TRY(std::move(stub)));
  }

 private:
  StubPlatform& platform_;
  const std::unique_ptr<StubPool> pool_;
};

Result<std::shared_ptr<AddressSpaces>> StubPlatform::NewAddressSpaces(base::UniqueFd place) {
  return std::shared_ptr<AddressSpaces>(std::make_shared<Branch>(*this, TRY(pool().Branch(place.get()))));
}

}  // namespace platform::stub
