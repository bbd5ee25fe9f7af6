#include "test/hostile/snippets.h"

namespace hostile {
namespace {

using namespace std::string_view_literals;

constexpr Snippet kSnippets[] = {
    // Loads, stores, the stack.
    {"\x90"sv},
    {"\x48\x8b\x07"sv},                      // mov (%rdi),%rax
    {"\x48\x89\x07"sv},                      // mov %rax,(%rdi)
    {"\x48\x89\x06"sv},                      // mov %rax,(%rsi)
    {"\x48\x8b\x1b"sv},                      // mov (%rbx),%rbx
    {"\x48\x89\x04\xcf"sv},                  // mov %rax,(%rdi,%rcx,8)
    {"\x89\x45\xfc"sv},                      // mov %eax,-4(%rbp): #SS
    {"\x48\x8b\x44\x24\x08"sv},              // mov 8(%rsp),%rax
    {"\x50"sv},                              // push %rax
    {"\x58"sv},                              // pop %rax
    {"\x8f\x07"sv},                          // pop (%rdi)
    {"\xff\x37"sv},                          // push (%rdi)
    {"\x9c\x58"sv},                          // pushf; pop %rax
    {"\x9d"sv},                              // popf
    {"\x9d\x90\x90"sv},                      // popf; nop; nop
    {"\xc9"sv},                              // leave
    {"\xc8\x20\x00\x03"sv},                  // enter $32,$3
    {"\xc3"sv},                              // ret
    {"\xff\xd7"sv},                          // call *%rdi
    {"\xff\xe6"sv},                          // jmp *%rsi
    {"\xff\x27"sv},                          // jmp *(%rdi)
    {"\xff\x13"sv},                          // call *(%rbx)
    {"\xe8\x02\x00\x00\x00\xcc\xcc\x90"sv},  // call over two int3
    {"\xe3\x01\x90"sv},                      // jrcxz
    {"\xe2\x01\xcc\x90"sv},                  // loop over int3
    {"\xcf"sv},                              // iret
    {"\x48\xcf"sv},                          // iretq
    {"\xcb"sv},                              // retf
    {"\x48\xca\x08\x00"sv},                  // retfq $8
    {"\x48\xff\x2f"sv},                      // ljmpq *(%rdi)
    {"\xff\x1f"sv},                          // lcall *(%rdi)
    // Strings.
    {"\xf3\xa4"sv},
    {"\xf3\x48\xa5"sv},
    {"\xf3\xaa"sv},
    {"\xf3\x48\xab"sv},
    {"\xac\xaa"sv},
    {"\xf2\xae"sv},
    {"\xf3\xa6"sv},
    {"\xfd\xf3\xa4"sv},
    {"\xfc\xf3\x48\xab"sv},
    // Arithmetic.
    {"\x48\xf7\xf1"sv},              // div %rcx
    {"\x48\xf7\xfb"sv},              // idiv %rbx
    {"\xf7\x37"sv},                  // divl (%rdi)
    {"\xf6\xf1"sv},                  // div %cl
    {"\x48\x01\xc3\x48\x11\xd0"sv},  // add; adc
    {"\x9e\x9f"sv},                  // sahf; lahf
    {"\xf0\x48\x0f\xc1\x07"sv},      // lock xadd %rax,(%rdi)
    {"\xf0\x48\x0f\xc7\x0f"sv},      // lock cmpxchg16b (%rdi)
    {"\x48\x87\x06"sv},              // xchg %rax,(%rsi)
    {"\x48\x0f\xab\x07"sv},          // bts %rax,(%rdi)
    {"\x48\x0f\x01\x3f"sv},          // invlpg
    // Vectors and x87.
    {"\x0f\x28\x07"sv},            // movaps (%rdi),%xmm0
    {"\x0f\x29\x1e"sv},            // movaps %xmm3,(%rsi)
    {"\x0f\x11\x0f"sv},            // movups %xmm1,(%rdi)
    {"\x0f\x5e\xc1"sv},            // divps %xmm1,%xmm0
    {"\x66\x0f\x58\xca"sv},        // addpd
    {"\xf2\x0f\x51\xda"sv},        // sqrtsd
    {"\x66\x0f\xf7\xc1"sv},        // maskmovdqu
    {"\xd9\x07"sv},                // fld (%rdi)
    {"\xd8\xf1"sv},                // fdiv %st(1)
    {"\xde\xc1\x9b"sv},            // faddp; fwait
    {"\x9b"sv},                    // fwait
    {"\xdb\xe2"sv},                // fnclex
    {"\xd9\x2f"sv},                // fldcw (%rdi)
    {"\xdd\x1f"sv},                // fstpl (%rdi)
    {"\x0f\xae\x17"sv},            // ldmxcsr (%rdi)
    {"\x0f\xae\x1e"sv},            // stmxcsr (%rsi)
    {"\x0f\xae\x07"sv, true},      // fxsave (%rdi)
    {"\x0f\xae\x0f"sv},            // fxrstor (%rdi)
    {"\x48\x0f\xae\x27"sv, true},  // xsave64 (%rdi)
    {"\x48\x0f\xae\x2f"sv},        // xrstor64 (%rdi)
    // Segments.
    {"\x8e\xd8"sv},                              // mov %eax,%ds
    {"\x8e\xc1"sv},                              // mov %ecx,%es
    {"\x8e\xe0"sv},                              // mov %eax,%fs
    {"\x8e\xd0"sv},                              // mov %eax,%ss
    {"\x8e\xd0\xcc"sv},                          // mov %eax,%ss; int3
    {"\xb8\x88\x13\x00\x00\x8e\xd2\x0f\x05"sv},  // mov $5000,%eax; mov %edx,%ss; syscall
    {"\x8c\xd0\x8c\xcb\x8c\xd9"sv},              // mov %ss,%eax; mov %cs,%ebx; mov %ds,%ecx
    {"\x64\x48\x8b\x07"sv},                      // mov %fs:(%rdi),%rax
    {"\x64\x48\x89\x04\x25\x00\x00\x00\x00"sv},  // mov %rax,%fs:0
    // Calls: numbers that do not exist, and some whose arguments can't be good. The number comes
    // first: who enters behind what spoils the argument has another one.
    {"\xb8\x88\x13\x00\x00\x0f\x05"sv},  // 5000
    {"\xb8\x88\x13\x00\x00\x0f\x05\x90"sv},
    {"\xb8\xff\xff\xff\xff\x0f\x05"sv},  // -1
    {"\x48\x83\xc8\xff\x0f\x05"sv},      // -1, all 64 bits
    {"\xb8\x00\xfe\xff\xff\x0f\x05"sv},  // -512, as -ERESTARTSYS
    {"\xb8\xfc\xfd\xff\xff\x0f\x05"sv},  // -516
    {"\xb8\x00\x02\x00\x40\x0f\x05"sv},  // x32
    {"\xb8\x18\x00\x00\x00\x0f\x05"sv},  // sched_yield
    {"\xb8\x18\x00\x00\x00\x0f\x05\xb8\x18\x00\x00\x00\x0f\x05\x90"sv},
    {"\xb8\x18\x00\x00\x00\x0f\x05\x48\x3d\x01\xf0\xff\xff"sv},
    {"\xb8\x00\x00\x00\x00\x83\xcf\xff\x0f\x05"sv},                      // read(-1, ...)
    {"\xb8\x01\x00\x00\x00\x83\xcf\xff\x0f\x05"sv},                      // write(-1, ...)
    {"\xb8\x03\x00\x00\x00\x83\xcf\xff\x0f\x05"sv},                      // close(-1)
    {"\xb8\x08\x00\x00\x00\x83\xcf\xff\x0f\x05"sv},                      // lseek(-1)
    {"\xb8\x0b\x00\x00\x00\xbe\x01\x00\x00\x00\x83\xcf\x01\x0f\x05"sv},  // munmap(odd, 1)
    {"\xcd\x81"sv},
    {"\xcd\x04"sv},
    {"\xcd\x03"sv},
    {"\xf1"sv},
    {"\x0f\x0b"sv},
    // Refused ones.
    {"\xf4"sv},
    {"\xe4\x80"sv},
    {"\xfa"sv},
    {"\x0f\x01\x17"sv},
    {"\x0f\x22\xd8"sv},
    {"\x0f\x30"sv},
    {"\x0f\x01\xf8"sv},
    {"\x48\x0f\x07"sv},
    {"\x0f\x35"sv},
    {"\x0f\x09"sv},
    {"\x0f\xae\x3f"sv},  // clflush (%rdi)
};

}  // namespace

std::span<const Snippet> Snippets() { return kSnippets; }

}  // namespace hostile
