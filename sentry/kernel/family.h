// Who belongs to whom: parents and children, process groups, sessions. Analogous
// to Linux's struct pid and the links of task_struct. All of it is guarded by
// the pid table's lock.
#ifndef SENTRY_KERNEL_FAMILY_H_
#define SENTRY_KERNEL_FAMILY_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "sentry/kernel/thread_group.h"
#include "sentry/vfs/pid.h"

namespace sentry {

class Session final : public base::RefCounted {
 public:
  explicit Session(RefPtr<Pid> pid) : id(pid->id()), pid(std::move(pid)) {}
  const int32_t id;
  const RefPtr<Pid> pid;
  // Null: none. Of a kind that boot knows (devpts, a passed-through terminal).
  RefPtr<base::RefCounted> terminal;
  int32_t process_groups = 0;  // how many are in it
};

class ProcessGroup final : public base::RefCounted {
 public:
  ProcessGroup(RefPtr<Pid> pid, RefPtr<Session> session)
      : id(pid->id()), pid(std::move(pid)), session(std::move(session)) {}
  const int32_t id;
  const RefPtr<Pid> pid;
  const RefPtr<Session> session;
  std::vector<ThreadGroup*> members;  // zombies too; each leaves when it is reaped
};

struct ThreadGroup::Family {
  // Raw: a process that goes gives its children away before it can be freed.
  ThreadGroup* parent = nullptr;
  const Task* parent_task = nullptr;  // which thread of it: __WNOTHREAD, PR_SET_PDEATHSIG
  std::vector<RefPtr<ThreadGroup>> children;
  RefPtr<ProcessGroup> process_group;
  int32_t exit_signal = 0;

  // What a waiting parent may be told.
  bool zombie = false;
  int32_t stop_report = 0;  // the stop's signal, until a wait took it
  bool continue_report = false;
  bool reaped = false;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_FAMILY_H_
