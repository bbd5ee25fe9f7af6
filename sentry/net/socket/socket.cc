#include "sentry/net/socket/socket.h"

#include <string>

#include "sentry/abi/socket.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

const void* Socket::Kind() {
  static const char kTag = 0;
  return &kTag;
}

Result<size_t> Socket::Read(const VfsContext& ctx, IoSink& dst) {
  // As Linux's sock_read_iter: never a wait, and no datagram lost.
  if (dst.remaining() == 0) return size_t{0};
  return TRY(ReceiveMessage(ctx, dst, 0)).bytes;
}

Result<size_t> Socket::Write(const VfsContext& ctx, IoSource& src) {
  return SendMessage(ctx, src, {}, {}, socket_type() == abi::kSockSeqPacket ? abi::kMsgEor : 0);
}

Path NewSocketPath(const VfsContext& ctx, uint64_t ino) {
  Attributes attributes;
  attributes.ino = ino;
  attributes.mode = abi::kSIfSock | 0777;
  attributes.uid = ctx.creds->fsuid;
  attributes.gid = ctx.creds->fsgid;
  RefPtr<SimpleInode> inode = MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kSocket), attributes);
  return InternalPath(InternalFs::kSocket, inode, "socket:[" + std::to_string(inode->ino()) + "]");
}

}  // namespace sentry
