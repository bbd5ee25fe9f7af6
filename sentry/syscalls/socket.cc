// Sockets made, named and connected: Linux's net/socket.c.
#include <algorithm>
#include <cstring>

#include "sentry/net/netlink/netlink_socket.h"
#include "sentry/net/unix/unix_socket.h"
#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/syscalls/socket_args.h"

namespace sentry {
namespace {

constexpr uint32_t kTypeFlags = static_cast<uint32_t>(abi::kSockCloExec | abi::kSockNonBlock);
// SOCK_CLOEXEC and SOCK_NONBLOCK have the values of their O_ namesakes.
static_assert(kTypeFlags == (abi::kOCloExec | abi::kONonBlock));

struct SocketType {
  int type;
  uint32_t flags;  // O_NONBLOCK or 0
  CloseOnExec cloexec;
};

// EINVAL, EAFNOSUPPORT.
Result<SocketType> CheckType(int32_t domain, uint32_t type) {
  constexpr int kTypeMax = 11;
  if ((type & ~(static_cast<uint32_t>(abi::kSockTypeMask) | kTypeFlags)) != 0) return Errno::kEINVAL;
  const int kind = static_cast<int>(type & static_cast<uint32_t>(abi::kSockTypeMask));
  if (domain < 0 || domain >= abi::kAfMax) return Errno::kEAFNOSUPPORT;
  if (kind >= kTypeMax) return Errno::kEINVAL;
  return SocketType{kind, type & abi::kONonBlock, ToCloseOnExec(type)};
}

Result<RefPtr<Socket>> NewSocket(Task& task, int32_t domain, const SocketType& t, int32_t protocol) {
  const VfsContext ctx = task.vfs_context();
  NetState& net = NetOf(task);
  switch (domain) {
    case abi::kAfUnix:
      return NewUnixSocket(ctx, net.unix_names(), t.type, protocol, t.flags);
    case abi::kAfInet:
    case abi::kAfInet6:
      if (net.stack() == nullptr) return Errno::kEAFNOSUPPORT;
      return net.stack()->NewSocket(ctx, domain, t.type, protocol, t.flags);
    case abi::kAfNetlink:
      return NewNetlinkSocket(ctx, RefPtr<NetState>(&net), t.type, protocol, t.flags);
    default:
      return Errno::kEAFNOSUPPORT;
  }
}

// How a connection that was under way has ended. To ask again is what settles
// it: the socket is connected then, or free for another try.
Result<int> ConnectOutcome(const VfsContext& ctx, Socket& socket, const SocketAddress& name) {
  if (socket.Readiness(base::kWritableEvents) == 0) return Errno::kEAGAIN;
  const Result<void> done = socket.Connect(ctx, name);
  if (done.ok() || done.Is(Errno::kEISCONN)) return 0;  // another thread's connect(2) has settled it
  return done.Is(Errno::kEALREADY) || done.Is(Errno::kEINPROGRESS) ? Errno::kEAGAIN : done.error();
}

bool IsUnderWay(Errno error) { return error == Errno::kEINPROGRESS || error == Errno::kEALREADY; }

}  // namespace

SyscallResult SysSocket(Task& task, int32_t domain, uint32_t type, int32_t protocol) {
  const SocketType t = TRY(CheckType(domain, type));
  return InstallFd(task, TRY(NewSocket(task, domain, t, protocol)), t.cloexec);
}

SyscallResult SysSocketpair(Task& task, int32_t domain, uint32_t type, int32_t protocol, UserOut<FdPair> fds) {
  const SocketType t = TRY(CheckType(domain, type));
  if (domain != abi::kAfUnix) {
    TRY(NewSocket(task, domain, t, protocol));
    return Errno::kEOPNOTSUPP;
  }
  SocketPair pair = TRY(NewUnixSocketPair(task.vfs_context(), NetOf(task).unix_names(), t.type, protocol, t.flags));
  return InstallFdPair(task, std::move(pair.first), std::move(pair.second), t.cloexec, fds);
}

SyscallResult SysBind(Task& task, Fd fd, UserAddr address, uint32_t length) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const SocketAddress name = TRY(ReadAddress(task, address, static_cast<int32_t>(length)));
  return socket->Bind(task.vfs_context(), name);
}

SyscallResult SysListen(Task& task, Fd fd, int32_t backlog) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  // As Linux: compared as unsigned, so that negative means "as many as may be".
  const bool too_many = static_cast<uint32_t>(backlog) > static_cast<uint32_t>(abi::kSomaxconn);
  return socket->Listen(task.vfs_context(), too_many ? abi::kSomaxconn : backlog);
}

SyscallResult SysAccept(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length) {
  return SysAccept4(task, fd, address, length, 0);
}

SyscallResult SysAccept4(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length, uint32_t flags) {
  if ((flags & ~kTypeFlags) != 0) return Errno::kEINVAL;
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  TRY(task.fds().CheckRoom(NofileLimit(task)));
  const VfsContext ctx = task.vfs_context();
  SocketAddress peer;
  RefPtr<Socket> accepted = TRY(BlockForIo(task, *socket, base::kReadableEvents, Wait::kByFile,
                                           [&] { return socket->Accept(ctx, flags & abi::kONonBlock, &peer); }));
  TRY(WriteAddress(task, peer, address, length));
  return InstallFd(task, std::move(accepted), ToCloseOnExec(flags));
}

SyscallResult SysConnect(Task& task, Fd fd, UserAddr address, uint32_t length) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const SocketAddress name = TRY(ReadAddress(task, address, static_cast<int32_t>(length)));
  const VfsContext ctx = task.vfs_context();
  const auto begun = BlockForIo(task, *socket, base::kWritableEvents, Wait::kByFile, [&]() -> Result<int> {
    TRY(socket->Connect(ctx, name));
    return 0;
  });
  if (begun.ok()) return 0;
  const SyscallError error = begun.error();
  // EALREADY: an earlier call was interrupted; Linux waits on.
  if (error.errno_if() == nullptr || !IsUnderWay(*error.errno_if()) || socket->nonblocking()) return error;
  const auto outcome = BlockForIo(task, *socket, base::kWritableEvents, Wait::kByFile,
                                  [&] { return ConnectOutcome(ctx, *socket, name); });
  const bool late = !outcome.ok() && outcome.error().errno_if() != nullptr &&
                    *outcome.error().errno_if() == Errno::kEAGAIN;  // SO_SNDTIMEO
  if (late) return error;
  return outcome;
}

SyscallResult SysGetsockname(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const SocketAddress name = TRY(socket->LocalAddress());
  if (address.is_null()) return Errno::kEFAULT;
  return WriteAddress(task, name, address, length);
}

SyscallResult SysGetpeername(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const SocketAddress name = TRY(socket->PeerAddress());
  if (address.is_null()) return Errno::kEFAULT;
  return WriteAddress(task, name, address, length);
}

SyscallResult SysShutdown(Task& task, Fd fd, int32_t how) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  return socket->Shutdown(how);
}

// No option is longer; what a guest names beyond it is not looked at.
constexpr uint32_t kMaxOption = 64 << 10;

SyscallResult SysGetsockopt(Task& task, Fd fd, int32_t level, int32_t name, UserAddr value,
                            UserInOut<uint32_t> length) {
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  const uint32_t room = TRY(length.Read(task.mm()));
  if (static_cast<int32_t>(room) < 0) return Errno::kEINVAL;
  const std::vector<std::byte> option =
      TRY(socket->GetOption(task.vfs_context(), level, name, std::min(room, kMaxOption)));
  const size_t n = std::min<size_t>(option.size(), room);
  TRY(CopyOutFull(task.mm(), value, std::span(option).first(n)));
  return length.Write(task.mm(), static_cast<uint32_t>(n));
}

SyscallResult SysSetsockopt(Task& task, Fd fd, int32_t level, int32_t name, UserAddr value, uint32_t length) {
  if (static_cast<int32_t>(length) < 0) return Errno::kEINVAL;
  const RefPtr<Socket> socket = TRY(GetSocket(task, fd));
  std::vector<std::byte> option(std::min(length, kMaxOption));
  TRY(CopyInFull(task.mm(), value, option));
  return socket->SetOption(task.vfs_context(), level, name, option);
}

}  // namespace sentry
