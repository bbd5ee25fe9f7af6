#include "sentry/net/unix/address.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "sentry/abi/socket.h"
#include "sentry/net/unix/endpoint.h"

namespace sentry {
namespace {

constexpr size_t kPathOffset = offsetof(abi::SockaddrUn, path);
constexpr uint32_t kAutobindNames = 1 << 20;

}  // namespace

SocketAddress UnixName::ToBytes() const {
  SocketAddress out(kPathOffset);
  const uint16_t family = abi::kAfUnix;
  memcpy(out.data(), &family, sizeof(family));
  if (kind == Kind::kUnnamed) return out;
  if (kind == Kind::kAbstract) out.push_back(std::byte{0});
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
  if (kind == Kind::kPath) out.push_back(std::byte{0});
  return out;
}

Result<UnixName> ParseUnixName(std::span<const std::byte> address) {
  uint16_t family;
  if (address.size() < sizeof(family) || address.size() > sizeof(abi::SockaddrUn)) return Errno::kEINVAL;
  memcpy(&family, address.data(), sizeof(family));
  if (family != abi::kAfUnix) return Errno::kEINVAL;
  const std::string text(reinterpret_cast<const char*>(address.data()) + kPathOffset, address.size() - kPathOffset);
  if (text.empty()) return UnixName{};
  if (text[0] == '\0') return UnixName{UnixName::Kind::kAbstract, text.substr(1)};
  return UnixName{UnixName::Kind::kPath, text.substr(0, text.find('\0'))};
}

UnixNamespace::~UnixNamespace() = default;

Result<void> UnixNamespace::Bind(int type, const std::string& name, RefPtr<UnixEndpoint> endpoint) {
  base::MutexLock lock(mu_);
  if (!names_.try_emplace({type, name}, std::move(endpoint)).second) return Errno::kEADDRINUSE;
  return Ok();
}

Result<std::string> UnixNamespace::Autobind(int type, RefPtr<UnixEndpoint> endpoint) {
  base::MutexLock lock(mu_);
  for (uint32_t tries = 0; tries < kAutobindNames; ++tries) {
    std::string name = absl::StrFormat("%05x", next_);
    next_ = (next_ + 1) % kAutobindNames;
    if (names_.try_emplace({type, name}, endpoint).second) return name;
  }
  return Errno::kENOSPC;
}

RefPtr<UnixEndpoint> UnixNamespace::Find(int type, const std::string& name) const {
  base::MutexLock lock(mu_);
  const auto it = names_.find({type, name});
  return it == names_.end() ? nullptr : it->second;
}

void UnixNamespace::Unbind(int type, const std::string& name) {
  RefPtr<UnixEndpoint> dropped;  // after the lock
  base::MutexLock lock(mu_);
  const auto it = names_.find({type, name});
  if (it == names_.end()) return;
  dropped = std::move(it->second);
  names_.erase(it);
}

}  // namespace sentry
