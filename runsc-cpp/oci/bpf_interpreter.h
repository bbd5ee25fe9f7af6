// For tests: what a program answers to a call, by the book of
// Documentation/networking/filter.rst.
#ifndef RUNSC_CPP_OCI_BPF_INTERPRETER_H_
#define RUNSC_CPP_OCI_BPF_INTERPRETER_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace runsc::oci {

// Nothing if Linux would not take the program: an unknown instruction, a jump
// or a fall past its end, a load outside of seccomp_data.
inline std::optional<uint32_t> RunBpf(const std::vector<sock_filter>& program, const seccomp_data& data) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& i = program[pc];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k % 4 != 0 || i.k > sizeof data - 4) return std::nullopt;
        memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, 4);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        pc += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        pc += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        pc += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        pc += a > i.k ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_BPF_INTERPRETER_H_
