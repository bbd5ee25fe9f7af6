// The KVM platform: guest code in ring 3 of a VM, the sentry's threads its virtual
// CPUs. README.md tells how.
#ifndef PLATFORM_KVM_KVM_H_
#define PLATFORM_KVM_KVM_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "platform/kvm/guest_memory.h"
#include "platform/platform.h"

namespace platform::kvm {

struct Options {
  int device = -1;  // /dev/kvm, open for reading and writing; borrowed
  std::vector<MemoryView> memory;
  size_t vcpus = 0;  // at most; 0: by the host's processors
};

// Makes the VM and tries it out, for half a second at most. The platform must outlive
// its address spaces and contexts. On failure `why` says in words what is wrong with
// this host's KVM, if anything is.
base::Result<std::unique_ptr<Platform>> Create(Options options, std::string& why);

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_KVM_H_
