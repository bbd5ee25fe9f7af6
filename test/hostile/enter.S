// The ways into hostile states and out of them. Nothing here may rely on more than rip
// (and, in the handler, on the signal stack).
#define WORD_RSP 0
#define WORD_SELECTORS 8
#define WORD_LOAD_SELECTORS 16
#define WORD_HANDLER_FLAGS 40
#define WORD_HANDLER_SELECTORS 48

    .text
    .macro SAVE_CALLER
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, hostile_words+WORD_RSP(%rip)
    .endm

    .macro LOAD_SELECTORS
    cmpq $0, hostile_words+WORD_LOAD_SELECTORS(%rip)
    je 1f
    movw hostile_words+WORD_SELECTORS+0(%rip), %ds
    movw hostile_words+WORD_SELECTORS+2(%rip), %es
    // A null one may lose the base, and is there already.
    cmpw $0, hostile_words+WORD_SELECTORS+4(%rip)
    je 2f
    movw hostile_words+WORD_SELECTORS+4(%rip), %fs
2:
    cmpw $0, hostile_words+WORD_SELECTORS+6(%rip)
    je 1f
    movw hostile_words+WORD_SELECTORS+6(%rip), %gs
1:
    .endm

    .globl HostileEnterBySigreturn
HostileEnterBySigreturn:                // rdi: the ucontext
    SAVE_CALLER
    LOAD_SELECTORS
    movq %rdi, %rsp
    movl $15, %eax
    syscall
    ud2

    .globl HostileEnterDirectly
HostileEnterDirectly:                   // rdi: Registers
    SAVE_CALLER
    LOAD_SELECTORS
    movq 128(%rdi), %rax
    movq %rax, target(%rip)
    movq 120(%rdi), %rax
    movq %rax, target_rsp(%rip)
    movq 0(%rdi), %r8
    movq 8(%rdi), %r9
    movq 16(%rdi), %r10
    movq 24(%rdi), %r11
    movq 32(%rdi), %r12
    movq 40(%rdi), %r13
    movq 48(%rdi), %r14
    movq 56(%rdi), %r15
    movq 72(%rdi), %rsi
    movq 80(%rdi), %rbp
    movq 88(%rdi), %rbx
    movq 96(%rdi), %rdx
    movq 104(%rdi), %rax
    movq 112(%rdi), %rcx
    pushq 136(%rdi)
    movq 64(%rdi), %rdi
    popfq
    movq target_rsp(%rip), %rsp
    jmp *target(%rip)

    .globl HostileSignalEntry
HostileSignalEntry:
    pushfq
    popq hostile_words+WORD_HANDLER_FLAGS(%rip)
    // AC, above all: the code below is compiled.
    pushq $0x202
    popfq
    movw %ds, hostile_words+WORD_HANDLER_SELECTORS+0(%rip)
    movw %es, hostile_words+WORD_HANDLER_SELECTORS+2(%rip)
    movw %fs, hostile_words+WORD_HANDLER_SELECTORS+4(%rip)
    movw %gs, hostile_words+WORD_HANDLER_SELECTORS+6(%rip)
    subq $8, %rsp
    call HostileOnSignal
    testl %eax, %eax
    jz 1f
    movq hostile_words+WORD_RSP(%rip), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
1:
    addq $8, %rsp
    ret

    .globl HostileRestorer
HostileRestorer:
    movl $15, %eax
    syscall
    ud2

    .bss
    .balign 16
target:
    .skip 8
target_rsp:
    .skip 8
    .section .note.GNU-stack, "", @progbits
