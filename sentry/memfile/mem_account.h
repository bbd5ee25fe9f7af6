// Who pays for memory of the memory file. Analogous to Linux's struct mem_cgroup with its page_counter.
#ifndef SENTRY_MEMFILE_MEM_ACCOUNT_H_
#define SENTRY_MEMFILE_MEM_ACCOUNT_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "base/wait_queue.h"

namespace sentry {

enum class MemKind : uint8_t;

// One node of a tree: what is charged to it is charged to all above. Made by MemoryFile::NewAccount, which owns it and
// gives the place to another after its release, but never the memory back: a late look at it harms nobody.
class MemAccount {
 public:
  static constexpr uint64_t kNoLimit = UINT64_MAX;
  static constexpr size_t kKinds = 4;
  enum class Event : uint8_t { kHigh, kMax, kOom, kOomKill, kOomGroupKill, kCount };

  MemAccount* parent() const { return parent_; }
  uint64_t usage() const { return usage_.load(std::memory_order_relaxed); }
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  uint64_t bytes(MemKind kind) const { return bytes_[static_cast<size_t>(kind)].load(std::memory_order_relaxed); }

  uint64_t max() const { return max_.load(std::memory_order_relaxed); }
  uint64_t high() const { return high_.load(std::memory_order_relaxed); }
  // A limit below what is used lets nothing more in; it frees nothing.
  void SetMax(uint64_t bytes) { max_.store(bytes, std::memory_order_relaxed); }
  void SetHigh(uint64_t bytes) { high_.store(bytes, std::memory_order_relaxed); }
  // The smallest limit of this node and those above; kNoLimit: none.
  uint64_t EffectiveMax() const;
  // The nearest node that has no room for `bytes` more; null: all have.
  MemAccount* OverLimit(uint64_t bytes);

  // `events`: here and below; `local_events`: here alone.
  uint64_t events(Event e) const { return events_[static_cast<size_t>(e)].load(std::memory_order_relaxed); }
  uint64_t local_events(Event e) const { return local_[static_cast<size_t>(e)].load(std::memory_order_relaxed); }
  void CountEvent(Event e);
  // Notified (kEventPri) at each event.
  base::WaitQueue& event_queue() { return event_queue_; }

 private:
  friend class MemoryFile;
  friend class MemAccounts;
  using Counter = std::atomic<uint64_t>;

  uint32_t id_ = 0;
  MemAccount* parent_ = nullptr;
  // Written under the memory file's lock, but for limits and events.
  Counter usage_{0}, peak_{0}, max_{kNoLimit}, high_{kNoLimit};
  std::array<Counter, kKinds> bytes_{};
  std::array<Counter, static_cast<size_t>(Event::kCount)> events_{}, local_{};
  uint32_t children_ = 0;
  bool released_ = false;
  base::WaitQueue event_queue_;
};

enum class MemRelief : uint8_t {
  kTryAgain,
  kNone,   // there is no hope
  kDying,  // the caller is to end: no answer matters any more
};

// For whom the calling host thread works. What it allocates is charged there; a thread without one charges nobody.
class MemCharger {
 public:
  virtual ~MemCharger() = default;
  virtual MemAccount* mem_account() const = 0;
  // Whose limit the guest takes for the size of memory; null: that of all.
  virtual MemAccount* visible_account() const { return mem_account(); }
  // An allocation failed. Frees memory, or waits for some to come free. The caller holds no lock but that of an open
  // file's position.
  virtual MemRelief RelieveMemory() = 0;

  static MemCharger* Current();
};

// The calling thread works for `charger` while this lives.
class MemChargerScope {
 public:
  explicit MemChargerScope(MemCharger* charger);
  ~MemChargerScope();
  MemChargerScope(const MemChargerScope&) = delete;
  MemChargerScope& operator=(const MemChargerScope&) = delete;

 private:
  MemCharger* const old_;
};

// Charges one account, whatever happens.
class FixedCharger final : public MemCharger {
 public:
  explicit FixedCharger(MemAccount* account) : account_(account) {}
  MemAccount* mem_account() const override { return account_; }
  MemRelief RelieveMemory() override { return MemRelief::kNone; }

 private:
  MemAccount* const account_;
};

}  // namespace sentry

#endif  // SENTRY_MEMFILE_MEM_ACCOUNT_H_
