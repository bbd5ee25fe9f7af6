// Addresses of unix sockets (man 7 unix), and the namespace of abstract ones.
#ifndef SENTRY_NET_UNIX_ADDRESS_H_
#define SENTRY_NET_UNIX_ADDRESS_H_

#include <map>
#include <span>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "sentry/net/socket/socket.h"

namespace sentry {

class UnixEndpoint;

struct UnixName {
  enum class Kind : uint8_t { kUnnamed, kPath, kAbstract } kind = Kind::kUnnamed;
  std::string text;  // a path, or an abstract name without its leading NUL

  // As getsockname(2) tells it: paths with their NUL, unnamed as the family.
  SocketAddress ToBytes() const;
};

// EINVAL: no AF_UNIX address. The family alone is kUnnamed (bind: autobind).
Result<UnixName> ParseUnixName(std::span<const std::byte> address);

// The abstract names of a network namespace. A name stands for an endpoint of
// each type.
class UnixNamespace final : public base::RefCounted {
 public:
  Result<void> Bind(int type, const std::string& name, RefPtr<UnixEndpoint> endpoint);  // EADDRINUSE
  // A free name of five hexadecimal digits. ENOSPC.
  Result<std::string> Autobind(int type, RefPtr<UnixEndpoint> endpoint);
  RefPtr<UnixEndpoint> Find(int type, const std::string& name) const;
  void Unbind(int type, const std::string& name);

 private:
  ~UnixNamespace() override;
  using Key = std::pair<int, std::string>;
  // Rank kLeaf.
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::map<Key, RefPtr<UnixEndpoint>> names_ ABSL_GUARDED_BY(mu_);  // until Release
  uint32_t next_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_ADDRESS_H_
