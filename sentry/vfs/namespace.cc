#include "sentry/vfs/namespace.h"

#include <atomic>

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

Namespace::Namespace(NamespaceKind kind, First first)
    : kind_(kind), id_(first == First::kYes ? FirstId(kind) : NextId()) {}

}  // namespace sentry
