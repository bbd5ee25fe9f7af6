#include "platform/ptrace/ptrace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "platform/ptrace/context.h"
#include "platform/ptrace/placement.h"
#include "platform/stub/layout.h"
#include "platform/stub/stub_pool.h"

namespace platform::ptrace {
namespace {

// At most half of vm.max_map_count: a request may split what lies below it, and
// the stub's own mappings count too.
constexpr size_t kMaxVmaBudget = 30000;

// A stop is otherwise also announced by SIGCHLD to the process, and wakes some
// thread that has no use for it: a third of the cost of a guest's system call.
void SilenceStops() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, nullptr);
}

class PtracePlatform : public Platform {
 public:
  PtracePlatform(std::unique_ptr<stub::StubPool> pool, std::unique_ptr<Placement> placement, size_t vma_budget)
      : vma_budget_(vma_budget), pool_(std::move(pool)), placement_(std::move(placement)) {}

  const PlatformInfo& info() const override { return info_; }

  Result<std::unique_ptr<AddressSpace>> NewAddressSpace() override {
    return std::unique_ptr<AddressSpace>(new PtraceAddressSpace(*pool_, TRY(pool_->Take()), vma_budget_));
  }

  Result<std::unique_ptr<Context>> NewContext() override {
    return std::unique_ptr<Context>(new PtraceContext(*placement_));
  }

 private:
  const PlatformInfo info_ = {"ptrace", {UserAddr(STUB_BASE), UserAddr(STUB_END)}};
  const size_t vma_budget_;
  // Before the pool, which the monitor's callback uses, goes the monitor.
  const std::unique_ptr<stub::StubPool> pool_;
  const std::unique_ptr<Placement> placement_;
};

}  // namespace

Result<std::unique_ptr<Platform>> Create(Options options) {
  SilenceStops();
  const size_t vma_budget = std::min(kMaxVmaBudget, options.stub_template.max_mappings / 2);
  std::unique_ptr<stub::StubPool> pool =
      TRY(stub::StubPool::Create(std::move(options.stub_template), {options.small_fd, options.large_fd}));
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
  return std::unique_ptr<Platform>(new PtracePlatform(std::move(pool), std::move(placement), vma_budget));
}

}  // namespace platform::ptrace
