// All that runs in ring 0: plain integer instructions, no secrets. It is copied to
// RING0_TEXT. `hlt` is the way out: the virtual CPU's thread goes on in Vcpu::Decode,
// which knows each place of this text. Interrupts there are none.
#include "platform/kvm/layout.h"

  .section .rodata
  .balign 16
  .globl ring0_text, ring0_answer, ring0_sysret, ring0_call_exit, ring0_compat, ring0_resume_cr3
  .globl ring0_resume, ring0_vectors, ring0_end

// `syscall` of ring 3 (LSTAR): rcx has the return address, r11 the flags; all else is
// the guest's, rsp too, so nothing is pushed. Calls that have an answer end here.
ring0_text:
  cmp $ANSWER_COUNT, %rax
  jae ring0_call_exit
  cmpb $0, RING0_ANSWERS(%rax)
  je ring0_call_exit
ring0_answer:
  mov ANSWER_VALUES(, %rax, 8), %rax
ring0_sysret:
  // rcx is canonical: guest code lies far below the end of the lower half.
  sysretq
ring0_call_exit:
  hlt
  ud2

// `syscall` of 32-bit code (CSTAR).
ring0_compat:
  hlt
  ud2

// Back to ring 3, by the frame; first with another CR3.
ring0_resume_cr3:
  mov FRAME_CR3, %rax
  mov %rax, %cr3
  mov FRAME_RAX, %rax
ring0_resume:
  iretq

// Exceptions, on a stack of their own. Nothing is saved, since nothing is changed.
  .balign VECTOR_SIZE
ring0_vectors:
  .rept VECTOR_COUNT
  hlt
  ud2
  .balign VECTOR_SIZE
  .endr
ring0_end:

  .section .note.GNU-stack, "", @progbits
