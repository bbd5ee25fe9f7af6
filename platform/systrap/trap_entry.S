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
#define SITE_SIZE 7  // platform::CallSite::kSize, of sites with a number
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
    // Signal stack (up to the words) and mask by a frame, as no other call is left.
    leaq REGION_STACK(%rbx), %rsp
    movq %rsp, UC_STACK(%rsp)
    movq $REGION_WORDS-REGION_STACK, UC_STACK+16(%rsp)
    leaq started(%rip), %rax
    movq %rax, UC_RIP(%rsp)
    movabsq $USER_SELECTORS, %rax
    movq %rax, UC_SELECTORS(%rsp)
    movq stub_guest_mask(%rip), %rax
    movq %rax, UC_MASK(%rsp)
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
    leaq CallJump(%rip), %rcx
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
    leaq answered(%rip), %r14

// Gives the turn, and waits for it; goes on at r14.
exchange:
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
    cmpl $0, REGION_SPIN(%rbx)
    je 3f
    rdtsc
    movl %eax, %r9d
2:
    cmpl $0, REGION_TURN(%rbx)
    je 6f
    pause
    rdtsc
    subl %r9d, %eax
    cmpl REGION_SPIN(%rbx), %eax
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
6:
    jmp *%r14

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
    leaq call_resume_begin(%rip), %rcx
    cmpq %rcx, %rax
    jb 1f
    leaq call_resume_end(%rip), %rcx
    cmpq %rcx, %rax
    jb take_call_back
1:
    // The jump that leads to CallEntry is not before it, and part of it all the same.
    movabsq $STUB_BASE+STUB_CALL_ENTRY_OFFSET, %rdx
    leaq CallEntry(%rip), %rcx
    cmpq %rdx, %rax
    cmoveq %rcx, %rax
    cmpq %rcx, %rax
    jb 1f
    leaq AnyCallEntry(%rip), %rcx
    cmpq %rcx, %rax
    jb in_answer
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

in_answer:                              // it may go back without looking: as if not begun
    movq UC_R11(%r12), %rcx
    leaq CallEntry(%rip), %rdx
    cmpq %rdx, %rax
    cmoveq UC_RCX(%r12), %rcx
    subq $SITE_SIZE, %rcx
    movq %rcx, UC_RIP(%r12)
    movq REGION_SITE_RCX(%rbx), %rcx
    movq %rcx, UC_RCX(%r12)
    jmp publish

take_call_back:                         // this frame will do, with the call's registers
    movl $EVENT_CALL_TAKEN_BACK, %edi
    jmp publish

take_back:
    movq REGION_FRAME(%rbx), %r12
preempted:                              // the bases in the region are newer than ours
    leaq -16(%r12), %rsp
    movl $SIGURG, %edi
    jmp publish_event

// --- Calls from rewritten sites ------------------------------------------------------
// The trampoline has saved rcx and put there what is behind the site, as `syscall`
// does, and the number in eax. Nothing else may change but r11.
    .globl CallEntry
CallEntry:
    // An answer that stands (sentry/syscalls: steady rows), without touching the flags.
    movq %rcx, %r11
    movq %gs:REGION_ANSWERS-REGION_WORDS(,%rax,8), %rcx
    jrcxz 1f
    leaq -1(%rcx), %rax
    movq %r11, %rcx
    jmp *%rcx
1:
    movq %r11, %rcx
    .globl AnyCallEntry
AnyCallEntry:                           // the number was not known before
    movq %rsp, %gs:CALL_RSP - REGION_WORDS
    movq %gs:REGION_SELF - REGION_WORDS, %rsp  // the top of the handler's stack
    pushfq
    popq %r11
    movq %rbx, CALL_RBX - REGION_WORDS(%rsp)
    leaq -REGION_WORDS(%rsp), %rbx
    movq %rax, CALL_RAX(%rbx)
    movq %rdi, CALL_RDI(%rbx)
    movq %rsi, CALL_RSI(%rbx)
    movq %rdx, CALL_RDX(%rbx)
    movq %r10, CALL_R10(%rbx)
    movq %r8, CALL_R8(%rbx)
    movq %r9, CALL_R9(%rbx)
    movq %rcx, CALL_RCX(%rbx)
    movq %r11, CALL_R11(%rbx)
    movq %rbp, CALL_RBP(%rbx)
    movq %r12, CALL_R12(%rbx)
    movq %r13, CALL_R13(%rbx)
    movq %r14, CALL_R14(%rbx)
    movq %r15, CALL_R15(%rbx)
    rdfsbase %rax
    movq %rax, REGION_FS_BASE(%rbx)
    movl $EVENT_CALL, REGION_EVENT(%rbx)
    leaq call_answered(%rip), %r14
    jmp exchange

call_answered:
    movl REGION_COMMAND(%rbx), %ecx
    cmpl $COMMAND_RETURN, %ecx
    jne 1f
call_resume_begin:                      // as resume_begin: from here on it is taken back
    cmpl $0, REGION_KICK(%rbx)
    jne call_kicked
    movq CALL_RDI(%rbx), %rdi
    movq CALL_RSI(%rbx), %rsi
    movq CALL_RDX(%rbx), %rdx
    movq CALL_R10(%rbx), %r10
    movq CALL_R8(%rbx), %r8
    movq CALL_R9(%rbx), %r9
    movq CALL_R13(%rbx), %r13
    movq CALL_R14(%rbx), %r14
    movq CALL_RCX(%rbx), %rcx
    movq CALL_R11(%rbx), %r11
    movq CALL_RAX(%rbx), %rax
    pushq %r11
    popfq
    movq %gs:CALL_RBX - REGION_WORDS, %rbx
    movq %gs:CALL_RSP - REGION_WORDS, %rsp
call_resume_end:
CallJump:                               // as FastJump
    jmp *%rcx

call_kicked:
    movl $EVENT_CALL_KICKED, REGION_EVENT(%rbx)
    leaq call_answered(%rip), %r14
    jmp exchange

1:
    cmpl $COMMAND_EXIT, %ecx
    je GuestThreadExit
    // COMMAND_TRAP: with the guest's FPU state, which nothing here touches.
    xorl %eax, %eax
    syscall
    ud2

    .section .note.GNU-stack, "", @progbits
