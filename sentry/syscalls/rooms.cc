#include "sentry/syscalls/rooms.h"

#include "sentry/kernel/kernel.h"

namespace sentry {

SyscallRooms& SyscallRooms::Of(Kernel& kernel) {
  return static_cast<SyscallRooms&>(kernel.SyscallState([&] { return MakeRef<SyscallRooms>(kernel); }));
}

SyscallRooms::SyscallRooms(Kernel& kernel)
    : memfds_(TmpfsFileSystem::Create(kernel.memory_file())),
      mqueues_(MqueueNamespace::Create()),
      net_(kernel.net_state() != nullptr ? RefPtr<NetState>(kernel.net_state()) : MakeRef<NetState>(nullptr)),
      timers_(kernel.timers()) {}

SyscallRooms::~SyscallRooms() = default;

NetState& NetOf(Task& task) { return *SyscallRooms::Of(task.kernel()).net(); }

}  // namespace sentry
