// Socket ABI of x86-64 Linux (man 2 socket, sendmsg, getsockopt; man 7 socket,
// unix; man 3 cmsg).
#ifndef SENTRY_ABI_SOCKET_H_
#define SENTRY_ABI_SOCKET_H_

#include <cstddef>
#include <cstdint>

#include "sentry/abi/ioctl.h"

namespace sentry::abi {

// Address families.
inline constexpr int kAfUnspec = 0, kAfUnix = 1, kAfInet = 2, kAfInet6 = 10, kAfNetlink = 16, kAfPacket = 17;
inline constexpr int kAfMax = 46;

// Types, and the flags that come with them.
inline constexpr int kSockStream = 1, kSockDgram = 2, kSockRaw = 3, kSockRdm = 4, kSockSeqPacket = 5;
inline constexpr int kSockTypeMask = 0xf;
inline constexpr int kSockNonBlock = 04000, kSockCloExec = 02000000;

// shutdown(2).
inline constexpr int kShutRd = 0, kShutWr = 1, kShutRdWr = 2;
inline constexpr int kSomaxconn = 4096;

// Option levels.
inline constexpr int kSolIp = 0, kSolSocket = 1, kSolTcp = 6, kSolUdp = 17, kSolIpv6 = 41, kSolNetlink = 270;

// Options of SOL_SOCKET.
inline constexpr int kSoDebug = 1, kSoReuseAddr = 2, kSoType = 3, kSoError = 4, kSoDontRoute = 5, kSoBroadcast = 6;
inline constexpr int kSoSndBuf = 7, kSoRcvBuf = 8, kSoKeepAlive = 9, kSoOobInline = 10, kSoNoCheck = 11;
inline constexpr int kSoPriority = 12, kSoLinger = 13, kSoReusePort = 15, kSoPassCred = 16, kSoPeerCred = 17;
inline constexpr int kSoRcvLoWat = 18, kSoSndLoWat = 19, kSoRcvTimeoOld = 20, kSoSndTimeoOld = 21;
inline constexpr int kSoBindToDevice = 25, kSoAttachFilter = 26, kSoDetachFilter = 27, kSoTimestampOld = 29;
inline constexpr int kSoAcceptConn = 30, kSoPeerSec = 31, kSoSndBufForce = 32, kSoRcvBufForce = 33, kSoPassSec = 34;
inline constexpr int kSoMark = 36, kSoProtocol = 38, kSoDomain = 39, kSoPeekOff = 42, kSoIncomingCpu = 49;
inline constexpr int kSoCookie = 57, kSoPeerGroups = 59, kSoRcvTimeoNew = 66, kSoSndTimeoNew = 67;

// Flags of send and receive.
inline constexpr uint32_t kMsgOob = 0x1, kMsgPeek = 0x2, kMsgDontRoute = 0x4, kMsgCtrunc = 0x8, kMsgTrunc = 0x20;
inline constexpr uint32_t kMsgDontWait = 0x40, kMsgEor = 0x80, kMsgWaitAll = 0x100, kMsgNoSignal = 0x4000;
inline constexpr uint32_t kMsgMore = 0x8000, kMsgWaitForOne = 0x10000, kMsgErrQueue = 0x2000;
inline constexpr uint32_t kMsgCmsgCloExec = 0x40000000;

// Ancillary data of SOL_SOCKET.
inline constexpr int kScmRights = 1, kScmCredentials = 2;
inline constexpr size_t kScmMaxFd = 253;
inline constexpr size_t kUioMaxIov = 1024;

// ioctl(2).
inline constexpr uint32_t kSiocInq = kFioNRead, kSiocOutq = 0x5411, kSiocAtMark = 0x8905;

inline constexpr size_t kSockaddrMax = 128;  // sizeof(struct sockaddr_storage)

struct SockaddrUn {
  uint16_t family;
  char path[108];
};
static_assert(sizeof(SockaddrUn) == 110);
static_assert(offsetof(SockaddrUn, path) == 2);

struct Msghdr {
  uint64_t name;
  int32_t namelen;
  uint32_t pad0;
  uint64_t iov;
  uint64_t iovlen;
  uint64_t control;
  uint64_t controllen;
  uint32_t flags;
  uint32_t pad1;
};
static_assert(sizeof(Msghdr) == 56);
static_assert(offsetof(Msghdr, iov) == 16);
static_assert(offsetof(Msghdr, control) == 32);
static_assert(offsetof(Msghdr, flags) == 48);

struct Mmsghdr {
  Msghdr hdr;
  uint32_t len;
  uint32_t pad;
};
static_assert(sizeof(Mmsghdr) == 64);

struct Cmsghdr {
  uint64_t len;  // with this header
  int32_t level;
  int32_t type;
};
static_assert(sizeof(Cmsghdr) == 16);
constexpr uint64_t CmsgAlign(uint64_t len) { return (len + 7) & ~uint64_t{7}; }
constexpr uint64_t CmsgSpace(uint64_t len) { return sizeof(Cmsghdr) + CmsgAlign(len); }
constexpr uint64_t CmsgLen(uint64_t len) { return sizeof(Cmsghdr) + len; }

struct Ucred {
  int32_t pid;
  uint32_t uid;
  uint32_t gid;
};
static_assert(sizeof(Ucred) == 12);

struct Linger {
  int32_t onoff;
  int32_t linger;
};
static_assert(sizeof(Linger) == 8);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_SOCKET_H_
