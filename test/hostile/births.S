// What a new program, process or thread begins with: its first instructions write it down.

    .section .rodata
    // A program of its own (births.cc makes the file): all to descriptor 1.
    .globl hostile_program, hostile_program_end
hostile_program:
    pushq %rsp
    pushq %rcx
    pushq %rax
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r15
    pushq %r14
    pushq %r13
    pushq %r12
    pushq %r11
    pushq %r10
    pushq %r9
    pushq %r8
    pushfq
    movl %ds, %eax
    pushq %rax
    movl %es, %eax
    pushq %rax
    movl %fs, %eax
    pushq %rax
    movl %gs, %eax
    pushq %rax
    movl %cs, %eax
    pushq %rax
    movl %ss, %eax
    pushq %rax
    pushq $0
    fnstcw (%rsp)
    stmxcsr 4(%rsp)
    pushq $0
    movl $158, %eax                     // arch_prctl
    movl $0x1003, %edi                  // ARCH_GET_FS
    movq %rsp, %rsi
    syscall
    pushq $0
    movl $158, %eax
    movl $0x1004, %edi                  // ARCH_GET_GS
    movq %rsp, %rsi
    syscall
    movl $1, %eax
    movl $1, %edi
    movq %rsp, %rsi
    movl $26*8, %edx
    syscall
    // All vector registers there are: x87, SSE, AVX, AVX-512.
    andq $-64, %rsp
    subq $4096, %rsp
    movl $0xe7, %eax
    xorl %edx, %edx
    xsave64 (%rsp)
    movl $1, %eax
    movl $1, %edi
    movq %rsp, %rsi
    movl $4096, %edx
    syscall
    movl $60, %eax
    xorl %edi, %edi
    syscall
hostile_program_end:

    .text
    // Any call of the fork family. The child writes into the page at hostile_birth_page.
    .globl HostileBirth
HostileBirth:
    syscall
    pushfq
    cmpq $0, %rax
    je 1f
    int3
1:
    movabsq %rax, 0x1000040000+13*8     // kShared, as Registers has them
    movabsq $0x1000040000, %rax
    movq %r8, 0*8(%rax)
    movq %r9, 1*8(%rax)
    movq %r10, 2*8(%rax)
    movq %r11, 3*8(%rax)
    movq %r12, 4*8(%rax)
    movq %r13, 5*8(%rax)
    movq %r14, 6*8(%rax)
    movq %r15, 7*8(%rax)
    movq %rdi, 8*8(%rax)
    movq %rsi, 9*8(%rax)
    movq %rbp, 10*8(%rax)
    movq %rbx, 11*8(%rax)
    movq %rdx, 12*8(%rax)
    movq %rcx, 14*8(%rax)
    popq %rcx
    movq %rsp, 15*8(%rax)
    movq %rcx, 17*8(%rax)
    movq %rax, %rbx
    movw %ds, 20*8+0(%rbx)
    movw %es, 20*8+2(%rbx)
    movw %fs, 20*8+4(%rbx)
    movw %gs, 20*8+6(%rbx)
    fxsave64 512(%rbx)
    cmpq $0, 24*8(%rbx)                 // of a processor with AVX
    je 2f
    vextractf128 $1, %ymm3, 26*8(%rbx)
2:
    movl $158, %eax
    movl $0x1003, %edi
    leaq 21*8(%rbx), %rsi
    syscall
    movl $158, %eax
    movl $0x1004, %edi
    leaq 22*8(%rbx), %rsi
    syscall
    movl $1, 23*8(%rbx)                 // all is written
    movl $60, %eax
    xorl %edi, %edi
    syscall
    ud2
    .section .note.GNU-stack, "", @progbits
