// The host's KVM as this platform uses it: ioctl numbers and structures. Those with
// an array at the end are our own, since <linux/kvm.h> has them a byte too long in
// C++ and derives the numbers from that. Source: Linux, Documentation/virt/kvm/api.rst.
#ifndef PLATFORM_KVM_API_H_
#define PLATFORM_KVM_API_H_

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <cstddef>
#include <cstdint>

namespace platform::kvm {

// Where this platform's descriptors go, since the host filter lets its ioctls pass on
// these alone: the VM's, then its virtual CPUs'. Low, for callers with a low RLIMIT_NOFILE.
inline constexpr int kFirstFd = 0x40, kFdCount = 0x40;

struct Cpuid {
  static constexpr uint32_t kMax = 256;
  uint32_t count = kMax;
  uint32_t padding = 0;
  kvm_cpuid_entry2 entries[kMax] = {};
};

struct Msrs {
  static constexpr uint32_t kMax = 8;
  uint32_t count = 0;
  uint32_t padding = 0;
  kvm_msr_entry entries[kMax] = {};
  void Add(uint32_t index, uint64_t data) { entries[count++] = {index, 0, data}; }
};

inline constexpr unsigned long kGetSupportedCpuid = 0xc008ae05;
inline constexpr unsigned long kSetCpuid = 0x4008ae90;
inline constexpr unsigned long kSetMsrs = 0x4008ae89;
inline constexpr size_t kSmallXsave = 4096;              // bytes of these
inline constexpr unsigned long kGetXsave = 0x9000aea4;   // as KVM_GET_XSAVE
inline constexpr unsigned long kGetXsave2 = 0x9000aecf;  // the same, of any size
inline constexpr unsigned long kSetXsave = 0x5000aea5;
static_assert(kGetSupportedCpuid == _IOWR(KVMIO, 0x05, uint64_t) && kSetCpuid == _IOW(KVMIO, 0x90, uint64_t) &&
              kSetMsrs == _IOW(KVMIO, 0x89, uint64_t) && kGetXsave2 == _IOR(KVMIO, 0xcf, uint32_t[1024]) &&
              kSetXsave == _IOW(KVMIO, 0xa5, uint32_t[1024]));

// Of a newer <linux/kvm.h> (Linux 6.8).
inline constexpr uint32_t kExitMemoryFault = 39;
struct MemoryFaultExit {
  uint64_t flags;
  uint64_t gpa;
  uint64_t size;
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_API_H_
