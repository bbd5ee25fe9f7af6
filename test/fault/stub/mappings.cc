// Calls about mappings over the stub area: as Linux has it for addresses that no
// process can have.
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/fault/stub/attacks.h"

namespace stub_attacks {
namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kGuestEnd = STUB_BASE;

void Expect(const char* what, uint64_t address, long result, int expected, int other = 0) {
  if (result == -1 && (errno == expected || (other != 0 && errno == other))) return;
  Fail("%s at %lx: result %lx, errno %d, expected %d", what, address, result, result == -1 ? errno : 0, expected);
}

void Refused(uint64_t at, uint64_t size, void* own) {
  const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  Expect("mmap", at, syscall(SYS_mmap, at, size, PROT_READ | PROT_WRITE, fixed, -1, 0), ENOMEM);
  Expect("mmap noreplace", at, syscall(SYS_mmap, at, size, PROT_READ, fixed | MAP_FIXED_NOREPLACE, -1, 0), ENOMEM);
  Expect("munmap", at, syscall(SYS_munmap, at, size), EINVAL);
  Expect("mprotect", at, syscall(SYS_mprotect, at, size, PROT_READ | PROT_WRITE | PROT_EXEC), ENOMEM);
  Expect("mremap from", at, syscall(SYS_mremap, at, size, 2 * size, MREMAP_MAYMOVE), EFAULT, EINVAL);
  Expect("mremap to", at, syscall(SYS_mremap, own, kPage, size, MREMAP_MAYMOVE | MREMAP_FIXED, at), EINVAL);
  Expect("madvise", at, syscall(SYS_madvise, at, size, MADV_DONTNEED), ENOMEM, EINVAL);
  Expect("mlock", at, syscall(SYS_mlock, at, size), ENOMEM);
  unsigned char vector[64];
  Expect("mincore", at, syscall(SYS_mincore, at, size, vector), ENOMEM);
  Expect("msync", at, syscall(SYS_msync, at, size, MS_SYNC), ENOMEM);
}

// The kernel reads and writes there for nobody.
void NotCopied(uint64_t at) {
  int fds[2];
  if (pipe(fds) != 0) return;
  Expect("write from", at, write(fds[1], reinterpret_cast<void*>(at), 8), EFAULT);
  if (write(fds[1], "12345678", 8) == 8) Expect("read to", at, read(fds[0], reinterpret_cast<void*>(at), 8), EFAULT);
  iovec remote = {reinterpret_cast<void*>(at), 8};
  char buffer[8];
  iovec local = {buffer, 8};
  Expect("process_vm_readv", at, process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT, ENOSYS);
  Expect("process_vm_writev", at, process_vm_writev(getpid(), &local, 1, &remote, 1, 0), EFAULT, ENOSYS);
  close(fds[0]);
  close(fds[1]);
}

void Work() {
  void* own = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  constexpr uint64_t kPlaces[] = {STUB_BASE,         STUB_BASE + 0x10000, STUB_BASE + 0x20000,
                                  STUB_REQUEST_PAGE, STUB_REGIONS,        STUB_REGIONS + 8 * kPage,
                                  STUB_REGIONS_END,  STUB_END - kPage,    kGuestEnd - kPage,
                                  STUB_END,          uint64_t{1} << 63};
  for (const uint64_t place : kPlaces) {
    Refused(place, 2 * kPage, own);
    // The last page below is the guest's own and no wrong place by itself.
    if (place >= kGuestEnd) NotCopied(place);
  }
  // What was there is there, and works.
  CatchFaults();
  if (!Readable(STUB_BASE) || Writable(STUB_BASE) || Writable(STUB_REQUEST_PAGE) || Writable(STUB_REGIONS) ||
      !Writable(STUB_REGIONS + STUB_REGION_READ_ONLY)) {
    Fail("the stub's pages changed");
  }
  // A hint is not an order.
  void* hinted = mmap(reinterpret_cast<void*>(STUB_BASE), kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reinterpret_cast<uint64_t>(hinted) >= kGuestEnd) Fail("mmap took a hint: %p", hinted);
  if (Failed()) _exit(1);
}

// Everything that the guest may unmap: the process is gone by that, the stub not.
void UnmapAll() { syscall(SYS_munmap, 0, kGuestEnd); }

}  // namespace

void AttackMappings(const Options&) {
  pid_t pid = Spawn(Work);
  int status = -1;
  if (!EndsWithin(pid, 10000, &status)) Kill(pid, "mapper");
  if (status != 0) Fail("mapper: status %x", status);
  pid = Spawn(UnmapAll);
  if (!EndsWithin(pid, 10000, &status)) return Kill(pid, "unmapper");
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV) Fail("unmapper: status %x, expected SIGSEGV", status);
}

}  // namespace stub_attacks
