#include "sentry/vfs/namespace.h"

#include <atomic>
#include <utility>

#include "sentry/abi/sched.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {
namespace {

// Linux's PROC_*_INIT_INO, and PROC_DYNAMIC_FIRST for what has none.
uint64_t FirstId(NamespaceKind kind) {
  constexpr uint64_t kDynamicFirst = 0xf0000000;
  switch (kind) {
    case NamespaceKind::kIpc:
      return kDynamicFirst - 1;
    case NamespaceKind::kUts:
      return kDynamicFirst - 2;
    case NamespaceKind::kUser:
      return kDynamicFirst - 3;
    case NamespaceKind::kPid:
      return kDynamicFirst - 4;
    case NamespaceKind::kCgroup:
      return kDynamicFirst - 5;
    case NamespaceKind::kTime:
      return kDynamicFirst - 6;
    case NamespaceKind::kMnt:
      return kDynamicFirst;
    case NamespaceKind::kNet:
      return kDynamicFirst + 1;
  }
  return 0;
}

uint64_t NextId() {
  constexpr uint64_t kFirstFree = 0xf0000100;
  static std::atomic<uint64_t> next{kFirstFree};  // only ever counted up
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

uint64_t CloneFlagOf(NamespaceKind kind) {
  constexpr uint64_t kFlags[kNamespaceKinds] = {abi::kCloneNewCgroup, abi::kCloneNewIpc, abi::kCloneNewNs,
                                                abi::kCloneNewNet,    abi::kCloneNewPid, abi::kCloneNewTime,
                                                abi::kCloneNewUser,   abi::kCloneNewUts};
  return kFlags[static_cast<size_t>(kind)];
}

const char* NameOf(NamespaceKind kind) {
  constexpr const char* kNames[kNamespaceKinds] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  return kNames[static_cast<size_t>(kind)];
}

NamespaceCharge::NamespaceCharge() = default;
NamespaceCharge::NamespaceCharge(base::RefPtr<UserNamespace> ns, uint32_t uid, NamespaceKind kind)
    : ns_(std::move(ns)), uid_(uid), kind_(kind) {}
NamespaceCharge::NamespaceCharge(NamespaceCharge&& o) noexcept : ns_(std::move(o.ns_)), uid_(o.uid_), kind_(o.kind_) {}
NamespaceCharge::~NamespaceCharge() {
  if (ns_) ns_->Uncharge(uid_, kind_);
}

Namespace::Namespace(NamespaceKind kind, First first, base::RefPtr<UserNamespace> owner, NamespaceCharge charge)
    : kind_(kind),
      id_(first == First::kYes ? FirstId(kind) : NextId()),
      owner_(std::move(owner)),
      charge_(std::move(charge)) {}
Namespace::~Namespace() = default;

}  // namespace sentry
