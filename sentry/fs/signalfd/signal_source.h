// What signalfd asks of a task's signals. sentry/kernel implements it.
#ifndef SENTRY_FS_SIGNALFD_SIGNAL_SOURCE_H_
#define SENTRY_FS_SIGNALFD_SIGNAL_SOURCE_H_

#include "base/ref_ptr.h"
#include "base/wait_queue.h"
#include "sentry/abi/eventfd.h"
#include "sentry/abi/signal.h"

namespace sentry {

// The pending signals of the task that made the signalfd: its own and its
// thread group's. Once the task is gone nothing is pending any more.
class SignalSource : public base::RefCounted {
 public:
  virtual bool Pending(abi::SignalSet mask) = 0;
  // Takes the next pending signal of `mask`; false if there is none.
  virtual bool Dequeue(abi::SignalSet mask, abi::SignalfdSiginfo* info) = 0;
  // Notified with kEventIn when a signal becomes pending.
  virtual base::WaitQueue& wait_queue() = 0;
};

}  // namespace sentry

#endif  // SENTRY_FS_SIGNALFD_SIGNAL_SOURCE_H_
