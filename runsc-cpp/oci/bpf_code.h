// Pieces of classic BPF over struct seccomp_data. A piece ends in returns only,
// or falls through at its end; it holds no jump out of itself, so that pieces
// can be put one behind the other.
#ifndef RUNSC_CPP_OCI_BPF_CODE_H_
#define RUNSC_CPP_OCI_BPF_CODE_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace runsc::oci {

using BpfCode = std::vector<sock_filter>;

enum class ArgOp { kNe, kLt, kLe, kEq, kGe, kGt, kMaskedEq };

struct ArgTest {
  uint32_t index = 0;
  ArgOp op = ArgOp::kEq;
  uint64_t value = 0;  // kMaskedEq: the mask
  uint64_t value_two = 0;
};

inline constexpr uint32_t kX32Bit = 0x40000000;

BpfCode Return(uint32_t action);
BpfCode LoadArch();
BpfCode LoadNumber();

// To `then` if the accumulator is `value` (or at least `value`), else to
// `otherwise`. `then` must end in returns.
BpfCode IfEqual(uint32_t value, const BpfCode& then, const BpfCode& otherwise);
BpfCode IfAtLeast(uint32_t value, const BpfCode& then, const BpfCode& otherwise);

// Returns `action` if all tests hold, else falls through.
BpfCode ReturnIf(const std::vector<ArgTest>& tests, uint32_t action);

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_BPF_CODE_H_
