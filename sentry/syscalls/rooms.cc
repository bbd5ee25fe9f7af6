#include "sentry/syscalls/rooms.h"

#include "sentry/kernel/kernel.h"
#include "sentry/net/unix/endpoint.h"

namespace sentry {

SyscallRooms& SyscallRooms::Of(Kernel& kernel) {
  return static_cast<SyscallRooms&>(kernel.SyscallState([&] { return MakeRef<SyscallRooms>(kernel); }));
}

SyscallRooms::SyscallRooms(Kernel& kernel)
    : memfds_(TmpfsFileSystem::Create(kernel.memory_file())),
      unix_names_(MakeRef<UnixNamespace>()),
      mqueues_(MqueueNamespace::Create()),
      timers_(kernel.timers()) {}

SyscallRooms::~SyscallRooms() = default;

}  // namespace sentry
