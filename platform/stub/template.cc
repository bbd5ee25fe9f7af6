#include "platform/stub/template.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iterator>

#include "base/log.h"
#include "platform/stub/layout.h"
#include "platform/stub/stub_pool.h"
#include "platform/stub/thread_regions.h"

extern "C" const unsigned char stub_template_start[], stub_template_end[];

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace platform::stub {
namespace {

using base::Errno;
using base::HostErrno;
using base::Result;
using base::UniqueFd;

// The exec may hit upon its own stack, which the host puts at a random place
// near the stub area (once in 500 times, where personality() is refused).
constexpr int kAttempts = 10;
// Where descriptors wait to be moved to their fixed numbers.
constexpr int kFirstSpareFd = 64;

Result<UniqueFd> ImageFile() {
  // Hosts with vm.memfd_noexec want MFD_EXEC said; those before 6.3 refuse it.
  UniqueFd fd(memfd_create("runsc-template", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  if (!fd && errno == EINVAL) fd.reset(memfd_create("runsc-template", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return HostErrno();
  const unsigned char* p = stub_template_start;
  while (p < stub_template_end) {
    const ssize_t n = write(fd.get(), p, stub_template_end - p);
    if (n < 0 && errno != EINTR) return HostErrno();
    if (n > 0) p += n;
  }
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return HostErrno();
  return fd;
}

size_t MaxMappings(size_t otherwise) {
  UniqueFd fd(open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC));
  char text[32] = {};
  if (!fd || read(fd.get(), text, sizeof(text) - 1) <= 0) return otherwise;
  const long n = strtol(text, nullptr, 10);
  return n > 0 ? static_cast<size_t>(n) : otherwise;
}

// Leaves the descriptors of layout.h and nothing else. No return.
[[noreturn]] void ExecTemplate(int image, int control, int small_fd, int large_fd, int regions, int requests) {
  const int wanted[] = {control, small_fd, large_fd >= 0 ? large_fd : small_fd, regions, requests};
  const int fixed[] = {STUB_FD_SOCKET, STUB_FD_SMALL, STUB_FD_LARGE, STUB_FD_REGIONS, STUB_FD_REQUESTS};
  static_assert(std::size(wanted) == std::size(fixed));
  int spare[std::size(wanted)];
  for (size_t i = 0; i < std::size(wanted); i++) {
    spare[i] = fcntl(wanted[i], F_DUPFD, kFirstSpareFd);
    if (spare[i] < 0) _exit(120);
  }
  const int image_spare = fcntl(image, F_DUPFD_CLOEXEC, kFirstSpareFd);
  if (image_spare < 0) _exit(121);
  for (size_t i = 0; i < std::size(wanted); i++) {
    if (dup2(spare[i], fixed[i]) < 0) _exit(122);
  }
  if (syscall(SYS_close_range, STUB_FD_REQUESTS + 1, image_spare - 1, 0) != 0) _exit(123);
  if (syscall(SYS_close_range, image_spare + 1, ~0u, 0) != 0) _exit(124);
  // Puts the stack at the very top, in the stub area; a refusal is no harm.
  personality(ADDR_NO_RANDOMIZE);
  const char* const argv[] = {"runsc-template", nullptr};
  const char* const envp[] = {nullptr};
  syscall(SYS_execveat, image_spare, "", argv, envp, AT_EMPTY_PATH);
  _exit(125);
}

}  // namespace

Result<TemplateHandle> StartTemplate(int small_fd, int large_fd) {
  UniqueFd image = TRY(ImageFile());
  TemplateHandle handle;
  handle.requests.reset(memfd_create("runsc-requests", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!handle.requests) return HostErrno();
  if (ftruncate(handle.requests.get(), kMaxStubs * sizeof(KeeperRequest)) != 0) return HostErrno();
  handle.regions.reset(memfd_create("runsc-regions", MFD_CLOEXEC));
  if (!handle.regions) return HostErrno();
  if (ftruncate(handle.regions.get(), uint64_t{kMaxRegions} * STUB_REGION_SIZE) != 0) return HostErrno();
  handle.max_mappings = MaxMappings(handle.max_mappings);
  int status = 0;
  for (int attempt = 0; attempt < kAttempts; attempt++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return HostErrno();
    handle.control.reset(pair[0]);
    UniqueFd theirs(pair[1]);
    handle.pid = fork();
    if (handle.pid < 0) return HostErrno();
    if (handle.pid == 0)
      ExecTemplate(image.get(), theirs.get(), small_fd, large_fd, handle.regions.get(), handle.requests.get());
    theirs.reset();
    NewStubReply hello = {};
    const ssize_t n = TEMP_FAILURE_RETRY(read(handle.control.get(), &hello, sizeof(hello)));
    if (n == sizeof(hello) && hello.slot == kTemplateReady) {
      handle.has_vdso = hello.pid != 0;
      return handle;
    }
    kill(handle.pid, SIGKILL);
    TEMP_FAILURE_RETRY(waitpid(handle.pid, &status, 0));
    if (WIFEXITED(status)) break;  // it says why; only a death in exec is worth another try
  }
  LOG(kError, "the stub template does not start: wait status 0x%x", status);
  return Errno::kENOEXEC;
}

}  // namespace platform::stub
