#include "sentry/syscalls/rooms.h"

#include "sentry/kernel/acting_namespaces.h"
#include "sentry/kernel/kernel.h"

namespace sentry {

SyscallRooms& SyscallRooms::Of(Kernel& kernel) {
  return static_cast<SyscallRooms&>(kernel.SyscallState([&] { return MakeRef<SyscallRooms>(kernel); }));
}

SyscallRooms::SyscallRooms(Kernel& kernel)
    : memfds_(TmpfsFileSystem::Create(kernel.memory_file())),
      mqueue_usage_(MakeRef<MqueueUsage>()),
      net_(kernel.net_state() != nullptr ? RefPtr<NetState>(kernel.net_state()) : MakeRef<NetState>(nullptr)),
      timers_(kernel.timers()) {}

SyscallRooms::~SyscallRooms() = default;

SemaphoreNamespace& SemaphoresOf(IpcNamespace& ipc) {
  return static_cast<SemaphoreNamespace&>(
      ipc.State(IpcNamespace::kSemaphores, [&] { return MakeRef<SemaphoreNamespace>(ipc.owner()); }));
}

MessageNamespace& MessagesOf(IpcNamespace& ipc) {
  return static_cast<MessageNamespace&>(
      ipc.State(IpcNamespace::kMessages, [&] { return MakeRef<MessageNamespace>(ipc.owner()); }));
}

SharedMemoryNamespace& SharedMemoryOf(Kernel& kernel, IpcNamespace& ipc) {
  return static_cast<SharedMemoryNamespace&>(ipc.State(
      IpcNamespace::kSharedMemory, [&] { return MakeRef<SharedMemoryNamespace>(ipc.owner(), kernel.memory_file()); }));
}

MqueueNamespace& MqueuesOf(Kernel& kernel, const VfsContext& ctx) {
  IpcNamespace& ipc = *NamespacesOf(kernel, ctx)->ipc;
  MqueueUsage& usage = SyscallRooms::Of(kernel).mqueue_usage();
  return static_cast<MqueueNamespace&>(
      ipc.State(IpcNamespace::kPosixQueues, [&] { return MqueueNamespace::Create(RefPtr<MqueueUsage>(&usage)); }));
}

NetState& NetOf(Task& task) { return *SyscallRooms::Of(task.kernel()).net(); }

}  // namespace sentry
