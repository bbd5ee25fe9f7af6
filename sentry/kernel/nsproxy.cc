#include "sentry/kernel/nsproxy.h"

namespace sentry {

using base::MutexLock;

UtsNamespace::UtsNamespace(UtsName name) : UtsNamespace(std::move(name), UserNamespace::Initial(), NamespaceCharge()) {}

UtsNamespace::UtsNamespace(UtsName name, base::RefPtr<UserNamespace> owner, NamespaceCharge charge)
    : Namespace(NamespaceKind::kUts, First::kNo, std::move(owner), std::move(charge)), name_(std::move(name)) {}

UtsName UtsNamespace::name() const {
  MutexLock lock(mu_);
  return name_;
}

void UtsNamespace::SetHostname(std::string name) {
  MutexLock lock(mu_);
  name_.hostname.swap(name);
}

void UtsNamespace::SetDomainname(std::string name) {
  MutexLock lock(mu_);
  name_.domainname.swap(name);
}

}  // namespace sentry
