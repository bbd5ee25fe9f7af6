#include "platform/ptrace/fault_access.h"

#include <cstring>

namespace platform::ptrace {
namespace {

using sentry::MemoryProtection;
using sentry::arch::Registers;

constexpr MemoryProtection kRead{.read = true};
constexpr MemoryProtection kWrite{.write = true};
constexpr MemoryProtection kExecute{.execute = true};
// The largest operand of an instruction that names both a source and a target.
constexpr uint64_t kStringOperand = 8;

struct Reader {
  std::span<const uint8_t> bytes;
  size_t next = 0;
  // Beyond what could be read: no opcode, no memory operand.
  uint8_t Take() { return next < bytes.size() ? bytes[next++] : 0xff; }
};

bool Near(uint64_t addr, uint64_t base, uint64_t size) { return addr - base < size; }
// What push and call write.
bool OnStackTop(const Registers& regs, uint64_t addr) { return Near(addr, regs.rsp - 8, 8); }

// Stores of the 0F map, where `prefix` is the mandatory one (0, 0x66, 0xf3, 0xf2)
// and the operand is memory. VEX and EVEX have the same ones.
bool IsVectorStore(uint8_t op, uint8_t prefix) {
  switch (op) {
    case 0x11:  // movups, movss ...
    case 0x13:  // movlps
    case 0x17:  // movhps
    case 0x29:  // movaps
    case 0x2b:  // movntps
    case 0x7f:  // movq, movdqa, movdqu
    case 0xe7:  // movntq, movntdq
      return true;
    case 0x7e:  // movd; with F3 a load
    case 0xd6:  // movq
      return prefix != 0xf3 && prefix != 0xf2;
    default:
      return false;
  }
}

bool IsTwoByteStore(uint8_t op, uint8_t reg, uint8_t prefix) {
  if (IsVectorStore(op, prefix)) return true;
  if (op >= 0x90 && op <= 0x9f) return true;  // setcc
  switch (op) {
    case 0xa4:  // shld
    case 0xa5:
    case 0xab:  // bts
    case 0xac:  // shrd
    case 0xad:
    case 0xb0:  // cmpxchg
    case 0xb1:
    case 0xb3:  // btr
    case 0xbb:  // btc
    case 0xc0:  // xadd
    case 0xc1:
    case 0xc3:  // movnti
      return true;
    case 0xae:  // fxsave, stmxcsr, xsave
      return prefix == 0 && (reg == 0 || reg == 3 || reg == 4);
    case 0xba:  // bts, btr, btc
      return reg >= 5;
    case 0xc7:  // cmpxchg8b, cmpxchg16b
      return reg == 1;
    default:
      return false;
  }
}

bool IsOneByteStore(uint8_t op, uint8_t reg) {
  // add or adc sbb and sub xor to memory; 38 and 39 are cmp.
  if (op < 0x38 && (op & 7) <= 1) return true;
  switch (op) {
    case 0x80:
    case 0x81:
    case 0x83:
      return reg != 7;  // cmp
    case 0x86:          // xchg
    case 0x87:
    case 0x88:  // mov
    case 0x89:
    case 0xc6:
    case 0xc7:
    case 0xc0:  // shifts
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      return true;
    case 0xf6:
    case 0xf7:
      return reg == 2 || reg == 3;  // not, neg
    case 0xfe:
    case 0xff:
      return reg <= 1;  // inc, dec
    default:
      return false;
  }
}

bool IsVectorLoad(uint8_t op) { return op == 0x10 || op == 0x28 || op == 0x6f; }  // mov*

bool IsTwoByteLoad(uint8_t op) {
  // cmovcc; movzx, movsx
  return IsVectorLoad(op) || (op & 0xf0) == 0x40 || op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf;
}

bool IsOneByteLoad(uint8_t op) {
  // mov; movsxd; test; add .. cmp from memory, cmp with memory
  return op == 0x8a || op == 0x8b || op == 0x63 || op == 0x84 || op == 0x85 ||
         (op < 0x40 && (op & 7) >= 2 && (op & 7) <= 3) || op == 0x38 || op == 0x39;
}

bool IsPrefix(uint8_t op) {
  return op == 0x66 || op == 0x67 || op == 0xf2 || op == 0xf3 || op == 0xf0 || op == 0x2e || op == 0x36 || op == 0x3e ||
         op == 0x26 || op == 0x64 || op == 0x65;
}

Access Sort(bool memory, bool store, bool load) {
  if (!memory) return Access::kUnknown;
  return store ? Access::kStore : load ? Access::kLoad : Access::kUnknown;
}

Access StoreIf(bool store) { return store ? Access::kStore : Access::kUnknown; }

uint8_t MandatoryPrefix(uint8_t pp) {
  constexpr uint8_t kPrefixes[] = {0, 0x66, 0xf3, 0xf2};
  return kPrefixes[pp & 3];
}

}  // namespace

Access Classify(std::span<const uint8_t> instruction, const Registers& regs, uint64_t addr) {
  Reader in{instruction};
  uint8_t prefix = 0, op = in.Take();
  for (; IsPrefix(op); op = in.Take()) {
    if (op == 0xf2 || op == 0xf3 || (op == 0x66 && prefix == 0)) prefix = op;
    if (in.next >= instruction.size()) return Access::kUnknown;
  }
  if ((op & 0xf0) == 0x40) op = in.Take();  // REX
  const auto memory = [](uint8_t modrm) { return modrm >> 6 != 3; };
  const auto reg = [](uint8_t modrm) -> uint8_t { return modrm >> 3 & 7; };
  switch (op) {
    case 0x0f: {
      const uint8_t second = in.Take(), modrm = in.Take();
      return Sort(memory(modrm), IsTwoByteStore(second, reg(modrm), prefix), IsTwoByteLoad(second));
    }
    case 0xc5: {  // two-byte VEX
      const uint8_t p = in.Take(), second = in.Take(), modrm = in.Take();
      return Sort(memory(modrm), IsVectorStore(second, MandatoryPrefix(p)), IsVectorLoad(second));
    }
    case 0xc4:    // three-byte VEX
    case 0x62: {  // EVEX
      const uint8_t map = in.Take(), p = in.Take();
      if (op == 0x62) in.Take();
      const uint8_t second = in.Take(), modrm = in.Take();
      if ((map & (op == 0x62 ? 7 : 31)) != 1) return Access::kUnknown;
      return Sort(memory(modrm), IsVectorStore(second, MandatoryPrefix(p)), IsVectorLoad(second));
    }
    case 0xa4:  // movs: also reads
    case 0xa5:
      return StoreIf(Near(addr, regs.rdi, kStringOperand) && !Near(addr, regs.rsi, kStringOperand));
    case 0xaa:  // stos
    case 0xab:
      return Access::kStore;
    case 0x68:  // push, call
    case 0x6a:
    case 0xe8:
      return StoreIf(OnStackTop(regs, addr));
    case 0xc3:  // ret
      return Near(addr, regs.rsp, 8) ? Access::kLoad : Access::kUnknown;
    default:
      break;
  }
  if (op >= 0x50 && op <= 0x57) return StoreIf(OnStackTop(regs, addr));
  const uint8_t modrm = in.Take();
  // call and push of a memory operand: one of the two accesses.
  if (op == 0xff && (reg(modrm) == 2 || reg(modrm) == 6)) return StoreIf(!memory(modrm) && OnStackTop(regs, addr));
  return Sort(memory(modrm), IsOneByteStore(op, reg(modrm)), IsOneByteLoad(op));
}

MemoryProtection GuessAccess(TracedThread& thread, const Registers& regs, uint64_t addr, int repeats) {
  // (More often: an instruction that writes on itself.)
  if (addr == regs.rip && repeats < 2) return kExecute;
  // One word (1.5 us) holds prefixes, opcode and ModRM of all but absurd code.
  uint8_t code[8];
  uint64_t word;
  size_t size = 0;
  if (thread.PeekWord(regs.rip, word)) {
    memcpy(code, &word, sizeof(word));
    size = sizeof(code);
  }
  switch (Classify(std::span<const uint8_t>(code, size), regs, addr)) {
    case Access::kLoad:
      return kRead;
    case Access::kStore:
      return kWrite;
    case Access::kUnknown:
      break;
  }
  if (repeats % 3 == 1) return kWrite;
  // An instruction that runs on into a page that is not there.
  return repeats % 3 == 2 ? kExecute : kRead;
}

}  // namespace platform::ptrace
