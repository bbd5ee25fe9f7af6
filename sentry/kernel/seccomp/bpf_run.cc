#include <array>
#include <cstring>
#include <optional>

#include "sentry/kernel/seccomp/bpf.h"

namespace sentry {

using namespace abi;  // NOLINT: the instruction set

namespace {

uint32_t Load(const SeccompData& data, uint32_t offset) {
  uint32_t word;
  memcpy(&word, reinterpret_cast<const char*>(&data) + offset, sizeof word);
  return word;
}

bool Holds(uint16_t operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case kBpfJeq:
      return a == b;
    case kBpfJgt:
      return a > b;
    case kBpfJge:
      return a >= b;
    default:
      return (a & b) != 0;  // kBpfJset
  }
}

// Nothing: a division by 0, which ends the program with 0.
std::optional<uint32_t> Compute(uint16_t operation, uint32_t a, uint32_t b) {
  switch (operation) {
    case kBpfAdd:
      return a + b;
    case kBpfSub:
      return a - b;
    case kBpfMul:
      return a * b;
    case kBpfDiv:
      return b != 0 ? std::optional<uint32_t>(a / b) : std::nullopt;
    case kBpfOr:
      return a | b;
    case kBpfAnd:
      return a & b;
    case kBpfXor:
      return a ^ b;
    case kBpfLsh:
      return a << (b % 32);  // as the processor does it: only an X may be larger
    case kBpfRsh:
      return a >> (b % 32);
    default:
      return -a;  // kBpfNeg
  }
}

struct Machine {
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, kBpfMemWords> memory = {};

  // Loads, stores and moves.
  void Move(const SockFilter& i, const SeccompData& data) {
    switch (i.code) {
      case kBpfLd | kBpfW | kBpfAbs:
        a = Load(data, i.k);
        break;
      case kBpfLd | kBpfImm:
        a = i.k;
        break;
      case kBpfLdx | kBpfImm:
        x = i.k;
        break;
      case kBpfLd | kBpfMem:
        a = memory[i.k];
        break;
      case kBpfLdx | kBpfMem:
        x = memory[i.k];
        break;
      case kBpfLd | kBpfW | kBpfLen:
        a = sizeof(SeccompData);
        break;
      case kBpfLdx | kBpfW | kBpfLen:
        x = sizeof(SeccompData);
        break;
      case kBpfSt:
        memory[i.k] = a;
        break;
      case kBpfStx:
        memory[i.k] = x;
        break;
      case kBpfMisc | kBpfTax:
        x = a;
        break;
      default:
        a = x;  // kBpfTxa
    }
  }
};

}  // namespace

// Create has seen to it that each jump, offset and word is inside, and that the last
// instruction returns.
uint32_t BpfProgram::Run(const SeccompData& data) const {
  Machine m;
  for (const SockFilter* i = code_.data();; ++i) {
    const uint32_t operand = (i->code & kBpfX) != 0 ? m.x : i->k;
    switch (i->code & kBpfClassMask) {
      case kBpfRet:
        return i->code == (kBpfRet | kBpfA) ? m.a : i->k;
      case kBpfJmp:
        if (i->code == (kBpfJmp | kBpfJa)) {
          i += i->k;
        } else {
          i += Holds(i->code & 0xf0, m.a, operand) ? i->jt : i->jf;
        }
        break;
      case kBpfAlu: {
        const std::optional<uint32_t> value = Compute(i->code & 0xf0, m.a, operand);
        if (!value) return kSeccompRetKillThread;
        m.a = *value;
        break;
      }
      default:
        m.Move(*i, data);
    }
  }
}

// Follows only what depends on number and architecture; anything else is "perhaps not".
bool BpfProgram::AlwaysAllows(int32_t number, uint32_t arch) const {
  uint32_t a = 0;
  for (const SockFilter* i = code_.data();; ++i) {
    switch (i->code) {
      case kBpfLd | kBpfW | kBpfAbs:
        if (i->k == offsetof(SeccompData, nr)) {
          a = static_cast<uint32_t>(number);
        } else if (i->k == offsetof(SeccompData, arch)) {
          a = arch;
        } else {
          return false;
        }
        break;
      case kBpfRet | kBpfK:
        return i->k == kSeccompRetAllow;
      case kBpfJmp | kBpfJa:
        i += i->k;
        break;
      case kBpfJmp | kBpfJeq | kBpfK:
      case kBpfJmp | kBpfJgt | kBpfK:
      case kBpfJmp | kBpfJge | kBpfK:
      case kBpfJmp | kBpfJset | kBpfK:
        i += Holds(i->code & 0xf0, a, i->k) ? i->jt : i->jf;
        break;
      case kBpfAlu | kBpfAnd | kBpfK:
        a &= i->k;
        break;
      default:
        return false;
    }
  }
}

}  // namespace sentry
