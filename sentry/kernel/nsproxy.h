// The namespaces that a task stands in. Analogous to Linux's struct nsproxy:
// shared by tasks, never changed, replaced as a whole. Mounts are the task's own
// pointer, users are the credentials', and a task's own pid namespace is its Pid's.
#ifndef SENTRY_KERNEL_NSPROXY_H_
#define SENTRY_KERNEL_NSPROXY_H_

#include "sentry/vfs/pid.h"

namespace sentry {

struct Nsproxy final : public base::RefCounted {
  Nsproxy() = default;
  base::RefPtr<PidNamespace> pid_for_children;

 private:
  ~Nsproxy() override = default;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_NSPROXY_H_
