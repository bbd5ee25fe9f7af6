// What makes a program safe to run: Linux's bpf_check_classic (net/core/filter.c)
// and seccomp_check_filter.
#include <utility>

#include "sentry/kernel/seccomp/bpf.h"

namespace sentry {

using namespace abi;  // NOLINT: the instruction set

namespace {

bool IsConditional(uint16_t code) { return (code & kBpfClassMask) == kBpfJmp && code != (kBpfJmp | kBpfJa); }

// The instructions that seccomp takes.
bool IsKnown(uint16_t code) {
  switch (code) {
    case kBpfLd | kBpfW | kBpfAbs:
    case kBpfLd | kBpfW | kBpfLen:
    case kBpfLdx | kBpfW | kBpfLen:
    case kBpfLd | kBpfImm:
    case kBpfLdx | kBpfImm:
    case kBpfLd | kBpfMem:
    case kBpfLdx | kBpfMem:
    case kBpfSt:
    case kBpfStx:
    case kBpfRet | kBpfK:
    case kBpfRet | kBpfA:
    case kBpfMisc | kBpfTax:
    case kBpfMisc | kBpfTxa:
    case kBpfJmp | kBpfJa:
    case kBpfAlu | kBpfNeg:
      return true;
    default:
      break;
  }
  const uint16_t operation = code & ~(kBpfClassMask | kBpfX);
  if ((code & kBpfClassMask) == kBpfJmp) {
    return operation == kBpfJeq || operation == kBpfJgt || operation == kBpfJge || operation == kBpfJset;
  }
  if ((code & kBpfClassMask) != kBpfAlu) return false;
  switch (operation) {
    case kBpfAdd:
    case kBpfSub:
    case kBpfMul:
    case kBpfDiv:
    case kBpfOr:
    case kBpfAnd:
    case kBpfXor:
    case kBpfLsh:
    case kBpfRsh:
      return true;
    default:
      return false;
  }
}

// The operand of one instruction; `left` is how many follow it.
bool OperandIsValid(const SockFilter& i, size_t left) {
  switch (i.code) {
    case kBpfLd | kBpfW | kBpfAbs:
      return i.k < sizeof(SeccompData) && i.k % 4 == 0;
    case kBpfAlu | kBpfDiv | kBpfK:
      return i.k != 0;
    case kBpfAlu | kBpfLsh | kBpfK:
    case kBpfAlu | kBpfRsh | kBpfK:
      return i.k < 32;
    case kBpfLd | kBpfMem:
    case kBpfLdx | kBpfMem:
    case kBpfSt:
    case kBpfStx:
      return i.k < kBpfMemWords;
    case kBpfJmp | kBpfJa:
      return i.k < left;
    default:
      return !IsConditional(i.code) || (i.jt < left && i.jf < left);
  }
}

// Each word that is read was written on every way there. All jumps go forward, so
// one pass sees all ways to an instruction before it.
bool MemoryIsWrittenFirst(const std::vector<SockFilter>& code) {
  std::vector<uint16_t> on_entry(code.size(), 0xffff);
  uint16_t valid = 0;
  for (size_t pc = 0; pc < code.size(); ++pc) {
    const SockFilter& i = code[pc];
    valid &= on_entry[pc];
    switch (i.code) {
      case kBpfSt:
      case kBpfStx:
        valid |= static_cast<uint16_t>(1 << i.k);
        break;
      case kBpfLd | kBpfMem:
      case kBpfLdx | kBpfMem:
        if ((valid & (1 << i.k)) == 0) return false;
        break;
      case kBpfJmp | kBpfJa:
        on_entry[pc + 1 + i.k] &= valid;
        valid = 0xffff;
        break;
      default:
        if (!IsConditional(i.code)) break;
        on_entry[pc + 1 + i.jt] &= valid;
        on_entry[pc + 1 + i.jf] &= valid;
        valid = 0xffff;
    }
  }
  return true;
}

}  // namespace

Result<BpfProgram> BpfProgram::Create(std::vector<SockFilter> code) {
  if (code.empty() || code.size() > kBpfMaxInstructions) return Errno::kEINVAL;
  for (size_t pc = 0; pc < code.size(); ++pc) {
    if (!IsKnown(code[pc].code) || !OperandIsValid(code[pc], code.size() - pc - 1)) return Errno::kEINVAL;
  }
  if ((code.back().code & kBpfClassMask) != kBpfRet) return Errno::kEINVAL;
  if (!MemoryIsWrittenFirst(code)) return Errno::kEINVAL;
  return BpfProgram(std::move(code));
}

size_t BpfProgram::translated_length() const {
  size_t length = 3;  // clears both registers, keeps the context
  for (const SockFilter& i : code_) {
    length += 1;
    if (i.code == (kBpfAlu | kBpfDiv | kBpfX)) length += 4;  // the test for 0
    if (i.code == (kBpfRet | kBpfK)) length += 1;
    if (!IsConditional(i.code)) continue;
    // An operand that is no signed 32-bit number needs a register.
    if ((i.code & kBpfX) == 0 && i.k > INT32_MAX) length += 1;
    const bool one_way = i.jf == 0 || (i.jt == 0 && (i.code & 0xf0) != kBpfJset);
    if (!one_way) length += 1;
  }
  return length;
}

}  // namespace sentry
