// The client's calls that change the host's files.
#include "fsgofer/protocol/client.h"
#include "fsgofer/protocol/exchange.h"

namespace fsgofer {
namespace {

using base::Errno;
using base::Result;

Result<void> CheckName(std::string_view name) {
  if (name.size() > kMaxNameLength) return Errno::kENAMETOOLONG;
  if (!ValidComponent(name)) return Errno::kEINVAL;
  return base::Ok();
}

}  // namespace

Result<CreateResult> Client::Create(NodeId dir, std::string_view name, const MakeOptions& options, OpenMode open) {
  TRY(CheckName(name));
  Exchange x(*this, MessageType::kCreate);
  x.out().Put(MakeRequest{dir, options.mode, options.uid, options.gid, static_cast<uint32_t>(open), 0, 0});
  x.out().PutName(name);
  TRY(x.Run(open == OpenMode::kNone ? AcceptFds::kNone : AcceptFds::kOne));
  CreateResult result;
  if (!x.in().Get(&result.node) || !x.in().done() || !PlausibleAttr(result.node.attr)) return x.Malformed();
  result.fd = x.TakeFd();
  if (result.fd.valid() != (open != OpenMode::kNone)) return x.Malformed();
  return result;
}

Result<NodeAttr> Client::Make(MessageType type, NodeId dir, std::string_view name, const MakeOptions& options) {
  TRY(CheckName(name));
  Exchange x(*this, type);
  x.out().Put(MakeRequest{dir, options.mode, options.uid, options.gid, 0, options.rdev_major, options.rdev_minor});
  x.out().PutName(name);
  TRY(x.Run());
  NodeAttr reply;
  if (!x.in().Get(&reply) || !x.in().done() || !PlausibleAttr(reply.attr)) return x.Malformed();
  return reply;
}

Result<NodeAttr> Client::Mkdir(NodeId dir, std::string_view name, const MakeOptions& options) {
  return Make(MessageType::kMkdir, dir, name, options);
}

Result<NodeAttr> Client::Mknod(NodeId dir, std::string_view name, const MakeOptions& options) {
  return Make(MessageType::kMknod, dir, name, options);
}

Result<NodeAttr> Client::Symlink(NodeId dir, std::string_view name, std::string_view target,
                                 const MakeOptions& options) {
  TRY(CheckName(name));
  if (target.empty()) return Errno::kENOENT;
  if (target.size() > kMaxSymlinkLength) return Errno::kENAMETOOLONG;
  Exchange x(*this, MessageType::kSymlink);
  x.out().Put(MakeRequest{dir, options.mode, options.uid, options.gid, 0, 0, 0});
  x.out().PutName(name);
  x.out().PutName(target);
  TRY(x.Run());
  NodeAttr reply;
  if (!x.in().Get(&reply) || !x.in().done() || !PlausibleAttr(reply.attr)) return x.Malformed();
  return reply;
}

Result<NodeAttr> Client::Link(NodeId node, NodeId dir, std::string_view name) {
  TRY(CheckName(name));
  Exchange x(*this, MessageType::kLink);
  x.out().Put(LinkRequest{node, dir});
  x.out().PutName(name);
  TRY(x.Run());
  NodeAttr reply;
  if (!x.in().Get(&reply) || !x.in().done() || !PlausibleAttr(reply.attr)) return x.Malformed();
  return reply;
}

Result<void> Client::Remove(NodeId dir, std::string_view name, uint32_t flags) {
  TRY(CheckName(name));
  Exchange x(*this, MessageType::kUnlink);
  x.out().Put(UnlinkRequest{dir, flags, 0});
  x.out().PutName(name);
  TRY(x.Run());
  if (!x.in().done()) return x.Malformed();
  return base::Ok();
}

Result<void> Client::Unlink(NodeId dir, std::string_view name) { return Remove(dir, name, 0); }
Result<void> Client::Rmdir(NodeId dir, std::string_view name) { return Remove(dir, name, kUnlinkDirectory); }

Result<void> Client::Rename(const RenameArgs& args) {
  TRY(CheckName(args.old_name));
  TRY(CheckName(args.new_name));
  Exchange x(*this, MessageType::kRename);
  x.out().Put(RenameRequest{args.old_dir, args.new_dir, args.flags, 0});
  x.out().PutName(args.old_name);
  x.out().PutName(args.new_name);
  TRY(x.Run());
  if (!x.in().done()) return x.Malformed();
  return base::Ok();
}

Result<Attr> Client::SetAttr(const SetAttrRequest& request) {
  Exchange x(*this, MessageType::kSetAttr);
  x.out().Put(request);
  TRY(x.Run());
  Attr attr;
  if (!x.in().Get(&attr) || !x.in().done() || !PlausibleAttr(attr)) return x.Malformed();
  return attr;
}

Result<void> Client::SetXattr(NodeId node, std::string_view name, std::string_view value, uint32_t flags) {
  if (!ValidXattrName(name)) return Errno::kERANGE;
  if (value.size() > kMaxXattrSize) return Errno::kE2BIG;
  Exchange x(*this, MessageType::kSetXattr);
  x.out().Put(SetXattrRequest{node, flags, static_cast<uint32_t>(value.size())});
  x.out().PutName(name);
  x.out().PutBytes(value);
  TRY(x.Run());
  if (!x.in().done()) return x.Malformed();
  return base::Ok();
}

Result<void> Client::RemoveXattr(NodeId node, std::string_view name) {
  if (!ValidXattrName(name)) return Errno::kERANGE;
  Exchange x(*this, MessageType::kRemoveXattr);
  x.out().Put(XattrRequest{node});
  x.out().PutName(name);
  TRY(x.Run());
  if (!x.in().done()) return x.Malformed();
  return base::Ok();
}

}  // namespace fsgofer
