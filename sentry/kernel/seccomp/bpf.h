// A checked classic BPF program over seccomp_data. Analogous to what Linux's
// bpf_check_classic and seccomp_check_filter let through, run as written.
#ifndef SENTRY_KERNEL_SECCOMP_BPF_H_
#define SENTRY_KERNEL_SECCOMP_BPF_H_

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "sentry/abi/seccomp.h"

namespace sentry {

using base::Errno;
using base::Ok;
using base::Result;

class BpfProgram {
 public:
  // EINVAL: it could do what is not allowed, run off its end, or read a word of
  // memory that it has not written. What is made is safe for any data, and ends.
  static Result<BpfProgram> Create(std::vector<abi::SockFilter> code);

  // SECCOMP_RET_*.
  uint32_t Run(const abi::SeccompData& data) const;

  // True only if it allows the call of this number and architecture whatever its
  // arguments and place are (Linux's seccomp_is_const_allow).
  bool AlwaysAllows(int32_t number, uint32_t arch) const;

  size_t length() const { return code_.size(); }
  // What Linux counts, whose programs are translated to eBPF first
  // (bpf_convert_filter): limits on sums of lengths are in these.
  size_t translated_length() const;

 private:
  explicit BpfProgram(std::vector<abi::SockFilter> code) : code_(std::move(code)) {}

  std::vector<abi::SockFilter> code_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_SECCOMP_BPF_H_
