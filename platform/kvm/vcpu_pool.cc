#include "platform/kvm/vcpu_pool.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/log.h"
#include "platform/kvm/layout.h"

namespace platform::kvm {
namespace {

using base::MutexLock;
using sentry::arch::FpState;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long a virtual CPU is its owner's, calls and faults between, where others wait; at least, and at most where it
// takes the host long to hand it over.
constexpr milliseconds kTurn{5};
constexpr uint64_t kTurnNs = std::chrono::nanoseconds(kTurn).count();
constexpr uint64_t kLongestTurnNs = 100'000'000;
constexpr uint64_t kNotBegun = ~uint64_t{0} / 2;
// An owner that has not come back for so long is not in the middle of a call.
constexpr uint64_t kRestedNs = 200'000;

uint64_t NowNs() {
  return static_cast<uint64_t>(std::chrono::nanoseconds(steady_clock::now().time_since_epoch()).count());
}

}  // namespace

// --- Occupant ---------------------------------------------------------------------

Occupant::~Occupant() { Leave(); }

void Occupant::Leave() {
  Seat* const seat = TryOwn();
  {
    MutexLock lock(pool_.mu_);
    fp_.Reset();
    fp_outside_ = true;
    if (seat != nullptr) pool_.Evict(*seat);
  }
  if (seat != nullptr) pool_.Free(*seat);
}

Seat* Occupant::TryOwn() {
  while (Seat* const seat = seat_.load(std::memory_order_acquire)) {
    if (seat->busy.exchange(true, std::memory_order_seq_cst)) {
      // Somebody takes it from us, or only looks whose it is, under the lock; or thinks
      // that it is still theirs, for a moment.
      { MutexLock lock(pool_.mu_); }
      std::this_thread::yield();
      continue;
    }
    if (seat->owner == this) return seat;
    pool_.Free(*seat);
  }
  return nullptr;
}

Seat* Occupant::Claim(const std::function<bool()>& cancelled, Errno& error) {
  Seat* seat = TryOwn();
  if (seat == nullptr) {
    seat = pool_.ClaimSlowly(*this, cancelled, error);
    if (seat == nullptr) return nullptr;
    pool_.BeginTurn(*seat);
  }
  if (fp_outside_) {
    fp_outside_ = false;
    if (const Result<void> set = seat->vcpu->SetFpState(fp_); !set.ok()) {
      LOG(kWarning, "kvm: FPU state refused: %s", base::ErrnoName(set.error()));
    }
  }
  return seat;
}

void Occupant::Park(Seat& seat) {
  seat.last_used.store(NowNs(), std::memory_order_relaxed);
  pool_.Free(seat);
}

void Occupant::WillBlock() {
  if (pool_.waiting_.load(std::memory_order_relaxed) == 0) return;
  Seat* const seat = TryOwn();
  if (seat == nullptr) return;
  seat->wanted.store(true, std::memory_order_relaxed);
  pool_.Free(*seat);
}

void Occupant::Poke() {
  if (!waiting_.load(std::memory_order_seq_cst)) return;
  MutexLock lock(pool_.mu_);
  for (VcpuPool::Waiter* w : pool_.waiters_) {
    if (w->who == this) w->woken.Signal();
  }
}

Result<void> Occupant::GetFpState(FpState& out) {
  Seat* const seat = TryOwn();
  if (seat != nullptr && !fp_outside_) {
    const Result<void> got = seat->vcpu->GetFpState(out);
    pool_.Free(*seat);
    return got;
  }
  if (seat != nullptr) pool_.Free(*seat);
  MutexLock lock(pool_.mu_);
  out = fp_;
  return base::Ok();
}

bool Occupant::GetFpStateOfSeat(FpState& out) {
  const Seat* const seat = seat_.load(std::memory_order_relaxed);
  return seat != nullptr && seat->vcpu->GetFpState(out).ok();
}

void Occupant::SetFpState(const FpState& state) {
  Seat* const seat = TryOwn();
  {
    MutexLock lock(pool_.mu_);
    fp_ = state;
    fp_outside_ = true;
  }
  if (seat != nullptr) pool_.Free(*seat);
}

void Occupant::RememberAnswer(uint32_t number, uint64_t value, uint32_t generation) {
  if (number >= ANSWER_COUNT) return;
  MutexLock lock(answers_mu_);
  if (generation != generation_.load(std::memory_order_relaxed)) return;
  const auto it = std::find_if(answers_.begin(), answers_.end(), [&](const auto& a) { return a.first == number; });
  if (it == answers_.end()) {
    answers_.emplace_back(number, value);
  } else {
    it->second = value;
  }
  if (answers_at_ != nullptr) answers_at_->SetAnswer(number, value);
}

void Occupant::ForgetAnswers() {
  MutexLock lock(answers_mu_);
  generation_.fetch_add(1, std::memory_order_release);
  if (answers_at_ != nullptr) {
    for (const auto& [number, value] : answers_) answers_at_->ClearAnswer(number);
  }
  answers_.clear();
}

// --- VcpuPool ---------------------------------------------------------------------

VcpuPool::VcpuPool(size_t limit, Maker maker)
    : maker_(std::move(maker)), seats_(std::make_unique<Seat[]>(limit)), turn_ns_(kTurnNs), limit_(limit) {}

void VcpuPool::Expel(const KvmAddressSpace& space) {
  for (size_t i = 0; i < made(); i++) seats_[i].vcpu->Expel(space);
}

void VcpuPool::Forget(const KvmAddressSpace& space) {
  for (size_t i = 0; i < made(); i++) seats_[i].vcpu->Forget(space);
}

Result<Vcpu*> VcpuPool::First() {
  MutexLock lock(mu_);
  Seat* const seat = TRY(FindIdle());
  seat->busy.store(false, std::memory_order_relaxed);
  return seat->vcpu.get();
}

Result<Seat*> VcpuPool::FindIdle() {
  const size_t made = made_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < made; i++) {
    Seat& seat = seats_[i];
    if (seat.busy.exchange(true, std::memory_order_seq_cst)) continue;
    if (seat.owner == nullptr) return &seat;
    seat.busy.store(false, std::memory_order_seq_cst);
  }
  if (made < limit_) {
    Result<std::unique_ptr<Vcpu>> vcpu = maker_(static_cast<uint32_t>(made));
    if (vcpu.ok()) {
      seats_[made].busy.store(true, std::memory_order_relaxed);
      seats_[made].vcpu = *std::move(vcpu);
      made_.store(made + 1, std::memory_order_release);
      return &seats_[made];
    }
    if (made == 0) return vcpu.error();
    limit_ = made;  // of memory or descriptors
  }
  return FindRested();
}

// The one whose owner has not run for longest, unless that is a moment ago and its turn
// is not over.
Seat* VcpuPool::FindRested() {
  const uint64_t now = NowNs();
  while (true) {
    Seat* oldest = nullptr;
    for (size_t i = 0; i < made_.load(std::memory_order_relaxed); i++) {
      Seat& seat = seats_[i];
      if (seat.busy.load(std::memory_order_seq_cst)) continue;
      if (oldest == nullptr || seat.last_used.load() < oldest->last_used.load()) oldest = &seat;
    }
    if (oldest == nullptr) return nullptr;
    if (now < oldest->last_used.load() + kRestedNs && !IsOver(*oldest, now)) return nullptr;
    if (!oldest->busy.exchange(true, std::memory_order_seq_cst)) return oldest;
  }
}

Seat* VcpuPool::ClaimSlowly(Occupant& who, const std::function<bool()>& cancelled, Errno& error) {
  MutexLock lock(mu_);
  Seat* seat = nullptr;
  if (waiters_.empty()) {
    const Result<Seat*> idle = FindIdle();
    if (!idle.ok()) {
      error = idle.error();
      return nullptr;
    }
    seat = *idle;
  }
  if (seat == nullptr) seat = AwaitTurn(who, cancelled);
  if (seat != nullptr) Occupy(*seat, who);
  return seat;
}

Seat* VcpuPool::AwaitTurn(Occupant& who, const std::function<bool()>& cancelled) {
  Waiter waiter{.who = &who};
  waiters_.push_back(&waiter);
  waiting_.fetch_add(1, std::memory_order_seq_cst);
  who.waiting_.store(true, std::memory_order_seq_cst);
  while (waiter.seat == nullptr && !cancelled()) {
    const bool first = waiters_.front() == &waiter;
    // From here on those who end a run see that somebody waits; one may have ended
    // just before.
    if (first) {
      const Result<Seat*> idle = FindIdle();
      if (idle.ok() && *idle != nullptr) {
        waiter.seat = *idle;
        waiters_.pop_front();
        break;
      }
    }
    const bool in_time = waiter.woken.WaitUntil(mu_, steady_clock::now() + (first ? kTurn : 20 * kTurn));
    if (!in_time && first && waiter.seat == nullptr) AskForTurns();
  }
  who.waiting_.store(false, std::memory_order_relaxed);
  waiting_.fetch_sub(1, std::memory_order_seq_cst);
  if (waiter.seat == nullptr) std::erase(waiters_, &waiter);
  if (!waiters_.empty()) waiters_.front()->woken.Signal();
  return waiter.seat;
}

// Not before its thread has come to a CPU, of which there may be fewer than virtual ones, and not before the host lets
// this thread run it: older ones wait for all CPUs first (RCU), and a turn must be worth that.
void VcpuPool::BeginTurn(Seat& seat) {
  if (waiting_.load(std::memory_order_relaxed) != 0) {
    const uint64_t before = NowNs();
    seat.vcpu->TakeOver();
    turn_ns_.store(std::clamp(2 * (NowNs() - before), kTurnNs, kLongestTurnNs), std::memory_order_relaxed);
  }
  seat.wanted.store(false, std::memory_order_relaxed);
  seat.turn_began.store(NowNs(), std::memory_order_relaxed);
}

bool VcpuPool::IsOver(const Seat& seat, uint64_t now) const {
  return now >= seat.turn_began.load(std::memory_order_relaxed) + turn_ns_.load(std::memory_order_relaxed);
}

// Of all whose turn is over, as many as wait: those asked may be long in coming to a CPU, one after the other too long.
void VcpuPool::AskForTurns() {
  const uint64_t now = NowNs();
  size_t asked = 0;
  for (size_t i = 0; i < made_.load(std::memory_order_relaxed) && asked < waiters_.size(); i++) {
    Seat& seat = seats_[i];
    if (!seat.busy.load(std::memory_order_relaxed) || !IsOver(seat, now)) continue;
    asked++;
    seat.wanted.store(true, std::memory_order_seq_cst);
    seat.vcpu->Interrupt();
  }
}

void VcpuPool::Free(Seat& seat) {
  const bool wanted = seat.wanted.exchange(false, std::memory_order_relaxed);
  // Who comes to wait just now looks again within a turn.
  if (waiting_.load(std::memory_order_seq_cst) != 0) {
    const bool over = wanted || IsOver(seat, NowNs());
    MutexLock lock(mu_);
    if ((over || seat.owner == nullptr) && Grant(seat)) return;
  }
  seat.busy.store(false, std::memory_order_seq_cst);
}

bool VcpuPool::Grant(Seat& seat) {
  if (waiters_.empty()) return false;
  Waiter* const first = waiters_.front();
  waiters_.pop_front();
  first->seat = &seat;
  // Here and not when it wakes up: until then its last owner would find it busy, with
  // its state in it.
  Occupy(seat, *first->who);
  seat.turn_began.store(kNotBegun, std::memory_order_relaxed);
  first->woken.Signal();
  return true;
}

void VcpuPool::Evict(Seat& seat) {
  Occupant* const old = std::exchange(seat.owner, nullptr);
  if (old == nullptr) return;
  if (!old->fp_outside_) {
    if (!seat.vcpu->GetFpState(old->fp_).ok()) old->fp_.Reset();
    old->fp_outside_ = true;
  }
  {
    MutexLock lock(old->answers_mu_);
    old->answers_at_ = nullptr;
    for (const auto& [number, value] : old->answers_) seat.vcpu->ClearAnswer(number);
  }
  old->seat_.store(nullptr, std::memory_order_release);
}

void VcpuPool::Occupy(Seat& seat, Occupant& who) {
  if (seat.owner == &who) return;
  Evict(seat);
  seat.owner = &who;
  who.seat_.store(&seat, std::memory_order_release);
  MutexLock lock(who.answers_mu_);
  who.answers_at_ = seat.vcpu.get();
  for (const auto& [number, value] : who.answers_) seat.vcpu->SetAnswer(number, value);
}

}  // namespace platform::kvm
