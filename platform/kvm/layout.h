// Where things lie in each address space of the VM, for ring0.S too.
//
// Ring 0 has the last two GiB but one, so that 32-bit displacements reach it: its
// text and descriptors, which no ring 3 can read, and three pages that are each
// virtual CPU's own. README.md has the picture.
#ifndef PLATFORM_KVM_LAYOUT_H_
#define PLATFORM_KVM_LAYOUT_H_

// -0x80000000, which C++ would take for an unsigned number.
#define RING0_BASE (-0x7fffffff - 1)
#define RING0_TEXT (RING0_BASE + 0x0000)
#define RING0_IDT (RING0_BASE + 0x1000)
// Of each virtual CPU: GDT and TSS; the exceptions' stack, with the frame to resume
// with at its far end; answers of calls.
#define RING0_GDT (RING0_BASE + 0x2000)
#define RING0_TSS (RING0_GDT + 0x100)
#define RING0_STACK (RING0_BASE + 0x3000)
#define RING0_STACK_END (RING0_BASE + 0x4000)
#define RING0_ANSWERS (RING0_BASE + 0x4000)

// The frame: what iretq takes, then what is needed before it.
#define FRAME_RIP (RING0_STACK + 0x00)
#define FRAME_CR3 (RING0_STACK + 0x28)
#define FRAME_RAX (RING0_STACK + 0x30)

// A byte that says whether there is an answer, for each number; then the answers.
#define ANSWER_COUNT 448
#define ANSWER_VALUES (RING0_ANSWERS + 512)

// Handlers of exceptions, each so long.
#define VECTOR_COUNT 32
#define VECTOR_SIZE 16

// Selectors, as Linux has them.
#define KERNEL_CS 0x10
#define KERNEL_SS 0x18
#define USER_CS32 0x23
#define USER_SS 0x2b
#define USER_CS 0x33
#define TSS_SELECTOR 0x40
// Its limit tells ring 3 the number of the CPU (`lsl`).
#define CPU_SELECTOR 0x7b

// In the user's half, above all guest mappings: the host's vDSO, for its clocks.
#define HOST_VDSO 0x7fffe0100000
#define RESERVED_BASE 0x7fffe0000000
#define RESERVED_END 0x7ffffffff000

#ifndef __ASSEMBLER__

#include <cstdint>

namespace platform::kvm {

inline constexpr uint64_t Ring0Address(int64_t at) { return static_cast<uint64_t>(at); }

}  // namespace platform::kvm

#endif  // __ASSEMBLER__

#endif  // PLATFORM_KVM_LAYOUT_H_
