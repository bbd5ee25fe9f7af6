// What the socket calls share: descriptors that are sockets, addresses, and
// ancillary data in and out.
#ifndef SENTRY_SYSCALLS_SOCKET_ARGS_H_
#define SENTRY_SYSCALLS_SOCKET_ARGS_H_

#include "sentry/abi/socket.h"
#include "sentry/net/socket/socket.h"
#include "sentry/syscalls/file_args.h"

namespace sentry {

// EBADF, ENOTSOCK.
Result<RefPtr<Socket>> GetSocket(Task& task, Fd fd);
// Linux's move_addr_to_kernel: EINVAL for lengths out of range, EFAULT.
Result<SocketAddress> ReadAddress(Task& task, UserAddr addr, int64_t length);
// Linux's move_addr_to_user: as much as the caller has room for, and the real
// length. Nothing where `addr` is null.
Result<void> WriteAddress(Task& task, const SocketAddress& address, UserAddr addr, UserInOut<uint32_t> length);

// sendmsg's ancillary data of one message (man 3 cmsg, man 7 unix). EINVAL,
// EBADF, EPERM, ESRCH, ENOBUFS. What AF_UNIX has no use for stays in records.
Result<ControlData> ReadControl(Task& task, const Socket& socket, UserAddr addr, uint64_t length);

// recvmsg's: writes it to the caller's buffer and installs the descriptors.
struct ControlWritten {
  uint64_t length = 0;  // bytes used
  uint32_t flags = 0;   // MSG_CTRUNC
};
ControlWritten WriteControl(Task& task, ControlData control, UserAddr addr, uint64_t length, CloseOnExec cloexec);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_SOCKET_ARGS_H_
