// Segments as virtual CPUs have them, and the tables of them that ring 0 has in memory
// (Intel SDM volume 3, chapters 3 and 6; AMD64 APM volume 2, chapter 4).
#ifndef PLATFORM_KVM_SEGMENTS_H_
#define PLATFORM_KVM_SEGMENTS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/kvm/api.h"
#include "sentry/arch/amd64/registers.h"

namespace platform::kvm {

kvm_segment CodeSegment(uint16_t selector);
// A null selector makes none. Guests may have readable code in a data segment, too.
kvm_segment DataSegment(uint64_t selector, uint64_t base = 0);
// What a guest can have loaded; of anything else nothing is left.
uint64_t DataSelector(uint64_t selector);
uint64_t UserCs(const sentry::arch::Registers& regs);

// The page of a virtual CPU's own that has its GDT and TSS.
void FillDescriptors(std::byte* page);
// The `number` that `lsl` of CPU_SELECTOR tells guests.
uint64_t CpuDescriptor(uint64_t number);

// Ring 0's pages that all virtual CPUs share.
void FillSharedPages(std::byte* text, std::byte* idt);

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_SEGMENTS_H_
