// Where things lie in a stub process, and the words its keeper and the sentry
// exchange. Read by C++ on both sides, by the assembler and by the linker
// script's author (template.lds): keep the numbers in step.
#ifndef PLATFORM_STUB_LAYOUT_H_
#define PLATFORM_STUB_LAYOUT_H_

// The stub area is [STUB_BASE, STUB_END): above all guest mappings
// (kMaxUserAddr), below the end of user space.
#define STUB_BASE 0x7fffe0000000
#define STUB_IMAGE_END 0x7fffe0100000
#define STUB_REQUEST_PAGE 0x7fffe0200000
// Where the host's vDSO begins, with the pages of its clocks below; if it could be
// moved there.
#define STUB_VDSO 0x7fffe0300000
#define STUB_REGIONS 0x7fffe0400000
#define STUB_REGIONS_END 0x7ffff0000000
#define STUB_END 0x7ffffffff000

// A trapped thread's region: a page that the stub can only read, its signal stack, and
// at the end the words that it and the sentry exchange (platform/systrap/region.h).
#define STUB_REGION_SIZE 16384
#define STUB_REGION_READ_ONLY 4096

// Code at fixed places from STUB_BASE on (template_entry.S).
#define STUB_THREAD_START_OFFSET 64
#define STUB_THREAD_EXIT_OFFSET 128
// Where the host sees the calls of trapped threads: the address behind each
// `syscall`, which their filter compares.
#define STUB_EXIT_IP_OFFSET 137
#define STUB_FUTEX_IP_OFFSET 192
#define STUB_SIGRETURN_IP_OFFSET 208
#define STUB_FORGET_IP_OFFSET 224
// Where rewritten call sites enter (platform/systrap/call_sites.h).
#define STUB_CALL_ENTRY_OFFSET 240
#define STUB_ANY_CALL_ENTRY_OFFSET 248

// Descriptors of a stub, all there are. In the template STUB_FD_SOCKET is its
// control socket and STUB_FD_REQUESTS is open; a stub closes it, so that donated
// descriptors get the numbers from STUB_FD_DONATED on.
#define STUB_FD_SOCKET 0
#define STUB_FD_SMALL 1
#define STUB_FD_LARGE 2
#define STUB_FD_REGIONS 3
#define STUB_FD_REQUESTS 4
#define STUB_FD_DONATED 4
#define STUB_MAX_DONATED 60

// Exit status of a stub whose own seccomp filter the host refused.
#define STUB_STATUS_NO_SECCOMP 2

// Offsets for the assembler; checked below.
#define KEEPER_REQUEST_OPS 64
#define KEEPER_OP_SIZE 64
#define KEEPER_OP_ARGS 8
#define KEEPER_OP_FLAGS 56

// The result of this op, the last one, is sent after the status byte (4 bytes).
#define KEEPER_OP_VALUE 1
// A clone: the child goes to the guest threads' start.
#define KEEPER_OP_CLONE 2
// Receives donated descriptors: a recvmsg with the keeper's own msghdr.
#define KEEPER_OP_RECEIVE 4

#ifndef __ASSEMBLER__
#include <cstddef>
#include <cstdint>

namespace platform::stub {

// A system call that the keeper makes as given.
struct KeeperOp {
  uint64_t nr;
  uint64_t args[6];
  uint64_t flags;
};
static_assert(sizeof(KeeperOp) == KEEPER_OP_SIZE && offsetof(KeeperOp, args) == KEEPER_OP_ARGS &&
              offsetof(KeeperOp, flags) == KEEPER_OP_FLAGS);

inline constexpr size_t kMaxKeeperOps = 63;

// The request page: the sentry's to write, read-only in the stub. The keeper
// answers on its socket: a status byte (0 or an errno), then either the index of
// the failed op (a byte) or, for KEEPER_OP_VALUE, the result (4 bytes).
struct KeeperRequest {
  uint64_t count;
  uint64_t reserved[7];
  KeeperOp ops[kMaxKeeperOps];
};
static_assert(sizeof(KeeperRequest) == 4096 && offsetof(KeeperRequest, ops) == KEEPER_REQUEST_OPS);

// How the guest threads of a stub are taken: by a tracer, or by their own handler
// of SIGSYS and the faults (platform/systrap), which talks to the sentry in the
// thread's region.
enum class StubMode : uint32_t { kTraced, kTrapped };

// clone flags of a guest thread: CLONE_VM | CLONE_FS | CLONE_FILES |
// CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM.
inline constexpr uint64_t kThreadFlags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;

// The keeper's first message: the number of the first guest thread.
using KeeperHello = int32_t;

// Control socket, sentry to template: make a stub that reads request page `slot`.
struct NewStubRequest {
  uint32_t slot;
  StubMode mode;
  uint32_t region;  // kTrapped: slot of the first guest thread's
};
// And back, with the sentry's end of the keeper's socket attached.
struct NewStubReply {
  uint32_t slot, region;  // of the request
  int32_t pid;            // or a negative errno
};
// The slot of the template's first message: exec went well.
inline constexpr uint32_t kTemplateReady = 0xffffffff;
// Of a request for another template, and of the answer, which has that one's number and
// control socket. With the request comes the socket of Platform::NewAddressSpaces.
inline constexpr uint32_t kNewTemplate = 0xfffffffe;

}  // namespace platform::stub
#endif  // __ASSEMBLER__

#endif  // PLATFORM_STUB_LAYOUT_H_
