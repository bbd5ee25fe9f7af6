// A network namespace of guests: Linux's struct net.
#ifndef SENTRY_NET_NET_STATE_H_
#define SENTRY_NET_NET_STATE_H_

#include <set>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/net/socket/net_stack.h"
#include "sentry/net/unix/address.h"

namespace sentry {

class NetState final : public base::RefCounted {
 public:
  // `stack` null: there is no family but AF_UNIX.
  explicit NetState(RefPtr<NetStack> stack);

  const RefPtr<UnixNamespace>& unix_names() const { return unix_names_; }
  NetStack* stack() const { return stack_.get(); }

  // Port ids of netlink sockets. EADDRINUSE.
  Result<void> TakePort(uint32_t port);
  // `wanted` if it is free, else one that no process has as its number.
  uint32_t TakeAnyPort(uint32_t wanted);
  void DropPort(uint32_t port);

 private:
  ~NetState() override;
  const RefPtr<NetStack> stack_;
  const RefPtr<UnixNamespace> unix_names_;
  // Rank kLeaf.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::set<uint32_t> ports_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_NET_NET_STATE_H_
