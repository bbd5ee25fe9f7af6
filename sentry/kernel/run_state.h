// A task's next step, as a value (DESIGN 2). Each run state is a small struct;
// Task::Run hands it to the function of its kind (run_loop.cc), which returns the
// next. Between two steps a task's C++ stack holds nothing, so a task can be
// stopped there, saved, and set up again from its objects alone.
#ifndef SENTRY_KERNEL_RUN_STATE_H_
#define SENTRY_KERNEL_RUN_STATE_H_

#include <cstdint>
#include <memory>
#include <variant>

#include "base/ref_ptr.h"
#include "sentry/abi/fs.h"
#include "sentry/kernel/time/clock.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {

class Task;

struct RunUser {};         // run guest code until an event
struct RunSyscall {};      // dispatch the call in the registers
struct RunInterrupted {};  // deliver signals, obey stops, then go to user code
struct RunStopped {};      // group-stopped: waits for SIGCONT or SIGKILL
// clone(CLONE_VFORK): waits until the child execs or exits; then the call
// returns `child_tid`.
struct RunVforkWait {
  base::RefPtr<Task> child;
  int32_t child_tid;
};
struct RunSeccompWait {};    // waits for what a filter's supervisor says of the call (seccomp/notifier.h)
struct RunReapNamespace {};  // init of a pid namespace leaves: waits until all others in it are gone
struct RunExit {};           // leaves: releases what it holds, tells parent and tracer
struct RunDead {};           // its thread ends; a leader may wait as a zombie

using RunState = std::variant<RunUser, RunSyscall, RunInterrupted, RunStopped, RunVforkWait, RunSeccompWait, RunExit,
                              RunReapNamespace, RunDead>;

// What restart_syscall(2) goes on with after Restart::kBlock.
struct NanosleepRestart {
  int64_t deadline;  // CLOCK_MONOTONIC
  UserAddr remaining;
};
struct PollRestart {
  UserAddr fds;
  uint32_t count;
  Deadline deadline;
};
struct FutexRestart {
  UserAddr addr;
  uint32_t expected;
  uint32_t bitset;
  int32_t shared;
  Deadline deadline;
};
using RestartBlock = std::variant<std::monostate, NanosleepRestart, PollRestart, FutexRestart>;

}  // namespace sentry

#endif  // SENTRY_KERNEL_RUN_STATE_H_
