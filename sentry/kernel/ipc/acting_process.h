// Whose thread this is.
#ifndef SENTRY_KERNEL_IPC_ACTING_PROCESS_H_
#define SENTRY_KERNEL_IPC_ACTING_PROCESS_H_

#include "sentry/vfs/pid.h"

namespace sentry {

// Until its end, what this thread does it does for that process: mm, which knows none, tells of mappings that come and
// go by whatever call.
class ActingProcess {
 public:
  explicit ActingProcess(Pid& process);
  ~ActingProcess();
  ActingProcess(const ActingProcess&) = delete;
  ActingProcess& operator=(const ActingProcess&) = delete;

  static Pid* Get();  // null: no guest's

 private:
  Pid* const outer_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_ACTING_PROCESS_H_
