// What guest threads may ask of the host: nothing but what their handler
// (trap_entry.S) needs, known by the place where it is asked. All else raises SIGSYS.
// Stub data, in pages that the stub can only read. Below it lies the filter of all
// stub threads (platform/stub/template_nosys.cc).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "platform/stub/layout.h"

namespace platform::systrap {
namespace {

constexpr uint32_t kNr = 0, kArch = 4, kIpLow = 8, kIpHigh = 12, kSecondArgument = 24;
constexpr uint32_t kText = STUB_BASE & 0xffffffff;

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define JEQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), yes, no)
#define JGT(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (value), yes, no)
const sock_filter kFilter[] = {
    LOAD(kIpHigh),
    JEQ(STUB_BASE >> 32, 0, 15),
    LOAD(kArch),
    JEQ(AUDIT_ARCH_X86_64, 0, 13),
    LOAD(kNr),
    JEQ(SYS_futex, 0, 4),  // waits for its turn, and gives it
    LOAD(kIpLow),
    JEQ(kText + STUB_FUTEX_IP_OFFSET, 0, 9),
    LOAD(kSecondArgument),
    JGT(FUTEX_WAKE, 7, 8),        // FUTEX_WAIT is 0
    JEQ(SYS_rt_sigreturn, 0, 3),  // to the guest, and out of a kick that was late
    LOAD(kIpLow),
    JEQ(kText + STUB_SIGRETURN_IP_OFFSET, 5, 0),
    JEQ(kText + STUB_FORGET_IP_OFFSET, 4, 3),
    JEQ(SYS_exit, 0, 2),  // when the sentry gives it up
    LOAD(kIpLow),
    JEQ(kText + STUB_EXIT_IP_OFFSET, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

constexpr uint64_t Bit(int signo) { return uint64_t{1} << (signo - 1); }

}  // namespace

extern "C" {
// Open are the faults (SIGILL, TRAP, BUS, FPE, SEGV), SIGURG for kicks, SIGSYS.
extern const uint64_t stub_guest_mask = ~(Bit(4) | Bit(5) | Bit(7) | Bit(8) | Bit(11) | Bit(23) | Bit(31));
extern const sock_fprog stub_guest_program = {sizeof(kFilter) / sizeof(kFilter[0]), const_cast<sock_filter*>(kFilter)};
}

}  // namespace platform::systrap
