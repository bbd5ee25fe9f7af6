// Requests that look at files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "fsgofer/server/session.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::RefPtr;
using base::Result;
using base::UniqueFd;

// struct linux_dirent64, which libc does not declare.
constexpr size_t kDirentIno = 0;
constexpr size_t kDirentOff = 8;
constexpr size_t kDirentReclen = 16;
constexpr size_t kDirentType = 18;
constexpr size_t kDirentName = 19;

template <typename T>
T Load(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// Rewrites the host's entries into the reply. An entry grows by at most a few
// bytes (24 of header against 19), so what does not fit is left for the next
// batch: next_cookie stays behind the last one taken.
void PutEntries(const std::byte* data, size_t size, WireWriter& out, size_t limit, ReadDirReply* reply) {
  for (size_t at = 0; at + kDirentName < size;) {
    const std::byte* d = data + at;
    const uint16_t reclen = Load<uint16_t>(d + kDirentReclen);
    if (reclen <= kDirentName || reclen > size - at) return;
    const char* name_start = reinterpret_cast<const char*>(d + kDirentName);
    const std::string_view name(name_start, strnlen(name_start, reclen - kDirentName));
    const uint64_t cookie = Load<uint64_t>(d + kDirentOff);
    at += reclen;
    // A FUSE file system may return any bytes as a name.
    if (ValidComponent(name)) {
      if (out.size() + sizeof(DirEntryHeader) + name.size() > limit) {
        reply->at_end = 0;
        return;
      }
      out.Put(DirEntryHeader{.ino = Load<uint64_t>(d + kDirentIno),
                             .next_cookie = cookie,
                             .type = Load<uint8_t>(d + kDirentType),
                             .name_length = static_cast<uint8_t>(name.size()),
                             .reserved = 0,
                             .reserved2 = 0});
      out.PutBytes(name);
      reply->entry_count++;
    }
    reply->next_cookie = cookie;
  }
}

}  // namespace

Result<void> Session::ReadDir(WireReader& in, Reply& out) {
  ReadDirRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  if (node->identity.type != S_IFDIR) return Errno::kENOTDIR;
  ReadDirReply reply = {.entry_count = 0, .at_end = 1, .next_cookie = request.cookie};
  out.body.Put(reply);
  if (node->pseudo) return base::Ok();
  // At least one name of any length fits.
  const size_t limit = std::clamp<size_t>(request.max_bytes, 1024, kMaxReadDirBytes);
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  if (request.cookie != 0 && lseek(fd.get(), static_cast<off_t>(request.cookie), SEEK_SET) < 0) {
    return base::HostErrno();
  }
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(limit);
  while (reply.at_end != 0 && out.body.size() < limit / 2) {
    const long n = syscall(SYS_getdents64, fd.get(), buffer.get(), limit);
    if (n < 0 && reply.entry_count == 0) return base::HostErrno();
    if (n < 0) reply.at_end = 0;  // the next batch meets the error again and tells it
    if (n <= 0) break;
    PutEntries(buffer.get(), static_cast<size_t>(n), out.body, limit, &reply);
    if (out.body.size() >= limit / 2) reply.at_end = 0;
  }
  out.body.Patch(0, reply);
  return base::Ok();
}

Result<void> Session::ReadLink(WireReader& in, Reply& out) {
  NodeRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  if (node->identity.type != S_IFLNK) return Errno::kEINVAL;
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(node));
  out.body.PutBytes(TRY(HostReadLink(path->get(), "")));
  return base::Ok();
}

Result<void> Session::StatFs(WireReader& in, Reply& out) {
  NodeRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(node));
  struct statfs st;
  if (fstatfs(path->get(), &st) != 0) return base::HostErrno();
  out.body.Put(StatFsReply{.type = static_cast<uint64_t>(st.f_type),
                           .block_size = static_cast<uint64_t>(st.f_bsize),
                           .blocks = st.f_blocks,
                           .blocks_free = st.f_bfree,
                           .blocks_available = st.f_bavail,
                           .files = st.f_files,
                           .files_free = st.f_ffree,
                           .name_length = static_cast<uint64_t>(st.f_namelen),
                           .fragment_size = static_cast<uint64_t>(st.f_frsize)});
  return base::Ok();
}

// By the descriptor if there is one; else by name, checked to be the same
// file, which is one call instead of three.
Result<Attr> Session::Stat(const NodePin& node) {
  Result<Attr> attr = Errno::kESTALE;
  if (const RefPtr<PathFd> path = nodes_.OpenPathOf(node)) {
    attr = HostStat(path->get(), "");
  } else {
    auto [parent, name] = TRY(nodes_.PlaceOf(node));
    const RefPtr<PathFd> parent_path = TRY(nodes_.PathOf(parent));
    attr = HostStat(parent_path->get(), name.c_str());
    if (attr.Is(Errno::kENOENT)) return Errno::kESTALE;
  }
  if (!attr.ok()) return attr.error();
  if (IdentityOf(*attr) != node->identity) return Errno::kESTALE;
  if (node->pseudo) attr->flags |= kAttrPseudo;
  return attr;
}

Result<void> Session::GetAttr(WireReader& in, Reply& out) {
  NodeRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  out.body.Put(TRY(Stat(node)));
  return base::Ok();
}

// Symlinks, fifos and devices carry no user.* attributes, and without /proc
// their others can't be asked for by descriptor: they show none.
Result<void> Session::GetXattr(WireReader& in, Reply& out) {
  XattrRequest request;
  std::string_view name;
  if (!in.Get(&request) || !in.GetName(&name) || !in.done()) return Errno::kEINVAL;
  if (!ValidXattrName(name)) return Errno::kERANGE;
  const NodePin node = TRY(nodes_.Find(request.node));
  const uint32_t type = node->identity.type;
  if (node->pseudo || (type != S_IFREG && type != S_IFDIR)) return Errno::kENODATA;
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  const std::string name_z(name);
  const ssize_t size = fgetxattr(fd.get(), name_z.c_str(), nullptr, 0);
  if (size < 0) return base::HostErrno();
  const auto value = std::make_unique_for_overwrite<char[]>(kMaxXattrSize);
  const ssize_t n = fgetxattr(fd.get(), name_z.c_str(), value.get(), kMaxXattrSize);
  if (n < 0) return base::HostErrno();
  out.body.PutBytes({value.get(), static_cast<size_t>(n)});
  return base::Ok();
}

Result<void> Session::ListXattr(WireReader& in, Reply& out) {
  NodeRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  const uint32_t type = node->identity.type;
  if (node->pseudo || (type != S_IFREG && type != S_IFDIR)) return base::Ok();
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  const auto names = std::make_unique_for_overwrite<char[]>(kMaxXattrSize);
  const ssize_t n = flistxattr(fd.get(), names.get(), kMaxXattrSize);
  if (n < 0) return base::HostErrno();
  out.body.PutBytes({names.get(), static_cast<size_t>(n)});
  return base::Ok();
}

Result<void> Session::Close(WireReader& in, Reply&) {
  CloseRequest request;
  if (!in.Get(&request) || request.count > kMaxCloseBatch) return Errno::kEINVAL;
  if (in.remaining() != request.count * sizeof(NodeId)) return Errno::kEINVAL;
  NodeId id;
  while (in.Get(&id)) nodes_.Drop(id);
  return base::Ok();
}

Result<void> Session::Fsync(WireReader& in, Reply&) {
  NodeRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  if (node->pseudo) return Errno::kEINVAL;
  const UniqueFd fd = TRY(OpenNode(node, O_RDONLY));
  if (fsync(fd.get()) != 0) return base::HostErrno();
  return base::Ok();
}

}  // namespace fsgofer
