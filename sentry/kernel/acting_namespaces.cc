#include "sentry/kernel/acting_namespaces.h"

#include <utility>

namespace sentry {
namespace {

thread_local const ActingNamespaces* innermost = nullptr;

}  // namespace

ActingNamespaces::ActingNamespaces(RefPtr<Nsproxy> namespaces)
    : namespaces_(std::move(namespaces)), outer_(std::exchange(innermost, this)) {}

ActingNamespaces::~ActingNamespaces() { innermost = outer_; }

RefPtr<Nsproxy> NamespacesOf(const Kernel& kernel, const VfsContext& ctx) {
  if (ctx.tid == 0 && innermost != nullptr) return innermost->namespaces_;
  const RefPtr<Task> caller = kernel.FindTask(ctx.tid, kernel.root_pid_ns());
  RefPtr<Nsproxy> namespaces = caller ? caller->SharedNsproxy() : nullptr;
  return namespaces ? namespaces : kernel.first_namespaces();
}

}  // namespace sentry
