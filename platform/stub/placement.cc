#include "platform/stub/placement.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace platform::stub {
namespace {

using base::HostErrno;
using base::MutexLock;

constexpr int kTickMs = 2;
// Ticks without anything to see before the monitor sleeps.
constexpr int kIdleTicks = 5;
// Ticks that two contexts must be seen on one CPU, with another free.
constexpr int kContendedTicks = 3;

void SetAffinity(pid_t tid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(tid, sizeof(set), &set);  // only speed hangs on it
}

}  // namespace

base::Result<std::unique_ptr<Placement>> Placement::Create(Duties duties) {
  std::unique_ptr<Placement> placement(new Placement(std::move(duties)));
  placement->wake_fd_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!placement->wake_fd_) return HostErrno();
  placement->monitor_ = TRY(base::Thread::Start([p = placement.get()] { p->MonitorLoop(); }));
  return placement;
}

Placement::Placement(Duties duties) : duties_(std::move(duties)) {
  CPU_ZERO(&allowed_);
  sched_getaffinity(0, sizeof(allowed_), &allowed_);
  for (int cpu = 0; cpu < CPU_SETSIZE && cpu < kMaxCpus; cpu++) {
    if (CPU_ISSET(cpu, &allowed_)) cpus_.push_back(cpu);
  }
}

Placement::~Placement() {
  stop_ = true;
  Wake();
  monitor_.Join();
}

void Placement::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_fd_.get(), &one, sizeof(one));
}

void Placement::Add(Runner& runner, pid_t stub) {
  MutexLock lock(mu_);
  runner.tracer = gettid();
  runner.stub = stub;
  runner.cpu = -1;
  runners_.insert(&runner);
}

void Placement::Remove(Runner& runner) {
  if (std::exchange(runner.split, false) && !runner.entered) LeaveCounted(runner);
  MutexLock lock(mu_);
  if (runners_.erase(&runner) == 0) return;
  if (runner.cpu >= 0) sched_setaffinity(runner.tracer, sizeof(allowed_), &allowed_);
  runner.cpu = -1;
}

int Placement::Pin(Runner& runner) {
  int cpu = runner.move_to.exchange(-1, std::memory_order_relaxed);
  if (cpu < 0) {
    const int here = sched_getcpu();
    cpu = here >= 0 && here < kMaxCpus && CPU_ISSET(here, &allowed_) ? here : cpus_.front();
    for (int other : cpus_) {
      if (load_[other].load(std::memory_order_relaxed) < load_[cpu].load(std::memory_order_relaxed)) cpu = other;
    }
  }
  // Locked against the monitor's setting it free meanwhile.
  MutexLock lock(mu_);
  SetAffinity(runner.stub, cpu);
  SetAffinity(0, cpu);
  runner.cpu.store(cpu, std::memory_order_relaxed);
  runner.split = false;
  return cpu;
}

bool Placement::Split(Runner& runner) {
  const int beside = runner.cpu.load(std::memory_order_relaxed);
  if (beside < 0 || !Spare()) return false;
  for (const int cpu : cpus_) {
    if (cpu == beside || load_[cpu].load(std::memory_order_relaxed) != 0) continue;
    SetAffinity(0, cpu);
    runner.split = true;
    return true;
  }
  return false;
}

void Placement::Join(Runner& runner) {
  if (!std::exchange(runner.split, false)) return;
  if (!runner.entered) LeaveCounted(runner);
  // Locked against the monitor's setting it free meanwhile.
  MutexLock lock(mu_);
  if (const int cpu = runner.cpu.load(std::memory_order_relaxed); cpu >= 0) SetAffinity(0, cpu);
}

void Placement::EnterCounted(Runner& runner) {
  if (cpus_.size() < 2) return;
  // To be moved while split: it was counted where it was.
  if (runner.split) LeaveCounted(runner);
  int cpu = runner.cpu.load(std::memory_order_relaxed);
  if (cpu < 0 || runner.move_to.load(std::memory_order_relaxed) >= 0) cpu = Pin(runner);
  runner.switches.store(runner.switches.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  runner.counted.store(cpu, std::memory_order_relaxed);
  load_[cpu].fetch_add(1, std::memory_order_relaxed);
  inside_now_.fetch_add(1, std::memory_order_relaxed);
  // Sequentially consistent against the monitor's last look before it sleeps.
  runner.in_switch.store(true, std::memory_order_seq_cst);
  if (sleeping_.load(std::memory_order_seq_cst) && sleeping_.exchange(false)) Wake();
}

void Placement::LeaveCounted(Runner& runner) {
  if (cpus_.size() < 2) return;
  runner.in_switch.store(false, std::memory_order_relaxed);
  inside_now_.fetch_sub(1, std::memory_order_relaxed);
  Uncount(runner);
}

void Placement::Uncount(Runner& runner) {
  const int cpu = runner.counted.exchange(-1, std::memory_order_relaxed);
  if (cpu >= 0) load_[cpu].fetch_sub(1, std::memory_order_relaxed);
}

// --- The monitor ------------------------------------------------------------------

void Placement::SetFree(Runner& runner) {
  sched_setaffinity(runner.stub, sizeof(allowed_), &allowed_);
  sched_setaffinity(runner.tracer, sizeof(allowed_), &allowed_);
  runner.cpu.store(-1, std::memory_order_relaxed);
  Uncount(runner);
}

bool Placement::Tick() {
  MutexLock lock(mu_);
  int active = 0;
  bool busy = false;
  for (Runner* runner : runners_) {
    const uint32_t switches = runner->switches.load(std::memory_order_relaxed);
    const bool inside = runner->in_switch.load(std::memory_order_seq_cst);
    const bool pinned = runner->cpu.load(std::memory_order_relaxed) >= 0;
    if (switches != runner->seen || (inside && pinned)) busy = true;
    if (switches != runner->seen || inside) active++;
    // A whole tick without an event: it computes.
    if (inside && pinned && switches == runner->seen) SetFree(*runner);
    runner->seen = switches;
  }
  active_.store(active, std::memory_order_relaxed);
  if (busy) Rebalance();
  return busy;
}

void Placement::Rebalance() {
  // Contexts that are inside at this moment: partners that wait for each other in
  // the sentry never are at once.
  int* const inside = inside_.data();
  for (int cpu : cpus_) inside[cpu] = 0;
  int free_running = 0;
  Runner* candidate = nullptr;
  for (Runner* runner : runners_) {
    if (!runner->in_switch.load(std::memory_order_relaxed)) continue;
    const int cpu = runner->cpu.load(std::memory_order_relaxed);
    if (cpu < 0) {
      free_running++;
    } else if (++inside[cpu] >= 2) {
      candidate = runner;
    }
  }
  const auto idle = [&](int cpu) { return inside[cpu] == 0; };
  const auto idle_cpus = std::count_if(cpus_.begin(), cpus_.end(), idle);
  if (candidate == nullptr || idle_cpus <= free_running) {
    contended_ticks_ = 0;
    return;
  }
  if (++contended_ticks_ < kContendedTicks) return;
  contended_ticks_ = 0;
  candidate->move_to.store(*std::find_if(cpus_.begin(), cpus_.end(), idle), std::memory_order_relaxed);
}

void Placement::MonitorLoop() {
  pollfd fds[] = {{wake_fd_.get(), POLLIN, 0}, {duties_.hangup_fd, POLLRDHUP, 0}, {duties_.deaths_fd, POLLIN, 0}};
  int quiet_ticks = 0;
  while (!stop_) {
    const bool sleeps = quiet_ticks >= kIdleTicks;
    if (sleeps) {
      sleeping_.store(true, std::memory_order_seq_cst);
      if (Tick()) {  // somebody came just before he could see that we sleep
        sleeping_ = false;
        quiet_ticks = 0;
        continue;
      }
    }
    const int n = poll(fds, std::size(fds), sleeps ? -1 : kTickMs);
    sleeping_ = false;
    if (n > 0 && fds[2].revents != 0) duties_.on_deaths();
    if (n > 0 && fds[0].revents != 0) {
      uint64_t count;
      [[maybe_unused]] const ssize_t got = read(wake_fd_.get(), &count, sizeof(count));
      quiet_ticks = 0;
      continue;  // the next tick has a whole tick to look back on
    }
    if (n > 0 && fds[1].revents != 0) {
      fds[1].fd = -1;
      duties_.on_hangup();
    }
    const bool busy = duties_.on_tick();
    quiet_ticks = Tick() || busy ? 0 : quiet_ticks + 1;
  }
}

}  // namespace platform::stub
