// In whose namespaces a file operation is.
#ifndef SENTRY_KERNEL_ACTING_NAMESPACES_H_
#define SENTRY_KERNEL_ACTING_NAMESPACES_H_

#include "sentry/kernel/kernel.h"

namespace sentry {

// Until its end, what the kernel itself does on this thread (a VfsContext without a task) is in these.
class ActingNamespaces {
 public:
  explicit ActingNamespaces(RefPtr<Nsproxy> namespaces);
  ~ActingNamespaces();
  ActingNamespaces(const ActingNamespaces&) = delete;
  ActingNamespaces& operator=(const ActingNamespaces&) = delete;

 private:
  friend RefPtr<Nsproxy> NamespacesOf(const Kernel& kernel, const VfsContext& ctx);
  const RefPtr<Nsproxy> namespaces_;
  const ActingNamespaces* const outer_;
};

// The caller's; of the kernel itself those that its thread acts in, or the first. Never null.
RefPtr<Nsproxy> NamespacesOf(const Kernel& kernel, const VfsContext& ctx);

}  // namespace sentry

#endif  // SENTRY_KERNEL_ACTING_NAMESPACES_H_
