#include "sentry/kernel/seccomp/filter.h"

#include <utility>

namespace sentry {

using base::RefPtr;

namespace {

// MAX_INSNS_PER_PATH: 256 KiB worth of instructions, and 4 for each step.
constexpr size_t kMaxPathLength = (1 << 18) / sizeof(abi::SockFilter);
constexpr size_t kStepPenalty = 4;

// In the whole sandbox, of all tasks: 64 MiB. Linux charges them to a memory cgroup.
constexpr size_t kMaxInstructions = (64 << 20) / sizeof(abi::SockFilter);
std::atomic<size_t> instructions_in_use{0};  // a sum alone: no order with anything else

bool Reserve(size_t count) {
  if (instructions_in_use.fetch_add(count, std::memory_order_relaxed) + count <= kMaxInstructions) return true;
  instructions_in_use.fetch_sub(count, std::memory_order_relaxed);
  return false;
}

// Small programs cost the rest of the object.
size_t CostOf(const BpfProgram& program) { return program.length() + 64; }

int32_t Rank(uint32_t answer) { return static_cast<int32_t>(answer & abi::kSeccompRetActionFull); }

}  // namespace

Result<RefPtr<SeccompFilter>> SeccompFilter::Create(BpfProgram program, Log log, RefPtr<SeccompSupervisor> supervisor) {
  if (!Reserve(CostOf(program))) return Errno::kENOMEM;
  return base::MakeRef<SeccompFilter>(std::move(program), log, std::move(supervisor));
}

SeccompFilter::SeccompFilter(BpfProgram program, Log log, RefPtr<SeccompSupervisor> supervisor)
    : program_(std::move(program)),
      log_(log),
      supervisor_(std::move(supervisor)),
      path_length_(program_.translated_length()) {
  for (size_t number = 0; number < kCachedCalls; ++number) {
    always_allowed_[number] = program_.AlwaysAllows(static_cast<int32_t>(number), abi::kAuditArchX8664);
  }
}

// A long way would be a deep recursion.
SeccompFilter::~SeccompFilter() {
  instructions_in_use.fetch_sub(CostOf(program_), std::memory_order_relaxed);
  RefPtr<SeccompFilter> next = std::move(older_);
  // Whose only reference is ours can't be found by others.
  while (next && next->ref_count() == 1) next = std::move(next->older_);
}

Result<void> SeccompFilter::Link(RefPtr<SeccompFilter> older) {
  if (!older) return Ok();
  const size_t length = path_length_ + older->path_length_ + kStepPenalty;
  if (length > kMaxPathLength) return Errno::kENOMEM;
  path_length_ = length;
  count_ = older->count_ + 1;
  always_allowed_ &= older->always_allowed_;
  older_ = std::move(older);
  return Ok();
}

SeccompFilter::Verdict SeccompFilter::Run(const abi::SeccompData& data) const {
  Verdict verdict = {abi::kSeccompRetAllow, nullptr};
  for (const SeccompFilter* f = this; f != nullptr; f = f->older_.get()) {
    const uint32_t answer = f->program_.Run(data);
    if (Rank(answer) < Rank(verdict.answer)) verdict = {answer, f};
  }
  return verdict;
}

bool SeccompFilter::IsOrDescendsFrom(const SeccompFilter* ancestor) const {
  for (const SeccompFilter* f = this; f != nullptr; f = f->older_.get()) {
    if (f == ancestor) return true;
  }
  return false;
}

bool SeccompFilter::HasLiveSupervisor() const {
  for (const SeccompFilter* f = this; f != nullptr; f = f->older_.get()) {
    if (f->supervisor_ && !f->supervisor_->closed()) return true;
  }
  return false;
}

// Each filter is a user of the next older one for as long as it has users itself.
void SeccompFilter::DropUser() {
  for (SeccompFilter* f = this; f != nullptr; f = f->older_.get()) {
    if (f->users_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (f->supervisor_) f->supervisor_->NoTasksLeft();
  }
}

}  // namespace sentry
