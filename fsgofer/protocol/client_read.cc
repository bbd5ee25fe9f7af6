// The client's calls that change nothing on the host.
#include <sys/stat.h>

#include <algorithm>

#include "fsgofer/protocol/client.h"
#include "fsgofer/protocol/exchange.h"

namespace fsgofer {

using base::Errno;
using base::Result;

Result<NodeAttr> Client::Attach(uint32_t mount) {
  Exchange x(*this, MessageType::kAttach);
  x.out().Put(AttachRequest{mount, 0});
  TRY(x.Run());
  NodeAttr reply;
  if (!x.in().Get(&reply) || !x.in().done() || !PlausibleAttr(reply.attr)) return x.Malformed();
  return reply;
}

static Result<void> PutNames(WireWriter& out, std::span<const std::string_view> names) {
  for (std::string_view name : names) {
    if (name.size() > kMaxNameLength) return Errno::kENAMETOOLONG;
    if (!ValidComponent(name)) return Errno::kEINVAL;
    out.PutName(name);
  }
  return base::Ok();
}

Result<WalkResult> Client::Walk(NodeId dir, std::span<const std::string_view> names, OpenMode open) {
  if (names.empty() || names.size() > kMaxWalkNames) return Errno::kEINVAL;
  Exchange x(*this, MessageType::kWalk);
  x.out().Put(WalkRequest{dir, static_cast<uint32_t>(names.size()), static_cast<uint32_t>(open)});
  TRY(PutNames(x.out(), names));
  TRY(x.Run(open == OpenMode::kNone ? AcceptFds::kNone : AcceptFds::kOne));
  WalkReply reply;
  if (!x.in().Get(&reply) || reply.step_count > names.size()) return x.Malformed();
  WalkResult result;
  result.steps.resize(reply.step_count);
  for (NodeAttr& step : result.steps) {
    if (!x.in().Get(&step) || !PlausibleAttr(step.attr)) return x.Malformed();
  }
  std::string_view target;
  if (!x.in().GetBytes(reply.target_length, &target) || !x.in().done()) return x.Malformed();
  const bool at_link = !result.steps.empty() && S_ISLNK(result.steps.back().attr.mode);
  if (at_link != !target.empty() || (at_link && !ValidSymlinkTarget(target))) return x.Malformed();
  if (at_link) result.symlink_target.emplace(target);
  if (reply.stop_error < 0 || reply.open_error < 0) return x.Malformed();
  if (reply.stop_error != 0) result.stop = static_cast<Errno>(reply.stop_error);
  if (reply.open_error != 0) result.open_error = static_cast<Errno>(reply.open_error);
  // A walk that ended early for no reason would have the caller take a
  // directory on the way for the file it asked for.
  if (result.steps.size() < names.size() && !at_link && !result.stop) return x.Malformed();
  result.fd = x.TakeFd();
  if (result.fd.valid() && (result.steps.size() != names.size() || !S_ISREG(result.steps.back().attr.mode))) {
    return x.Malformed();
  }
  return result;
}

Result<std::vector<Result<NodeAttr>>> Client::Siblings(NodeId dir, std::span<const std::string_view> names) {
  if (names.empty() || names.size() > kMaxSiblings) return Errno::kEINVAL;
  Exchange x(*this, MessageType::kSiblings);
  x.out().Put(SiblingsRequest{dir, static_cast<uint32_t>(names.size()), 0});
  TRY(PutNames(x.out(), names));
  TRY(x.Run(AcceptFds::kNone));
  std::vector<Result<NodeAttr>> result;
  for (size_t i = 0; i < names.size(); i++) {
    SiblingReply reply;
    if (!x.in().Get(&reply) || reply.error < 0) return x.Malformed();
    if (reply.error != 0) {
      result.emplace_back(static_cast<Errno>(reply.error));
    } else if (PlausibleAttr(reply.found.attr)) {
      result.emplace_back(reply.found);
    } else {
      return x.Malformed();
    }
  }
  if (!x.in().done()) return x.Malformed();
  return result;
}

Result<OpenResult> Client::Open(NodeId node, OpenMode mode, uint32_t flags) {
  Exchange x(*this, MessageType::kOpen);
  x.out().Put(OpenRequest{node, static_cast<uint32_t>(mode), flags});
  TRY(x.Run(AcceptFds::kOne));
  OpenResult result;
  if (!x.in().Get(&result.attr) || !x.in().done() || !PlausibleAttr(result.attr)) return x.Malformed();
  result.fd = x.TakeFd();
  if (!result.fd.valid()) return x.Malformed();
  return result;
}

Result<DirBatch> Client::ReadDir(NodeId node, uint64_t cookie, uint32_t max_bytes) {
  Exchange x(*this, MessageType::kReadDir);
  x.out().Put(ReadDirRequest{node, cookie, max_bytes, 0});
  TRY(x.Run());
  ReadDirReply reply;
  if (!x.in().Get(&reply)) return x.Malformed();
  if (reply.entry_count > x.in().remaining() / sizeof(DirEntryHeader)) return x.Malformed();
  DirBatch batch;
  batch.entries.reserve(reply.entry_count);
  for (uint32_t i = 0; i < reply.entry_count; i++) {
    DirEntryHeader entry;
    std::string_view name;
    if (!x.in().Get(&entry) || !x.in().GetBytes(entry.name_length, &name)) return x.Malformed();
    if (!ValidComponent(name)) return x.Malformed();
    batch.entries.push_back({std::string(name), entry.ino, entry.next_cookie, entry.type});
  }
  if (!x.in().done()) return x.Malformed();
  batch.next_cookie = reply.next_cookie;
  batch.at_end = reply.at_end != 0;
  return batch;
}

Result<std::string> Client::ReadLink(NodeId node) {
  Exchange x(*this, MessageType::kReadLink);
  x.out().Put(NodeRequest{node});
  TRY(x.Run());
  std::string_view target;
  if (!x.in().GetBytes(x.in().remaining(), &target) || !ValidSymlinkTarget(target)) return x.Malformed();
  return std::string(target);
}

Result<StatFsReply> Client::StatFs(NodeId node) {
  Exchange x(*this, MessageType::kStatFs);
  x.out().Put(NodeRequest{node});
  TRY(x.Run());
  StatFsReply reply;
  if (!x.in().Get(&reply) || !x.in().done()) return x.Malformed();
  return reply;
}

Result<Attr> Client::GetAttr(NodeId node) {
  Exchange x(*this, MessageType::kGetAttr);
  x.out().Put(NodeRequest{node});
  TRY(x.Run());
  Attr attr;
  if (!x.in().Get(&attr) || !x.in().done() || !PlausibleAttr(attr)) return x.Malformed();
  return attr;
}

Result<std::string> Client::GetXattr(NodeId node, std::string_view name) {
  if (!ValidXattrName(name)) return Errno::kERANGE;  // as Linux answers a bad name
  Exchange x(*this, MessageType::kGetXattr);
  x.out().Put(XattrRequest{node});
  x.out().PutName(name);
  TRY(x.Run());
  std::string_view value;
  if (x.in().remaining() > kMaxXattrSize || !x.in().GetBytes(x.in().remaining(), &value)) return x.Malformed();
  return std::string(value);
}

Result<std::vector<std::string>> Client::ListXattr(NodeId node) {
  Exchange x(*this, MessageType::kListXattr);
  x.out().Put(NodeRequest{node});
  TRY(x.Run());
  std::string_view rest;
  if (!x.in().GetBytes(x.in().remaining(), &rest)) return x.Malformed();
  std::vector<std::string> names;
  while (!rest.empty()) {
    const size_t end = rest.find('\0');
    if (end == std::string_view::npos || !ValidXattrName(rest.substr(0, end))) return x.Malformed();
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return names;
}

Result<void> Client::Close(std::span<const NodeId> nodes) {
  while (!nodes.empty()) {
    const size_t n = std::min(nodes.size(), kMaxCloseBatch);
    Exchange x(*this, MessageType::kClose);
    x.out().Put(CloseRequest{static_cast<uint32_t>(n), 0});
    for (NodeId node : nodes.first(n)) x.out().Put(node);
    TRY(x.Run());
    if (!x.in().done()) return x.Malformed();
    nodes = nodes.subspan(n);
  }
  return base::Ok();
}

Result<void> Client::Fsync(NodeId node) {
  Exchange x(*this, MessageType::kFsync);
  x.out().Put(NodeRequest{node});
  TRY(x.Run());
  if (!x.in().done()) return x.Malformed();
  return base::Ok();
}

}  // namespace fsgofer
