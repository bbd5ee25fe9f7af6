// Finds out by trying what kind of KVM this is, and whether it works at all.
#ifndef PLATFORM_KVM_PROBE_H_
#define PLATFORM_KVM_PROBE_H_

#include <string>

#include "platform/kvm/address_space.h"
#include "platform/kvm/vcpu.h"

namespace platform::kvm {

// Runs a few instructions on the VM's first virtual CPU, under an alarm; `traits` are the
// ones that it looks at. ENOSYS: they did not do what they should, `why` says which.
Result<void> Probe(Vcpu& vcpu, const SpaceParts& parts, Traits& traits, std::string& why);

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_PROBE_H_
