#include "sentry/syscalls/handlers.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sentry/abi/mman.h"
#include "sentry/abi/personality.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

MemoryProtection ToProtection(uint64_t prot) {
  return {.read = (prot & abi::kProtRead) != 0,
          .write = (prot & abi::kProtWrite) != 0,
          .execute = (prot & abi::kProtExec) != 0};
}

bool ReadImpliesExec(const Task& task) { return (task.personality & abi::kReadImpliesExec) != 0; }

MemoryManager::ReadImpliesExec ImpliedExec(const Task& task) {
  return ReadImpliesExec(task) ? MemoryManager::ReadImpliesExec::kYes : MemoryManager::ReadImpliesExec::kNo;
}

// MAP_SHARED_VALIDATE refuses what it does not know; the older two ignore it.
constexpr uint64_t kKnownMapFlags = abi::kMapTypeMask | abi::kMapFixed | abi::kMapAnonymous | abi::kMap32Bit |
                                    abi::kMapGrowsDown | abi::kMapDenyWrite | abi::kMapExecutable | abi::kMapLocked |
                                    abi::kMapNoReserve | abi::kMapPopulate | abi::kMapNonBlock | abi::kMapStack |
                                    abi::kMapFixedNoReplace;

Result<void> SetFile(const RefPtr<FileDescription>& file, MmapRequest& request) {
  const bool no_exec_mount = file->path().mount->flags().no_exec;
  if (!file->readable()) return Errno::kEACCES;
  if (request.shared && request.prot.write && !file->writable()) return Errno::kEACCES;
  if (request.prot.execute && no_exec_mount) return Errno::kEPERM;
  request.max_prot = {.read = true, .write = !request.shared || file->writable(), .execute = !no_exec_mount};
  request.mappable = TRY(file->MapTarget());
  request.identity = file;
  return Ok();
}

Result<MmapRequest> ToRequest(UserAddr addr, uint64_t length, uint64_t prot, uint64_t flags, uint64_t offset) {
  MmapRequest request;
  const uint64_t type = flags & abi::kMapTypeMask;
  if (type == abi::kMapSharedValidate && (flags & ~kKnownMapFlags) != 0) return Errno::kEOPNOTSUPP;
  if (type != abi::kMapShared && type != abi::kMapPrivate && type != abi::kMapSharedValidate) return Errno::kEINVAL;
  if (length == 0 || (flags & abi::kMapHugeTlb) != 0) return Errno::kEINVAL;
  request.addr = addr;
  request.length = length;
  request.prot = ToProtection(prot);
  request.shared = type != abi::kMapPrivate;
  if (flags & abi::kMapFixedNoReplace) {
    request.placement = MmapRequest::Placement::kFixedNoReplace;
  } else if (flags & abi::kMapFixed) {
    request.placement = MmapRequest::Placement::kFixed;
  }
  request.grows_down = (flags & abi::kMapGrowsDown) != 0;
  request.locked = (flags & abi::kMapLocked) != 0;
  request.populate = (flags & abi::kMapPopulate) != 0 && (flags & abi::kMapNonBlock) == 0;
  request.no_reserve = (flags & abi::kMapNoReserve) != 0;
  request.below_4g = (flags & abi::kMap32Bit) != 0;
  request.offset = offset;
  return request;
}

}  // namespace

SyscallResult SysMmap(Task& task, UserAddr addr, Size length, MmapProt prot, MmapFlags flags, Fd fd, uint64_t offset) {
  if ((offset & kPageMask) != 0) return Errno::kEINVAL;
  RefPtr<FileDescription> file;
  if ((flags.value & abi::kMapAnonymous) == 0) file = TRY(task.fds().GetNoPath(fd.value));
  MmapRequest request = TRY(ToRequest(addr, length.value, prot.value, flags.value, offset));
  if (file) {
    if (offset + length.value < offset) return Errno::kEOVERFLOW;
    TRY(SetFile(file, request));
  } else {
    request.offset = 0;
  }
  if (ReadImpliesExec(task) && request.prot.read && request.max_prot.execute) request.prot.execute = true;
  return TRY(task.mm().Mmap(request)).value;
}

SyscallResult SysMunmap(Task& task, UserAddr addr, Size length) { return task.mm().Munmap(addr, length.value); }

SyscallResult SysMprotect(Task& task, UserAddr addr, Size length, MmapProt prot) {
  constexpr uint64_t kGrowsDown = 0x01000000, kGrowsUp = 0x02000000;
  const bool grows_down = (prot.value & kGrowsDown) != 0;
  if (grows_down && (prot.value & kGrowsUp) != 0) return Errno::kEINVAL;
  const uint64_t bits = prot.value & ~(kGrowsDown | kGrowsUp);
  if ((bits & ~(abi::kProtRead | abi::kProtWrite | abi::kProtExec | abi::kProtSem)) != 0) return Errno::kEINVAL;
  return task.mm().Mprotect(addr, length.value, ToProtection(bits), grows_down, ImpliedExec(task));
}

SyscallResult SysMremap(Task& task, UserAddr old_addr, Size old_size, Size new_size, HexFlags flags,
                        UserAddr new_addr) {
  const uint64_t f = flags.value;
  if ((f & ~(abi::kMremapMayMove | abi::kMremapFixed | abi::kMremapDontUnmap)) != 0) return Errno::kEINVAL;
  const bool may_move = (f & abi::kMremapMayMove) != 0;
  if ((f & (abi::kMremapFixed | abi::kMremapDontUnmap)) != 0 && !may_move) return Errno::kEINVAL;
  MremapRequest request;
  request.old_addr = old_addr;
  request.old_size = old_size.value;
  request.new_size = new_size.value;
  request.keep_old = (f & abi::kMremapDontUnmap) != 0;
  if (request.keep_old && old_size.value != new_size.value) return Errno::kEINVAL;
  request.new_addr = new_addr;
  request.move = (f & abi::kMremapFixed) != 0 ? MremapRequest::Move::kFixed
                 : may_move                   ? MremapRequest::Move::kMayMove
                                              : MremapRequest::Move::kNo;
  return TRY(task.mm().Mremap(request)).value;
}

SyscallResult SysBrk(Task& task, UserAddr addr) { return task.mm().Brk(addr, ImpliedExec(task)).value; }

SyscallResult SysMadvise(Task& task, UserAddr addr, Size length, int32_t advice) {
  return task.mm().Madvise(addr, length.value, advice);
}

SyscallResult SysMsync(Task& task, UserAddr addr, Size length, int32_t flags) {
  return task.mm().Msync(addr, length.value, flags);
}

SyscallResult SysMincore(Task& task, UserAddr addr, Size length, UserAddr vec) {
  if (!addr.page_aligned()) return Errno::kEINVAL;
  if (!MakeUserRange(addr, length.value)) return Errno::kENOMEM;
  // In steps, so that a guest's length does not become our memory.
  constexpr uint64_t kStep = 16 << 20;
  std::vector<uint8_t> pages;
  for (uint64_t done = 0; done < length.value; done += kStep) {
    TRY(task.mm().Mincore(addr + done, std::min(kStep, length.value - done), pages));
    TRY(CopyOutFull(task.mm(), vec + done / kPageSize, std::as_bytes(std::span(pages))));
  }
  return 0;
}

SyscallResult SysMlock(Task& task, UserAddr addr, Size length) { return task.mm().Mlock(addr, length.value, false); }

SyscallResult SysMlock2(Task& task, UserAddr addr, Size length, uint32_t flags) {
  constexpr uint32_t kOnFault = 1;
  if ((flags & ~kOnFault) != 0) return Errno::kEINVAL;
  return task.mm().Mlock(addr, length.value, (flags & kOnFault) != 0);
}

SyscallResult SysMunlock(Task& task, UserAddr addr, Size length) { return task.mm().Munlock(addr, length.value); }

SyscallResult SysMlockall(Task& task, uint32_t flags) {
  constexpr uint32_t kCurrent = 1, kFuture = 2, kOnFault = 4;
  if (flags == 0 || (flags & ~(kCurrent | kFuture | kOnFault)) != 0 || flags == kOnFault) return Errno::kEINVAL;
  return task.mm().MlockAll((flags & kCurrent) != 0, (flags & kFuture) != 0, (flags & kOnFault) != 0);
}

SyscallResult SysMunlockall(Task& task) {
  task.mm().MunlockAll();
  return 0;
}

// The host's own barrier over all of its threads covers ours and the stubs'.
SyscallResult SysMembarrier(Task&, int32_t command, uint32_t flags, int32_t) {
  if (flags != 0) return Errno::kEINVAL;
  switch (command) {
    case MEMBARRIER_CMD_QUERY:
      return static_cast<int>(MEMBARRIER_CMD_GLOBAL);
    case MEMBARRIER_CMD_GLOBAL:
      if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0) return base::HostErrno();
      return 0;
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
