#include <utility>

#include "sentry/fs/overlay/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/special_files.h"

namespace sentry::overlay {

bool IsWhiteout(const VfsContext& ctx, Inode& inode) {
  if (inode.type() != abi::kSIfChr) return false;
  const Result<Attributes> attributes = inode.GetAttributes(ctx);
  return attributes.ok() && attributes->rdev == 0;
}

Node::Node(RefPtr<OverlayFileSystem> fs, uint32_t type, Origin origin)
    : Inode(std::move(fs)), type_(type), origin_(std::move(origin)), upper_(RefPtr<Inode>(origin_.upper).release()) {}

Node::~Node() {
  if (Inode* upper = upper_.load(std::memory_order_acquire)) upper->DecRef();
}

void Node::LastRefDropped() {
  overlay().RemoveNode(*this);
  Inode::LastRefDropped();
}

Result<Attributes> Node::GetAttributes(const VfsContext& ctx) {
  Inode* const upper = this->upper();
  Attributes out = TRY((upper != nullptr ? upper : lower())->GetAttributes(ctx));
  out.ino = origin_.ino;
  out.dev = fs().device();
  if (upper == nullptr) {
    if (nameless_.load(std::memory_order_acquire)) out.nlink = 0;
    return out;
  }
  if (type_ == abi::kSIfDir) {
    // A merged directory's subdirectories are not counted, as in Linux.
    if (!origin_.lowers.empty() && out.nlink != 0) out.nlink = 1;
  } else if (const RefPtr<UpperState> state = UpperState::Of(*upper); state && state->key) {
    out.nlink = state->nlink.load(std::memory_order_relaxed);
  }
  return out;
}

Result<void> Node::SetAttr(const VfsContext& ctx, const SetAttributes& set) {
  TRY(EnsureUpper(set.size ? *set.size : UINT64_MAX));
  TRY(upper()->SetAttr(ctx, set));
  if (set.size) InvalidateAll(PageRoundUp(*set.size), UINT64_MAX, MappingSpace::Copies::kDrop);
  return Ok();
}

Result<std::string> Node::GetXattr(const VfsContext& ctx, std::string_view name) { return Real().GetXattr(ctx, name); }

Result<void> Node::SetXattr(const VfsContext& ctx, std::string_view name, std::string_view value, int flags) {
  TRY(EnsureUpper());
  return upper()->SetXattr(ctx, name, value, flags);
}

Result<void> Node::RemoveXattr(const VfsContext& ctx, std::string_view name) {
  if (upper() == nullptr) TRY(lower()->GetXattr(ctx, name));  // ENODATA without a copy
  TRY(EnsureUpper());
  return upper()->RemoveXattr(ctx, name);
}

Result<std::vector<std::string>> Node::ListXattr(const VfsContext& ctx) { return Real().ListXattr(ctx); }

Result<void> Node::CheckMap(bool shared, MemoryProtection max) {
  // Before the first page is mapped, so that none of the lower is ever writable.
  if (shared && max.write) TRY(EnsureUpper());
  return Real().CheckMap(shared, max);
}

Result<Translation> Node::Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) {
  if (access.write) TRY(EnsureUpper());
  return Real().Translate(offset, max_length, access);
}

Result<void> Node::SyncMapped(uint64_t offset, uint64_t length) { return Real().SyncMapped(offset, length); }

Result<RefPtr<FileDescription>> Node::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  switch (type_) {
    case abi::kSIfReg: {
      RefPtr<FileDescription> file = NewFileDescription(path, flags);
      return file;
    }
    case abi::kSIfDir:
      return NewDirectoryDescription(path, flags);
    default:
      return SpecialFiles::Open(ctx, path, type_, TRY(GetAttributes(ctx)).rdev, flags);
  }
}

Result<Node::RealFile> Node::OpenReal(const VfsContext& ctx) {
  if (Inode* upper = this->upper()) {
    const Path path = overlay().UpperPath(RefPtr<Inode>(upper));
    return RealFile{TRY(upper->Open(ctx, path, is_dir() ? abi::kORdOnly : abi::kORdWr)), true};
  }
  const Path path = overlay().LowerPath(RefPtr<Inode>(lower()));
  return RealFile{TRY(lower()->Open(ctx, path, abi::kORdOnly)), false};
}

void Node::NameGone(const VfsContext& ctx) {
  Inode* const upper = this->upper();
  if (upper == nullptr) return;
  const RefPtr<UpperState> state = UpperState::Of(*upper);
  if (!state || !state->key) return;
  if (state->nlink.fetch_sub(1, std::memory_order_acq_rel) == 1) overlay().RemoveCopied(ctx, *state->key);
}

void Node::NameAdded() {
  const RefPtr<UpperState> state = UpperState::Of(*upper());
  if (state && state->key) state->nlink.fetch_add(1, std::memory_order_acq_rel);
}

bool Node::HasSeveralLowerNames(const VfsContext& ctx) {
  if (upper() != nullptr || is_dir()) return false;
  const Result<Attributes> from = lower()->GetAttributes(ctx);
  return from.ok() && from->nlink > 1;
}

}  // namespace sentry::overlay
