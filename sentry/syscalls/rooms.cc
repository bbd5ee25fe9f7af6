#include "sentry/syscalls/rooms.h"

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

RefPtr<IpcNamespace> IpcOf(Kernel& kernel, const VfsContext& ctx) {
  const RefPtr<Task> caller = kernel.FindTask(ctx.tid, kernel.root_pid_ns());
  const RefPtr<Nsproxy> nsproxy = caller ? caller->SharedNsproxy() : nullptr;
  return nsproxy ? nsproxy->ipc : kernel.first_namespaces().ipc;
}

SemaphoreNamespace& SemaphoresOf(IpcNamespace& ipc) {
  return static_cast<SemaphoreNamespace&>(
      ipc.State(IpcNamespace::kSemaphores, [&] { return MakeRef<SemaphoreNamespace>(ipc.owner()); }));
}

MessageNamespace& MessagesOf(IpcNamespace& ipc) {
  return static_cast<MessageNamespace&>(
      ipc.State(IpcNamespace::kMessages, [&] { return MakeRef<MessageNamespace>(ipc.owner()); }));
}

MqueueNamespace& MqueuesOf(Kernel& kernel, const VfsContext& ctx) {
  MqueueUsage& usage = SyscallRooms::Of(kernel).mqueue_usage();
  return static_cast<MqueueNamespace&>(IpcOf(kernel, ctx)->State(IpcNamespace::kPosixQueues, [&] {
    return MqueueNamespace::Create(RefPtr<MqueueUsage>(&usage));
  }));
}

NetState& NetOf(Task& task) { return *SyscallRooms::Of(task.kernel()).net(); }

}  // namespace sentry
