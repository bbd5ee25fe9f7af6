#include "platform/kvm/segments.h"

#include <cstring>

#include "platform/kvm/layout.h"
#include "platform/kvm/ring0.h"

namespace platform::kvm {
namespace {

constexpr uint64_t kCpuSegment = 0x0040f50000000000;  // as Linux has it

uint64_t GateLow(uint64_t handler, int dpl) {
  constexpr uint64_t kInterruptGate = 0x8e, kIst = 1;
  return (handler & 0xffff) | uint64_t{KERNEL_CS} << 16 | kIst << 32 |
         (kInterruptGate | static_cast<uint64_t>(dpl) << 5) << 40 | (handler >> 16 & 0xffff) << 48;
}

}  // namespace

kvm_segment CodeSegment(uint16_t selector) {
  const bool is_32 = selector == USER_CS32;
  kvm_segment s = {};
  s.limit = 0xffffffff;
  s.selector = selector;
  s.type = 11;
  s.present = s.s = s.g = 1;
  s.dpl = selector & 3;
  s.l = !is_32;
  s.db = is_32;
  return s;
}

kvm_segment DataSegment(uint64_t selector, uint64_t base) {
  const uint64_t index = selector & ~uint64_t{7};
  const bool is_code = index == (USER_CS & ~7) || index == (USER_CS32 & ~7);
  kvm_segment s = {};
  s.base = base;
  s.limit = 0xffffffff;
  s.selector = static_cast<uint16_t>(selector);
  s.type = is_code ? 11 : 3;
  s.s = s.g = s.db = 1;
  s.dpl = selector == KERNEL_SS ? 0 : 3;
  s.present = selector > 3;
  s.unusable = selector <= 3;
  return s;
}

uint64_t DataSelector(uint64_t selector) {
  const uint64_t lowest = selector | 3;
  const bool is_ours = lowest == USER_SS || lowest == USER_CS || lowest == USER_CS32 || lowest == CPU_SELECTOR;
  return is_ours ? selector : selector & 3;
}

uint64_t UserCs(const sentry::arch::Registers& regs) { return regs.cs == USER_CS32 ? USER_CS32 : USER_CS; }

void FillDescriptors(std::byte* page) {
  auto* const gdt = reinterpret_cast<uint64_t*>(page);
  const uint64_t tss = Ring0Address(RING0_TSS);
  gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
  gdt[KERNEL_SS / 8] = 0x00cf93000000ffff;
  gdt[USER_CS32 / 8] = 0x00cffb000000ffff;
  gdt[USER_SS / 8] = 0x00cff3000000ffff;
  gdt[USER_CS / 8] = 0x00affb000000ffff;
  gdt[TSS_SELECTOR / 8] = 0x67 | (tss & 0xffffff) << 16 | uint64_t{0x8b} << 40 | (tss >> 24 & 0xff) << 56;
  gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;
  std::byte* const state = page + (RING0_TSS - RING0_GDT);
  const uint64_t stack_end = Ring0Address(RING0_STACK_END);
  constexpr uint16_t kNoIoMap = 0x68;                       // beyond the limit
  std::memcpy(state + 0x4, &stack_end, sizeof stack_end);   // RSP0
  std::memcpy(state + 0x24, &stack_end, sizeof stack_end);  // IST1
  std::memcpy(state + 0x66, &kNoIoMap, sizeof kNoIoMap);
}

uint64_t CpuDescriptor(uint64_t number) { return kCpuSegment | (number & 0xfff); }

void FillSharedPages(std::byte* text, std::byte* idt) {
  std::memcpy(text, ring0_text, static_cast<size_t>(ring0_end - ring0_text));
  auto* const gates = reinterpret_cast<uint64_t*>(idt);
  for (uint64_t v = 0; v < VECTOR_COUNT; v++) {
    const uint64_t handler = TextAddress(ring0_vectors) + v * VECTOR_SIZE;
    const bool for_guests = v == 3 || v == 4;  // int3, into
    gates[2 * v] = GateLow(handler, for_guests ? 3 : 0);
    gates[2 * v + 1] = handler >> 32;
  }
}

}  // namespace platform::kvm
