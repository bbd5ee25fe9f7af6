#include "sentry/net/net_state.h"

#include "sentry/net/unix/endpoint.h"

namespace sentry {
namespace {

// As Linux's netlink_autobind: from here downwards, read as negative numbers.
constexpr uint32_t kFirstPort = static_cast<uint32_t>(-4096);

}  // namespace

NetState::NetState(RefPtr<NetStack> stack) : stack_(std::move(stack)), unix_names_(MakeRef<UnixNamespace>()) {}

NetState::~NetState() = default;

Result<void> NetState::TakePort(uint32_t port) {
  base::MutexLock lock(mu_);
  return ports_.insert(port).second ? Ok() : Errno::kEADDRINUSE;
}

uint32_t NetState::TakeAnyPort(uint32_t wanted) {
  base::MutexLock lock(mu_);
  for (uint32_t port = wanted, next = kFirstPort;; port = next--) {
    if (port != 0 && ports_.insert(port).second) return port;
  }
}

void NetState::DropPort(uint32_t port) {
  base::MutexLock lock(mu_);
  ports_.erase(port);
}

}  // namespace sentry
