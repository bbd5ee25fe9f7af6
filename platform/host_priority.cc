#include "platform/host_priority.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>

namespace platform {
namespace {

std::atomic<int> own_nice{0};  // set once, before there are other threads

}  // namespace

void LearnHostNice() { own_nice = std::max(getpriority(PRIO_PROCESS, 0), 0); }

void SetHostPriority(pid_t tid, HostPriority priority) {
  const sched_param none = {};
  sched_setscheduler(tid, priority.policy, &none);
  setpriority(PRIO_PROCESS, static_cast<id_t>(tid), std::max(own_nice.load(), priority.nice));
}

}  // namespace platform
