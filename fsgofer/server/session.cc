// Dispatch, and finding and opening files. session_read.cc and
// session_write.cc hold the other requests.
#include "fsgofer/server/session.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace fsgofer {

using base::Errno;
using base::RefPtr;
using base::Result;
using base::UniqueFd;

// In the order of MessageType. 0 is no message.
const Session::Handler Session::kHandlers[] = {
    nullptr,
    &Call<&Session::Attach>,
    &Call<&Session::Walk>,
    &Call<&Session::Siblings>,
    &Call<&Session::Open>,
    &Call<&Session::ReadDir>,
    &Call<&Session::ReadLink>,
    &Call<&Session::StatFs>,
    &Call<&Session::GetAttr>,
    &Call<&Session::GetXattr>,
    &Call<&Session::ListXattr>,
    &Call<&Session::Close>,
    &Call<&Session::Fsync>,
    &Call<&Session::Create>,
    &Call<&Session::Mkdir>,
    &Call<&Session::Symlink>,
    &Call<&Session::Mknod>,
    &Call<&Session::Link>,
    &Call<&Session::Unlink>,
    &Call<&Session::Rename>,
    &Call<&Session::SetAttr>,
    &Call<&Session::SetXattr>,
    &Call<&Session::RemoveXattr>,
};

Result<Export> OpenExport(const std::string& path, bool readonly) {
  Export e;
  // A path of runsc-cpp's own configuration: the only one that is followed.
  e.root.reset(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!e.root.valid()) return base::HostErrno();
  const Attr attr = TRY(HostStat(e.root.get(), ""));
  if (!S_ISDIR(attr.mode)) {
    const size_t slash = path.rfind('/');
    const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    e.parent.reset(open(dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!e.parent.valid()) return base::HostErrno();
    e.name = slash == std::string::npos ? path : path.substr(slash + 1);
  }
  e.readonly = readonly;
  return e;
}

Session::Session(std::vector<Export> exports, const NodeTable::Limits& limits)
    : exports_(std::move(exports)), nodes_(limits) {
  static_assert(std::size(kHandlers) == static_cast<size_t>(MessageType::kCount));
}

Result<void> Session::Dispatch(uint16_t type, WireReader& in, Reply& out) {
  if (type == 0 || type >= std::size(kHandlers)) return Errno::kENOSYS;
  const Result<void> result = kHandlers[type](*this, in, out);
  if (result.ok() && !out.body.ok()) return Errno::kEOVERFLOW;
  return result;
}

Session::Answer Session::Handle(std::span<const std::byte> request, std::span<std::byte> reply) {
  WireReader in(request);
  RequestHeader header;
  if (!in.Get(&header) || header.magic != kMagic || header.reserved != 0) return {};
  Reply out(reply.subspan(sizeof(ReplyHeader)));
  const Result<void> result = Dispatch(header.type, in, out);
  if (!result.ok()) {
    out.body.Clear();
    out.fd.reset();
  }
  WireWriter head(reply.first(sizeof(ReplyHeader)));
  head.Put(ReplyHeader{.magic = kMagic,
                       .sequence = header.sequence,
                       .error = result.ok() ? 0 : static_cast<int32_t>(result.error()),
                       .fd_count = out.fd.valid() ? 1u : 0u});
  return {sizeof(ReplyHeader) + out.body.size(), std::move(out.fd)};
}

Result<void> Session::Attach(WireReader& in, Reply& out) {
  AttachRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  if (request.mount >= exports_.size()) return Errno::kENOENT;
  const Export& e = exports_[request.mount];
  Attr attr = TRY(HostStat(e.root.get(), ""));
  const bool pseudo = TRY(IsPseudoFileSystem(e.root.get()));
  UniqueFd fd(fcntl(e.root.get(), F_DUPFD_CLOEXEC, 3));
  if (!fd.valid()) return base::HostErrno();
  const NodePin node = TRY(nodes_.AddRoot(request.mount, attr, pseudo, base::MakeRef<PathFd>(std::move(fd))));
  if (pseudo) attr.flags |= kAttrPseudo;
  out.body.Put(NodeAttr{node->id, attr});
  return base::Ok();
}

Result<Session::Step> Session::WalkOne(const NodePin& dir, std::string_view name) {
  if (dir->identity.type != S_IFDIR) return Errno::kENOTDIR;
  if (dir->pseudo) return Errno::kENOENT;
  const RefPtr<PathFd> dir_path = TRY(nodes_.PathOf(dir));
  const std::string name_z(name);
  Attr attr = TRY(HostStat(dir_path->get(), name_z.c_str()));
  RefPtr<PathFd> path;
  bool pseudo = false;
  if (attr.mount_id != dir->mount_id) {
    // A mount is crossed: see what lies there before anything below is named.
    UniqueFd fd = TRY(HostOpenPath(dir_path->get(), name_z.c_str()));
    attr = TRY(HostStat(fd.get(), ""));
    pseudo = TRY(IsPseudoFileSystem(fd.get()));
    path = base::MakeRef<PathFd>(std::move(fd));
  }
  NodePin node = TRY(nodes_.Intern(dir, name, attr, pseudo, std::move(path)));
  if (pseudo) attr.flags |= kAttrPseudo;
  return Step{std::move(node), attr};
}

Result<std::string> Session::LinkAt(const NodePin& dir, std::string_view name) {
  const RefPtr<PathFd> path = TRY(nodes_.PathOf(dir));
  Result<std::string> link = HostReadLink(path->get(), std::string(name).c_str());
  // EINVAL: it was a link a moment ago and is none now.
  if (link.Is(Errno::kEINVAL)) return Errno::kESTALE;
  return link;
}

// The rest of a request: all names are checked before the first has an effect.
static bool GetNames(WireReader& in, std::span<std::string_view> names) {
  for (std::string_view& name : names) {
    if (!in.GetName(&name) || !ValidComponent(name)) return false;
  }
  return in.done();
}

Result<void> Session::Walk(WireReader& in, Reply& out) {
  WalkRequest request;
  if (!in.Get(&request) || request.name_count == 0 || request.name_count > kMaxWalkNames) return Errno::kEINVAL;
  if (request.open_mode > static_cast<uint32_t>(OpenMode::kReadWrite)) return Errno::kEINVAL;
  std::string_view names[kMaxWalkNames];
  if (!GetNames(in, std::span(names, request.name_count))) return Errno::kEINVAL;
  NodePin at = TRY(nodes_.Find(request.dir));
  out.body.Put(WalkReply{});
  WalkReply reply = {};
  std::string target;
  while (reply.step_count < request.name_count) {
    Result<Step> step = WalkOne(at, names[reply.step_count]);
    if (step.ok() && S_ISLNK(step->attr.mode)) {
      Result<std::string> link = LinkAt(at, names[reply.step_count]);
      if (link.ok()) {
        target = std::move(*link);
      } else {
        nodes_.Drop(step->node->id);  // nobody will close a node not reported
        step = link.error();
      }
    }
    if (!step.ok()) {
      reply.stop_error = static_cast<int32_t>(step.error());
      break;
    }
    out.body.Put(NodeAttr{step->node->id, step->attr});
    reply.step_count++;
    at = std::move(step->node);
    if (!target.empty()) break;
  }
  reply.target_length = static_cast<uint32_t>(target.size());
  out.body.PutBytes(target);
  const OpenMode mode = static_cast<OpenMode>(request.open_mode);
  if (mode != OpenMode::kNone && reply.step_count == request.name_count && at->identity.type == S_IFREG) {
    Result<UniqueFd> fd = OpenForClient(at, mode);
    if (fd.ok()) {
      out.fd = std::move(*fd);
    } else {
      reply.open_error = static_cast<int32_t>(fd.error());
    }
  }
  out.body.Patch(0, reply);
  return base::Ok();
}

Result<void> Session::Siblings(WireReader& in, Reply& out) {
  SiblingsRequest request;
  if (!in.Get(&request) || request.name_count == 0 || request.name_count > kMaxSiblings) return Errno::kEINVAL;
  std::string_view names[kMaxSiblings];
  if (!GetNames(in, std::span(names, request.name_count))) return Errno::kEINVAL;
  const NodePin dir = TRY(nodes_.Find(request.dir));
  for (uint32_t i = 0; i < request.name_count; i++) {
    const Result<Step> step = WalkOne(dir, names[i]);
    SiblingReply reply = {};
    if (step.ok()) {
      reply.found = {step->node->id, step->attr};
    } else {
      reply.error = static_cast<int32_t>(step.error());
    }
    out.body.Put(reply);
  }
  return base::Ok();
}

Result<UniqueFd> Session::OpenNode(const NodePin& node, int flags) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  if (node->identity.type == S_IFDIR) {
    const RefPtr<PathFd> path = TRY(nodes_.PathOf(node));
    UniqueFd fd(openat(path->get(), ".", flags | O_DIRECTORY));
    if (!fd.valid()) return base::HostErrno();
    return fd;
  }
  if (node->identity.type != S_IFREG) return Errno::kENXIO;
  // O_NONBLOCK: should the name have become a fifo meanwhile, the open returns
  // at once, and the comparison below refuses it. A device can't be opened at
  // all: the jail's mounts are nodev.
  flags |= O_NONBLOCK | O_NOCTTY;
  UniqueFd fd;
  if (node->is_root) {
    const Export& e = exports_[node->mount];
    fd.reset(openat(e.parent.get(), e.name.c_str(), flags));
  } else {
    auto [parent, name] = TRY(nodes_.PlaceOf(node));
    const RefPtr<PathFd> path = TRY(nodes_.PathOf(parent));
    fd.reset(openat(path->get(), name.c_str(), flags));
  }
  if (!fd.valid()) {
    const Errno e = base::HostErrno();
    return e == Errno::kENOENT || e == Errno::kELOOP || e == Errno::kEISDIR ? Errno::kESTALE : e;
  }
  const Attr attr = TRY(HostStat(fd.get(), ""));
  if (IdentityOf(attr) != node->identity) return Errno::kESTALE;
  return fd;
}

Result<UniqueFd> Session::OpenForClient(const NodePin& node, OpenMode mode) {
  if (node->identity.type == S_IFDIR) return Errno::kEISDIR;
  if (node->identity.type != S_IFREG) return Errno::kENXIO;
  if (node->pseudo) return Errno::kEACCES;
  if (mode == OpenMode::kReadOnly) return OpenNode(node, O_RDONLY);
  if (exports_[node->mount].readonly) return Errno::kEROFS;
  return OpenNode(node, mode == OpenMode::kWriteOnly ? O_WRONLY : O_RDWR);
}

Result<void> Session::Open(WireReader& in, Reply& out) {
  OpenRequest request;
  if (!in.Get(&request) || !in.done()) return Errno::kEINVAL;
  const OpenMode mode = static_cast<OpenMode>(request.mode);
  if (mode == OpenMode::kNone || mode > OpenMode::kReadWrite) return Errno::kEINVAL;
  if ((request.flags & ~kOpenTruncate) != 0) return Errno::kEINVAL;
  if (request.flags != 0 && mode == OpenMode::kReadOnly) return Errno::kEINVAL;
  const NodePin node = TRY(nodes_.Find(request.node));
  UniqueFd fd = TRY(OpenForClient(node, mode));
  if ((request.flags & kOpenTruncate) != 0 && ftruncate(fd.get(), 0) != 0) return base::HostErrno();
  const Attr attr = TRY(HostStat(fd.get(), ""));
  out.body.Put(attr);
  out.fd = std::move(fd);
  return base::Ok();
}

}  // namespace fsgofer
