// A terminal as the kernel knows it: what hangs on a session. Implemented by
// fs/devpts; JobControl::SetControllingTerminal is always given one.
#ifndef SENTRY_VFS_CONTROLLING_TERMINAL_H_
#define SENTRY_VFS_CONTROLLING_TERMINAL_H_

#include <cstdint>

#include "base/ref_ptr.h"

namespace sentry {

class ControllingTerminal : public base::RefCounted {
 public:
  // tty_nr of /proc/PID/stat.
  virtual uint32_t device() const = 0;
  // tpgid; 0: none.
  virtual int32_t foreground_group() = 0;
  // The leader of `session` exits: SIGHUP to the foreground group, and the
  // terminal is free for another session. The kernel forgets it afterwards.
  virtual void SessionLeaderExited(int32_t session) = 0;
};

}  // namespace sentry

#endif  // SENTRY_VFS_CONTROLLING_TERMINAL_H_
