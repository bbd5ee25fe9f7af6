// The vDSO that the host gave this process: the guest's own calls it for its clocks.
#ifndef PLATFORM_KVM_HOST_VDSO_H_
#define PLATFORM_KVM_HOST_VDSO_H_

#include <cstddef>
#include <span>

namespace platform::kvm {

// Whole pages; the data lies right below the text. Empty: there is none.
struct HostVdso {
  std::span<std::byte> data;
  std::span<std::byte> text;
};
// To be called before the host filter.
HostVdso FindHostVdso();

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_HOST_VDSO_H_
