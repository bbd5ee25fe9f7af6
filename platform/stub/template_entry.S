// Entry of the template, the keeper's loop and where guest threads start.
//
// The keeper's loop shares its memory with hostile guest threads, so it has no
// stack and keeps its state in registers: rbx the next op, r12 ops left, r13 ops
// done, r14 the last result, r15 an op's flags or a byte to send, rbp the last
// op's flags. It reads the request page (read-only to everybody
// here) and constants; the bytes it stores (keeper_scratch) it never reads.
#include <sys/syscall.h>

#include "platform/stub/layout.h"

    .section .text.entry, "ax", @progbits
    .globl _start
_start:
    xorl %ebp, %ebp
    movq %rsp, %rdi
    leaq stub_stack_top(%rip), %rsp
    call TemplateMain
    ud2

    .org STUB_THREAD_START_OFFSET
// A new guest thread. With a region in r9 it will be trapped; without, it waits
// here for its tracer, who sets all its registers.
GuestThreadStart:
    testq %r9, %r9
    jnz TrappedThreadStart
1:
    movl $SYS_pause, %eax
    syscall
    jmp 1b

    .org STUB_THREAD_EXIT_OFFSET
// A tracer that gives its thread up points it here and detaches; a trapped thread
// comes here when it is told so.
    .globl GuestThreadExit
GuestThreadExit:
    movl $SYS_exit, %eax
    xorl %edi, %edi
    syscall
    .if . - GuestThreadExit - (STUB_EXIT_IP_OFFSET - STUB_THREAD_EXIT_OFFSET)
    .error "STUB_EXIT_IP_OFFSET is wrong"
    .endif
    jmp GuestThreadExit

// The other calls of trapped threads (trap_entry.S); 7 bytes each.
    .org STUB_FUTEX_IP_OFFSET - 7
    .globl StubFutex
StubFutex:                              // returns to r13
    movl $SYS_futex, %eax
    syscall
    jmp *%r13

    .org STUB_SIGRETURN_IP_OFFSET - 7
    .globl StubSigreturn
StubSigreturn:                          // to the guest
    movl $SYS_rt_sigreturn, %eax
    syscall
    .globl StubSigreturnEnd
StubSigreturnEnd:
    ud2

    .org STUB_FORGET_IP_OFFSET - 7
    .globl StubForget
StubForget:                             // to the handler that a kick interrupted
    movl $SYS_rt_sigreturn, %eax
    syscall
    ud2

    .org STUB_CALL_ENTRY_OFFSET
    jmp CallEntry
    .org STUB_ANY_CALL_ENTRY_OFFSET
    jmp AnyCallEntry

    .text
    .globl KeeperLoop
KeeperLoop:
    // Wait for a byte on the socket. End of file: the sentry is gone.
    xorl %eax, %eax                     // SYS_read
    movl $STUB_FD_SOCKET, %edi
    leaq keeper_scratch(%rip), %rsi
    movl $1, %edx
    syscall
    cmpq $1, %rax
    je 1f
    cmpq $-4, %rax                      // EINTR
    je KeeperLoop
keeper_exit:
    movl $SYS_exit_group, %eax
    xorl %edi, %edi
    syscall
    ud2
1:
    movabsq $STUB_REQUEST_PAGE, %rbx
    movq (%rbx), %r12
    addq $KEEPER_REQUEST_OPS, %rbx
    xorl %r13d, %r13d
    xorl %r14d, %r14d
next_op:
    testq %r12, %r12
    jz all_done
    testl $KEEPER_OP_RECEIVE, KEEPER_OP_FLAGS(%rbx)
    jz 2f
    // The kernel shortened it in the last call.
    movq $keeper_control_size, keeper_msg_controllen(%rip)
    leaq keeper_msg(%rip), %rsi
    movl $SYS_recvmsg, %eax
    movl $STUB_FD_SOCKET, %edi
    movl $0x40000000, %edx              // MSG_CMSG_CLOEXEC
    syscall
    // A guest that spoils the message may leave the byte unread. It would wake us once
    // more, and our answers would come before the work that they answer for.
    cmpq $1, %rax
    je 4f
    cmpq $-4, %rax                      // EINTR
    je next_op
    jmp keeper_exit
2:
    movq (%rbx), %rax
    movq KEEPER_OP_ARGS+0(%rbx), %rdi
    movq KEEPER_OP_ARGS+8(%rbx), %rsi
    movq KEEPER_OP_ARGS+16(%rbx), %rdx
    movq KEEPER_OP_ARGS+24(%rbx), %r10
    movq KEEPER_OP_ARGS+32(%rbx), %r8
    movq KEEPER_OP_ARGS+40(%rbx), %r9
    // A new thread comes out of this call too, perhaps when the page holds the
    // next request already: its flags are looked at before.
    movl KEEPER_OP_FLAGS(%rbx), %r15d
    syscall
    testl $KEEPER_OP_CLONE, %r15d
    jz 4f
    testq %rax, %rax
    jz GuestThreadStart
4:
    movq %rax, %r14
    cmpq $-4095, %rax
    jae failed
    incq %r13
    decq %r12
    addq $KEEPER_OP_SIZE, %rbx
    jmp next_op

failed:
    negl %eax
    movzbl %al, %r15d
    leaq byte_table(%rip), %rsi
    addq %r15, %rsi
    movl $SYS_write, %eax
    movl $STUB_FD_SOCKET, %edi
    movl $1, %edx
    syscall
    movzbl %r13b, %r15d
    leaq byte_table(%rip), %rsi
    addq %r15, %rsi
    movl $SYS_write, %eax
    movl $STUB_FD_SOCKET, %edi
    movl $1, %edx
    syscall
    jmp KeeperLoop

all_done:
    // Read before the answer goes: with it the page is the sentry's again. (For
    // no ops at all it reads the header, which is zero there.)
    movq KEEPER_OP_FLAGS-KEEPER_OP_SIZE(%rbx), %rbp
    leaq byte_table(%rip), %rsi
    movl $SYS_write, %eax
    movl $STUB_FD_SOCKET, %edi
    movl $1, %edx
    syscall
    testl $KEEPER_OP_VALUE, %ebp
    jz KeeperLoop
    // The value, lowest byte first, each from the table: a buffer could be
    // written by the guest.
    movl $4, %r12d
5:
    movzbl %r14b, %r15d
    leaq byte_table(%rip), %rsi
    addq %r15, %rsi
    movl $SYS_write, %eax
    movl $STUB_FD_SOCKET, %edi
    movl $1, %edx
    syscall
    shrq $8, %r14
    decl %r12d
    jnz 5b
    jmp KeeperLoop

// int CloneGuestThread(unsigned long flags, unsigned long region):
// for the first thread, which is made before there is any guest code.
    .globl CloneGuestThread
CloneGuestThread:
    movq %rsi, %r9
    xorl %esi, %esi                     // no stack: rsp stays, nobody uses it
    movl $SYS_clone, %eax
    syscall
    testq %rax, %rax
    jz GuestThreadStart
    ret

    .section .rodata, "a", @progbits
byte_table:
    .set i, 0
    .rept 256
    .byte i
    .set i, i + 1
    .endr

    .set keeper_control_size, 16 + 4 * STUB_MAX_DONATED
    .data
    .balign 8
keeper_msg:                             // struct msghdr
    .quad 0, 0                          // name, namelen
    .quad keeper_iov, 1
    .quad keeper_control
keeper_msg_controllen:
    .quad keeper_control_size
    .quad 0                             // flags
keeper_iov:
    .quad keeper_scratch, 1

    .bss
    .balign 16
keeper_scratch:
    .skip 16
keeper_control:
    .skip keeper_control_size
    .balign 4096
    .skip 16384
stub_stack_top:

    .section .note.GNU-stack, "", @progbits
