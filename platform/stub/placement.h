// On which CPU stub threads and their tracers run.
//
// A stop wakes the tracer and a resume wakes the stub thread, one after the
// other, never both at work: on one CPU that costs a fifth of what it costs on
// two. So both are pinned to one CPU. A thread that computes is set free again by
// the monitor thread, and of two that compete for a CPU one is moved.
#ifndef PLATFORM_STUB_PLACEMENT_H_
#define PLATFORM_STUB_PLACEMENT_H_

#include <sched.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/thread.h"
#include "base/unique_fd.h"

namespace platform::stub {

// What placement knows of one context. The tracer writes, the monitor reads;
// each value is a hint and stands alone, so relaxed atomics do.
struct Runner {
  std::atomic<bool> in_switch = false;
  std::atomic<uint32_t> switches = 0;
  std::atomic<int> cpu = -1;      // where both are pinned; -1: free
  std::atomic<int> move_to = -1;  // set by the monitor
  std::atomic<int> counted = -1;  // the CPU whose load_ counts it
  // The tracer's own: it runs on another CPU than its stub; it is between Enter and
  // Leave. While split it counts as inside all the time, which spares the counting.
  bool split = false, entered = false;
  pid_t tracer = -1, stub = -1;  // guarded by Placement::mu_, set by Add
  uint32_t seen = 0;             // the monitor's: switches at the last tick
};

class Placement {
 public:
  // What the monitor thread does besides. All are called on it.
  struct Duties {
    int hangup_fd;
    std::function<void()> on_hangup;  // once
    int deaths_fd;
    std::function<void()> on_deaths;  // deaths_fd is readable; makes it not so
    std::function<bool()> on_tick;    // true: it has more to do
  };
  static base::Result<std::unique_ptr<Placement>> Create(Duties duties);
  ~Placement();

  // The calling host thread will run `stub` for `runner`; and has ceased to.
  void Add(Runner& runner, pid_t stub);
  void Remove(Runner& runner);

  // Around the time that guest code runs.
  void Enter(Runner& runner) {
    runner.entered = true;
    if (runner.split && runner.move_to.load(std::memory_order_relaxed) < 0) {
      runner.switches.store(runner.switches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    } else {
      EnterCounted(runner);
    }
  }
  void Leave(Runner& runner) {
    runner.entered = false;
    if (!runner.split) LeaveCounted(runner);
  }

  // Whether a CPU is left over, so that a thread may wait awake on it.
  bool Spare() const {
    const int cpus = static_cast<int>(cpus_.size());
    return active_.load(std::memory_order_relaxed) < cpus && inside_now_.load(std::memory_order_relaxed) < cpus;
  }
  // Moves the calling host thread away from its stub's CPU to an idle one; false:
  // there is none. And back, as the next wake is then cheap.
  bool Split(Runner& runner);
  void Join(Runner& runner);

 private:
  explicit Placement(Duties duties);
  int Pin(Runner& runner);
  void EnterCounted(Runner& runner);
  void LeaveCounted(Runner& runner);
  void Uncount(Runner& runner);
  void SetFree(Runner& runner) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MonitorLoop();
  bool Tick() ABSL_LOCKS_EXCLUDED(mu_);  // whether there was anything to see
  void Rebalance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Wake();

  static constexpr int kMaxCpus = 1024;

  const Duties duties_;
  base::UniqueFd wake_fd_;
  cpu_set_t allowed_;
  std::vector<int> cpus_;
  // Contexts inside Switch and pinned, by CPU.
  std::array<std::atomic<int>, kMaxCpus> load_ = {};
  std::atomic<int> active_ = 0;         // contexts that did something in the last tick
  std::atomic<int> inside_now_ = 0;     // contexts inside Switch, pinned or not
  std::atomic<bool> sleeping_ = false;  // the monitor; pairs with in_switch
  std::atomic<bool> stop_ = false;

  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::set<Runner*> runners_ ABSL_GUARDED_BY(mu_);
  std::array<int, kMaxCpus> inside_ ABSL_GUARDED_BY(mu_) = {};  // Rebalance's
  int contended_ticks_ ABSL_GUARDED_BY(mu_) = 0;
  base::Thread monitor_;
};

}  // namespace platform::stub

#endif  // PLATFORM_STUB_PLACEMENT_H_
