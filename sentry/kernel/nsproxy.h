// The namespaces that a task stands in. Analogous to Linux's struct nsproxy:
// shared by tasks, never changed, replaced as a whole. Mounts are the task's own
// pointer, users are the credentials', and a task's own pid namespace is its Pid's.
#ifndef SENTRY_KERNEL_NSPROXY_H_
#define SENTRY_KERNEL_NSPROXY_H_

#include <array>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "sentry/kernel/cgroup/cgroup_namespace.h"
#include "sentry/vfs/pid.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {

struct UtsName {
  std::string hostname = "runsc-cpp";
  std::string domainname = "(none)";
};

class UtsNamespace final : public Namespace {
 public:
  explicit UtsNamespace(UtsName name);  // the runtime's
  UtsNamespace(UtsName name, base::RefPtr<UserNamespace> owner, NamespaceCharge charge);
  UtsName name() const;
  void SetHostname(std::string name);
  void SetDomainname(std::string name);

 private:
  ~UtsNamespace() override = default;
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  UtsName name_ ABSL_GUARDED_BY(mu_);
};

// A namespace whose objects another room has: that room puts what it keeps for each
// namespace into a slot, at first use.
class HoldingNamespace : public Namespace {
 public:
  static constexpr size_t kSlots = 4;
  template <typename Make>
  base::RefCounted& State(size_t slot, Make make) {
    base::MutexLock lock(mu_);
    if (!states_[slot]) states_[slot] = make();
    return *states_[slot];
  }

 protected:
  HoldingNamespace(NamespaceKind kind, First first, base::RefPtr<UserNamespace> owner, NamespaceCharge charge)
      : Namespace(kind, first, std::move(owner), std::move(charge)) {}

 private:
  // Rank kKernel: what is made under it takes locks of its own.
  base::RankedMutex<base::LockRank::kKernel> mu_;
  std::array<base::RefPtr<base::RefCounted>, kSlots> states_ ABSL_GUARDED_BY(mu_);
};

// System V IPC and POSIX queues.
class IpcNamespace final : public HoldingNamespace {
 public:
  enum Slot : size_t { kSemaphores, kMessages, kSharedMemory, kPosixQueues };
  IpcNamespace() : IpcNamespace(UserNamespace::Initial(), {}) {}
  IpcNamespace(base::RefPtr<UserNamespace> owner, NamespaceCharge charge)
      : HoldingNamespace(NamespaceKind::kIpc, First::kNo, std::move(owner), std::move(charge)) {}
};

// There are no more of these than the runtime makes.
class NetNamespace final : public HoldingNamespace {
 public:
  enum Slot : size_t { kStack, kUnixNames };
  NetNamespace() : HoldingNamespace(NamespaceKind::kNet, First::kNo, UserNamespace::Initial(), {}) {}
};

struct Nsproxy final : public base::RefCounted {
  Nsproxy() = default;
  base::RefPtr<UtsNamespace> uts;
  base::RefPtr<IpcNamespace> ipc;
  base::RefPtr<PidNamespace> pid_for_children;
  base::RefPtr<NetNamespace> net;
  base::RefPtr<CgroupNamespace> cgroup;

  base::RefPtr<Nsproxy> Copy() const {
    base::RefPtr<Nsproxy> copy = base::MakeRef<Nsproxy>();
    copy->uts = uts, copy->ipc = ipc, copy->pid_for_children = pid_for_children;
    copy->net = net, copy->cgroup = cgroup;
    return copy;
  }

 private:
  ~Nsproxy() override = default;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_NSPROXY_H_
