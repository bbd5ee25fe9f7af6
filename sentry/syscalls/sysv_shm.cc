// shmget, shmat, shmctl, shmdt: Linux's ipc/shm.c.
#include "sentry/abi/personality.h"
#include "sentry/kernel/ipc/shared_memory.h"
#include "sentry/mm/memory_manager.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/syscalls/sysv_ipc.h"

namespace sentry {
namespace {

SharedMemoryNamespace& SharedMemoryOf(Task& task) { return SharedMemoryOf(task.kernel(), *task.nsproxy().ipc); }

using Placement = MmapRequest::Placement;

struct Place {
  UserAddr addr;
  Placement placement;
};

// Where it is asked to be; null: anywhere, but not when it is so by rounding. SHMLBA is a page.
Result<Place> PlaceOf(UserAddr addr, uint64_t flags) {
  const bool remap = (flags & abi::kShmRemap) != 0;
  if (addr.is_null()) return remap ? Result<Place>(Errno::kEINVAL) : Place{addr, Placement::kHint};
  if (!addr.page_aligned()) {
    if ((flags & abi::kShmRnd) == 0) return Errno::kEINVAL;
    addr = UserAddr(PageRoundDown(addr.value));
    if (addr.is_null() && remap) return Errno::kEINVAL;
  }
  return Place{addr, remap ? Placement::kFixed : Placement::kFixedNoReplace};
}

MmapRequest ToRequest(const Task& task, const Place& place, const ShmSegment& segment, uint64_t flags) {
  const bool writes = (flags & abi::kShmRdOnly) == 0;
  MmapRequest request;
  request.addr = place.addr, request.placement = place.placement;
  request.length = segment.size();
  request.prot = {.read = true, .write = writes, .execute = (flags & abi::kShmExec) != 0};
  if (task.personality & abi::kReadImpliesExec) request.prot.execute = true;
  request.max_prot = {.read = true, .write = writes, .execute = true};
  request.shared = true;
  request.mappable = segment.memory();
  return request;
}

SyscallResult ShmctlInfo(Task& task, UserAddr out) {
  const SharedMemoryNamespace& memory = SharedMemoryOf(task);
  TRY(UserOut<abi::Shminfo>(out).Write(task.mm(), memory.GetLimits()));
  return memory.max_index();
}

SyscallResult ShmctlUse(Task& task, UserAddr out) {
  const SharedMemoryNamespace& memory = SharedMemoryOf(task);
  TRY(UserOut<abi::ShmInfo>(out).Write(task.mm(), memory.GetUse()));
  return memory.max_index();
}

SyscallResult ShmctlLock(Task& task, int32_t id, bool lock) {
  const uint64_t allowed = task.group().limit(RlimitKind::kMemlock).soft;
  return SharedMemoryOf(task).Lock(IpcCallerOf(task), id, lock, allowed);
}

}  // namespace

SyscallResult SysShmget(Task& task, int32_t key, Size size, HexFlags flags) {
  return SharedMemoryOf(task).Get(IpcCallerOf(task), key, size.value, static_cast<uint32_t>(flags.value),
                                  task.shm_creator());
}

SyscallResult SysShmat(Task& task, int32_t id, UserAddr addr, HexFlags flags) {
  if (id < 0) return Errno::kEINVAL;
  const Place place = TRY(PlaceOf(addr, flags.value));
  SharedMemoryNamespace& memory = SharedMemoryOf(task);
  const RefPtr<ShmSegment> segment = TRY(memory.Find(id));
  if (place.addr.value > UINT64_MAX - segment->size()) return Errno::kEINVAL;
  uint32_t asked = flags.value & abi::kShmRdOnly ? 0444 : 0666;
  if (flags.value & abi::kShmExec) asked |= 0111;
  TRY(segment->HoldFor(IpcCallerOf(task), asked));
  MmapRequest request = ToRequest(task, place, *segment, flags.value);
  const RefPtr<ShmAttachment> attachment =
      base::MakeRef<ShmAttachment>(RefPtr<SharedMemoryNamespace>(&memory), segment);
  request.identity = attachment;
  const Result<UserAddr> mapped = task.mm().Mmap(request);
  attachment->PutDown();
  if (mapped.Is(Errno::kEEXIST)) return Errno::kEINVAL;
  return TRY(mapped).value;
}

SyscallResult SysShmdt(Task& task, UserAddr addr) { return task.mm().Detach(addr); }

SyscallResult SysShmctl(Task& task, int32_t id, int32_t command, UserAddr buffer) {
  if (id < 0 || command < 0) return Errno::kEINVAL;
  switch (command) {
    case abi::kIpcInfo:
      return ShmctlInfo(task, buffer);
    case abi::kShmInfo:
      return ShmctlUse(task, buffer);
    case abi::kIpcStat:
      return IpcctlStat(task, SharedMemoryOf(task), id, IpcStatKind::kId, buffer);
    case abi::kShmStat:
      return IpcctlStat(task, SharedMemoryOf(task), id, IpcStatKind::kIndex, buffer);
    case abi::kShmStatAny:
      return IpcctlStat(task, SharedMemoryOf(task), id, IpcStatKind::kIndexAny, buffer);
    case abi::kIpcSet: {
      const auto fresh = TRY(UserIn<abi::ShmidDs>(buffer).Read(task.mm()));
      return TRY(SharedMemoryOf(task).Find(id))->SetPerm(IpcCallerOf(task), fresh.perm);
    }
    case abi::kIpcRmid:
      return SharedMemoryOf(task).Remove(IpcCallerOf(task), id);
    case abi::kShmLock:
    case abi::kShmUnlock:
      return ShmctlLock(task, id, command == abi::kShmLock);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry
