// The VM's virtual CPUs, and who has which.
//
// A context keeps the one it had last, with its FPU state in it, until another needs
// it. Where all are running, those who wait take turns with those who run.
#ifndef PLATFORM_KVM_VCPU_POOL_H_
#define PLATFORM_KVM_VCPU_POOL_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "platform/kvm/vcpu.h"

namespace platform::kvm {

class Occupant;
class VcpuPool;

// A virtual CPU and what it is used for.
struct Seat {
  std::unique_ptr<Vcpu> vcpu;
  // By whoever uses it, or takes it from its owner.
  std::atomic<bool> busy = false;
  std::atomic<bool> wanted = false;  // its user should let another one have a turn
  // Of the context whose FPU state and answers it has; changes only while it is busy.
  Occupant* owner = nullptr;
  // Nanoseconds: its owner's turn began (in the far future: not yet); it was used last.
  std::atomic<uint64_t> turn_began = 0;
  std::atomic<uint64_t> last_used = 0;
};

// What of a context moves between virtual CPUs. Used by its own thread but for what
// the pool does.
class Occupant {
 public:
  explicit Occupant(VcpuPool& pool) : pool_(pool) {}
  ~Occupant();
  Occupant(const Occupant&) = delete;
  Occupant& operator=(const Occupant&) = delete;

  // Takes a virtual CPU, waiting for one if it must. Null: `cancelled` said so, or none
  // can be made (`error`).
  Seat* Claim(const std::function<bool()>& cancelled, Errno& error);
  // The end of a Claim. Who waits for a turn gets the seat if this one's is over.
  void Park(Seat& seat);
  // Between a Park and a Claim: the next one is not soon.
  void WillBlock();
  // Makes a Claim that waits look at `cancelled`. From any thread.
  void Poke();

  Result<void> GetFpState(sentry::arch::FpState& out);
  // The same between Claim and Park; false: the host would not say.
  bool GetFpStateOfSeat(sentry::arch::FpState& out);
  // One that is safe to load (FpState::Sanitize).
  void SetFpState(const sentry::arch::FpState& state);
  // Gives up the virtual CPU, and the FPU state with it: the next one starts initial.
  void Leave();

  // From any thread.
  uint32_t answers_generation() const { return generation_.load(std::memory_order_acquire); }
  void RememberAnswer(uint32_t number, uint64_t value, uint32_t generation);
  void ForgetAnswers();

 private:
  friend class VcpuPool;
  // Makes the virtual CPU that it has busy; null: it has none.
  Seat* TryOwn();

  VcpuPool& pool_;
  std::atomic<Seat*> seat_ = nullptr;  // set by its own thread, emptied by others under the pool's lock
  std::atomic<bool> waiting_ = false;
  // Under the pool's lock, or while its seat is busy.
  sentry::arch::FpState fp_;
  bool fp_outside_ = true;  // fp_ is newer than what the virtual CPU has

  // Rank kLeaf: under the pool's.
  base::RankedMutex<base::LockRank::kLeaf> answers_mu_;
  Vcpu* answers_at_ ABSL_GUARDED_BY(answers_mu_) = nullptr;
  std::vector<std::pair<uint32_t, uint64_t>> answers_ ABSL_GUARDED_BY(answers_mu_);
  std::atomic<uint32_t> generation_ = 0;
};

class VcpuPool {
 public:
  using Maker = std::function<Result<std::unique_ptr<Vcpu>>(uint32_t index)>;
  VcpuPool(size_t limit, Maker maker);

  // No virtual CPU runs with what it had of the space before now.
  void Expel(const KvmAddressSpace& space);
  // None starts from the dying space's tables.
  void Forget(const KvmAddressSpace& space);

  // The one that is made first, before anybody claims any.
  Result<Vcpu*> First();
  size_t made() const { return made_.load(std::memory_order_acquire); }

 private:
  friend class Occupant;
  struct Waiter {
    Occupant* who;
    Seat* seat = nullptr;  // granted; busy
    base::CondVar woken{};
  };
  Seat* ClaimSlowly(Occupant& who, const std::function<bool()>& cancelled, Errno& error);
  Result<Seat*> FindIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Seat* FindRested() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Seat* AwaitTurn(Occupant& who, const std::function<bool()>& cancelled) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BeginTurn(Seat& seat);
  bool IsOver(const Seat& seat, uint64_t now) const;
  void AskForTurns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Free(Seat& seat);
  bool Grant(Seat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The seat is busy for `who`: its last owner's state goes, `who`'s comes.
  void Occupy(Seat& seat, Occupant& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Evict(Seat& seat) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Maker maker_;
  const std::unique_ptr<Seat[]> seats_;
  std::atomic<size_t> made_ = 0;
  std::atomic<size_t> waiting_ = 0;
  std::atomic<uint64_t> turn_ns_;
  // Rank kPlatformVcpus; held over ioctls that are over at once.
  base::RankedMutex<base::LockRank::kPlatformVcpus> mu_;
  size_t limit_ ABSL_GUARDED_BY(mu_);
  std::deque<Waiter*> waiters_ ABSL_GUARDED_BY(mu_);
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_VCPU_POOL_H_
