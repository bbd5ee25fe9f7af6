// The narrow interface between the kernel and what runs guest code.
//
// A Platform makes AddressSpaces (where host files are mapped for the guest) and
// Contexts (one for each guest thread). Context::Switch runs guest code until
// something needs the kernel. platform/conformance_test.cc says in code what
// each implementation must do; it runs on every platform.
#ifndef PLATFORM_PLATFORM_H_
#define PLATFORM_PLATFORM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/ref_ptr.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "platform/host_priority.h"
#include "sentry/arch/amd64/registers.h"
#include "sentry/usermem/user_addr.h"

namespace platform {

using base::Errno;
using base::Result;
using sentry::MemoryProtection;
using sentry::UserAddr;
using sentry::UserRange;

// --- Why guest code stopped ---------------------------------------------------

// A system call (or an emulated vsyscall). The registers are those after the
// `syscall` instruction: rip behind it, orig_rax its number, rax -ENOSYS.
struct SyscallEvent {
  bool slow = false;  // it came a way that rewriting its site (CallSites) would shorten
};

// A page fault that the platform's mappings could not serve.
struct FaultEvent {
  UserAddr addr;
  MemoryProtection access;  // exactly one of read, write, execute
};

// A processor exception that is no page fault: what Linux would send.
struct ExceptionEvent {
  // As the processor pushed it, for signal frames.
  struct Trap {
    uint64_t number;
    uint64_t error;
  };
  int signo;  // SIGILL, SIGFPE, SIGTRAP, SIGBUS (alignment, #SS), SIGSEGV (#GP: addr 0, si_code SI_KERNEL)
  int code;   // si_code
  UserAddr addr;
  std::optional<Trap> trap = std::nullopt;  // nullopt: not known; the kernel guesses
};

// Kick() was called, or the platform wants the kernel to look around.
struct PreemptedEvent {};

// This address space's stub is gone (killed, or it ignored a kick). The guest
// process can't go on; the cause is for the log.
struct DeadEvent {
  std::string cause;
};

using Event = std::variant<SyscallEvent, FaultEvent, ExceptionEvent, PreemptedEvent, DeadEvent>;

// --- Call sites -----------------------------------------------------------------

// A place in code, within one page, that makes a system call, and that can be rewritten
// to make it in a faster way.
struct CallSite {
  enum class Kind : uint8_t {
    kMov,      // mov $number, %eax; syscall
    kCompare,  // syscall; cmp $operand, %rax: of any number
  };
  uint16_t start;  // in its page
  Kind kind;
  int32_t operand;  // the number, or what is compared with
  uint32_t slot;    // the platform's; the same in all address spaces

  // What is rewritten. The first instruction of the rest, where the site's second one
  // was, traps: SIGILL (kMov) or SIGSEGV without an address (kCompare).
  static constexpr uint64_t kSize = 7;
  uint64_t second() const { return start + (kind == Kind::kMov ? 5 : 2); }
  uint64_t behind_call() const { return start + (kind == Kind::kMov ? 7 : 2); }
  uint64_t end() const { return start + (kind == Kind::kMov ? 7 : 8); }
};

// What rewrites them, in one address space. The kernel decides which pages are code
// that nobody writes, and puts rewritten copies in their place.
class CallSites {
 public:
  virtual ~CallSites() = default;
  // The site whose system call ends at `behind` of a page; nullopt: none is there that
  // can be rewritten, or there are too many. Allots a slot.
  virtual std::optional<CallSite> Find(std::span<const std::byte> page, size_t behind) = 0;
  // Rewrites a copy of the page.
  virtual void Rewrite(std::span<std::byte> page, const CallSite& site) const = 0;
  // Makes rewritten code at `page` work; to be called before it is mapped there. A
  // slot works at one address.
  virtual Result<void> Install(UserAddr page, std::span<const CallSite> sites) = 0;
  // Where guest mappings must not lie while Install was called and Retire was not.
  virtual UserRange area() const = 0;
  // All code is as it was, and Install will not be called again.
  virtual void Retire() = 0;
};

// --- Address spaces -----------------------------------------------------------

// One change of mappings. Host files are named by descriptor; the descriptor
// needs to stay open only until Apply returns. A platform may hold on to `host_file`
// to know the file again.
struct MapOp {
  enum class Kind : uint8_t { kMap, kUnmap, kProtect };
  Kind kind;
  UserRange range;        // page-aligned, below kMaxUserAddr
  MemoryProtection prot;  // kMap, kProtect
  int host_fd = -1;       // kMap: MAP_SHARED of this file
  uint64_t offset = 0;    // kMap
  bool populate = false;  // kMap: make page tables now (MAP_POPULATE)
  // kMap: what keeps host_fd open, the same for all that is mapped of it; null: not known.
  base::RefPtr<base::RefCounted> host_file{};
};

inline bool IsValid(const MapOp& op) {
  return op.range.start.page_aligned() && op.range.end.page_aligned() && !op.range.empty() &&
         op.range.end <= sentry::kMaxUserAddr &&
         (op.kind != MapOp::Kind::kMap || (op.host_fd >= 0 && op.offset % sentry::kPageSize == 0));
}

class AddressSpace {
 public:
  virtual ~AddressSpace() = default;

  // Applies the changes in order, as one request. When it returns, every thread
  // of the guest process sees them: pages unmapped or write-protected can't be
  // reached any more. EINVAL: an op is not valid; nothing was done. ENOMEM: the
  // address space is out of mappings (see vma_budget) or the host out of memory;
  // earlier changes stand. ESRCH: the stub is dead. Blocks only on the stub;
  // never on the guest.
  virtual Result<void> Apply(std::span<const MapOp> ops) = 0;

  // How many separate mappings the platform can hold (the host's
  // vm.max_map_count for stubs); mm keeps below it.
  virtual size_t vma_budget() const = 0;

  // Null: calls cost the same from everywhere.
  virtual CallSites* call_sites() { return nullptr; }

  // Says in words that the host process behind it has died, so that no guest code
  // can run in it any more; nullopt: it has not. Thread-safe.
  virtual std::optional<std::string> Lost() const { return std::nullopt; }
};

// --- Contexts -----------------------------------------------------------------

// A guest thread's processor. Used by the one host thread that runs the task,
// Kick excepted. FPU state stays in the context between switches and moves only
// on request.
class Context {
 public:
  virtual ~Context() = default;

  // Runs guest code in `as` with `regs` until an event. Changing `as` moves the
  // context (exec, exit of a vfork child); its FPU state then starts from what
  // the last SetFpState gave, or initial.
  virtual Event Switch(AddressSpace& as, sentry::arch::Registers& regs) = 0;

  // Makes the current or the next Switch return PreemptedEvent soon (1 ms).
  // From any thread. May cause one spurious PreemptedEvent later.
  virtual void Kick() = 0;

  // The guest's FPU state between two switches.
  virtual Result<void> GetFpState(sentry::arch::FpState& out) = 0;
  virtual void SetFpState(const sentry::arch::FpState& state) = 0;

  // Calls that have one answer until something happens (getpid, getuid): the platform
  // may give it on the guest's side from now on, whatever the arguments. Dropped if
  // answers were forgotten since `generation` was read, before the answer was made up.
  // By the task's own thread; Forget by any.
  virtual uint32_t answers_generation() const { return 0; }
  virtual void RememberAnswer(uint32_t /*number*/, uint64_t /*value*/, uint32_t /*generation*/) {}
  virtual void ForgetAnswers() {}

  // The host thread is about to sleep, for another reason than this context's.
  virtual void WillBlock() {}

  // How guest code is to be scheduled where it runs on another host thread than Switch's caller, which sets its own.
  virtual void SetPriority(HostPriority /*priority*/) {}

  // Gives up what the context holds of `as` (a stub thread), before `as` dies.
  virtual void Release() = 0;
};

struct PlatformInfo {
  std::string name;
  // Where each stub lies; guest mappings never reach it (>= kMaxUserAddr).
  UserRange reserved;
  // Where in each address space the host's vDSO lies, for our own to call; 0: nowhere.
  uint64_t host_vdso = 0;
  std::string remark = {};  // what its operator should know of this host, in words
};

// Makes address spaces: of any guest, or of those that the host charges together.
class AddressSpaces {
 public:
  virtual ~AddressSpaces() = default;
  virtual Result<std::unique_ptr<AddressSpace>> NewAddressSpace() = 0;
};

class Platform : public AddressSpaces {
 public:
  virtual const PlatformInfo& info() const = 0;
  virtual Result<std::unique_ptr<Context>> NewContext() = 0;

  // For guests that the host is to charge apart from others. The host process that theirs will be copies of sends a
  // byte on the socket `place`, and makes none before an answer or the end of file: whoever gave the socket knows the
  // process by its credentials, and has put it into a control group by then. The platform outlives the result. ENOSYS:
  // guests run in the sentry's own process.
  virtual Result<std::shared_ptr<AddressSpaces>> NewAddressSpaces(base::UniqueFd /*place*/) { return Errno::kENOSYS; }
};

}  // namespace platform

#endif  // PLATFORM_PLATFORM_H_
