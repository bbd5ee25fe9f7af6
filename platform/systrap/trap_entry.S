// The stub's side of systrap: how a guest thread starts, and the handler that every
// system call, fault and kick of it enters.
//
// Guest threads may jump to any instruction here with any registers, and write all
// memory that this code writes. They come to nothing by it: their seccomp filter
// (guest_filter_nosys.cc) lets them wait, wake, return from a signal and end, and no more.
//
// rbx is the region of the thread, r12 the ucontext of the guest's registers.
#include <sys/syscall.h>

#include "platform/systrap/region.h"

#define SIGURG 23
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#define USER_SELECTORS 0x002b000000000033  // cs and ss of a sigcontext

    .text
// --- Start ---------------------------------------------------------------------------
    .globl TrappedThreadStart
TrappedThreadStart:                     // r9: the region
    movq %r9, %rbx
    // All signals are blocked until the filter is there: before it, this thread may make
    // the keeper's calls, and siblings can write all that a handler would use.
    movl $SECCOMP_SET_MODE_FILTER, %edi
    movl $SECCOMP_FILTER_FLAG_SPEC_ALLOW, %esi
    leaq stub_guest_program(%rip), %rdx
    movl $SYS_seccomp, %eax
    syscall
    testq %rax, %rax
    jnz GuestThreadExit
    // Signal stack (all of the region below the words) and mask by a frame, as no other
    // call is left.
    movq %rbx, UC_STACK(%rbx)
    movq $REGION_WORDS, UC_STACK+16(%rbx)
    leaq started(%rip), %rax
    movq %rax, UC_RIP(%rbx)
    movabsq $USER_SELECTORS, %rax
    movq %rax, UC_SELECTORS(%rbx)
    movq stub_guest_mask(%rip), %rax
    movq %rax, UC_MASK(%rbx)
    movq %rbx, %rsp
    jmp StubSigreturn
    // Trapped as any call from now on: the frame is what the sentry fills.
started:
    syscall
    ud2

// --- The handler ---------------------------------------------------------------------
    .globl SignalEntry
SignalEntry:                            // edi: signal, rsi: siginfo, rdx: ucontext
    movq %rsp, %rbx
    andq $-STUB_REGION_SIZE, %rbx
    movq %rdx, %r12
    movq UC_RIP(%r12), %rax
    leaq FastJump(%rip), %rcx
    cmpq %rcx, %rax
    je in_fast_jump
    cmpl $SIGURG, %edi
    je kicked
publish:
    movq %r12, REGION_FRAME(%rbx)
    rdfsbase %rax
    movq %rax, REGION_FS_BASE(%rbx)
    rdgsbase %rax
    movq %rax, REGION_GS_BASE(%rbx)
publish_event:
    movl %edi, REGION_EVENT(%rbx)

    // Give the turn, and wait for it.
    movl $1, %eax
    xchgl %eax, REGION_TURN(%rbx)
    cmpl $0, REGION_SENTRY_SLEEPS(%rbx)
    je 1f
    leaq REGION_TURN(%rbx), %rdi
    movl $FUTEX_WAKE, %esi
    movl $1, %edx
    leaq 1f(%rip), %r13
    jmp StubFutex
1:
    movl REGION_SPIN(%rbx), %r8d
    testl %r8d, %r8d
    jz 3f
    rdtsc
    movl %eax, %r9d
2:
    cmpl $0, REGION_TURN(%rbx)
    je answered
    pause
    rdtsc
    subl %r9d, %eax
    cmpl %r8d, %eax
    jb 2b
3:
    movl $1, %eax
    xchgl %eax, REGION_STUB_SLEEPS(%rbx)
4:
    cmpl $0, REGION_TURN(%rbx)
    je 5f
    leaq REGION_TURN(%rbx), %rdi
    movl $FUTEX_WAIT, %esi
    movl $1, %edx
    xorl %r10d, %r10d
    leaq 4b(%rip), %r13
    jmp StubFutex
5:
    movl $0, REGION_STUB_SLEEPS(%rbx)

answered:
    movl REGION_COMMAND(%rbx), %ecx
    cmpl $COMMAND_EXIT, %ecx
    je GuestThreadExit
    // From here to the guest a kick takes the thread back (kicked, below): the frame
    // has all that the guest should get, and nothing of it has run.
resume_begin:
    cmpl $0, REGION_KICK(%rbx)
    jne preempted
    movq REGION_FS_BASE(%rbx), %rax
    wrfsbase %rax
    movq REGION_GS_BASE(%rbx), %rax
    wrgsbase %rax
    movq %r12, %rsp
    cmpl $COMMAND_RESUME_FAST, %ecx
    jne StubSigreturn
    // The host gave the handler an initial FPU state.
    movq UC_FPSTATE(%rsp), %rcx
    movl $-1, %eax
    movl $-1, %edx
    xrstor64 (%rcx)
    movq UC_R8(%rsp), %r8
    movq UC_R9(%rsp), %r9
    movq UC_R10(%rsp), %r10
    movq UC_R11(%rsp), %r11
    movq UC_R12(%rsp), %r12
    movq UC_R13(%rsp), %r13
    movq UC_R14(%rsp), %r14
    movq UC_R15(%rsp), %r15
    movq UC_RDI(%rsp), %rdi
    movq UC_RSI(%rsp), %rsi
    movq UC_RBP(%rsp), %rbp
    movq UC_RBX(%rsp), %rbx
    movq UC_RDX(%rsp), %rdx
    movq UC_RAX(%rsp), %rax
    movq UC_RIP(%rsp), %rcx             // as `syscall` leaves it
    pushq UC_EFLAGS(%rsp)
    popfq
    movq UC_RSP(%rsp), %rsp
resume_end:
    // A signal here would find the stack free and overwrite the frame: but the
    // registers are the guest's by now, all but rip.
FastJump:
    jmp *%rcx

in_fast_jump:                           // a kick, or rcx is no address
    movq UC_RCX(%r12), %rax
    movq %rax, UC_RIP(%r12)
    jmp publish

kicked:                                 // rax: where
    leaq resume_begin(%rip), %rcx
    cmpq %rcx, %rax
    jb 1f
    leaq resume_end(%rip), %rcx
    cmpq %rcx, %rax
    jb take_back
1:
    leaq StubSigreturn(%rip), %rcx
    cmpq %rcx, %rax
    jb 2f
    leaq StubSigreturnEnd(%rip), %rcx
    cmpq %rcx, %rax
    jb take_back
2:
    // Elsewhere in the stub: it has given the turn, is about to, or will look at
    // REGION_KICK.
    movabsq $STUB_BASE, %rcx
    subq %rcx, %rax
    cmpq $STUB_IMAGE_END-STUB_BASE, %rax
    jae publish
    movq %r12, %rsp
    jmp StubForget

take_back:
    movq REGION_FRAME(%rbx), %r12
preempted:                              // the bases in the region are newer than ours
    leaq -16(%r12), %rsp
    movl $SIGURG, %edi
    jmp publish_event

    .section .note.GNU-stack, "", @progbits
