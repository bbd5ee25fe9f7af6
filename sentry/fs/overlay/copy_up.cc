// Copy-up: a lower file gets an upper inode of the same content and number, at
// the same name. It is made out of sight and put in place whole.
#include <algorithm>
#include <utility>

#include "sentry/fs/overlay/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"

namespace sentry::overlay {
namespace {

constexpr size_t kCopyPiece = 1 << 20;

bool AllZero(const std::vector<std::byte>& bytes, size_t n) {
  return std::all_of(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n),
                     [](std::byte b) { return b == std::byte{0}; });
}

std::string IndexName(const Key& key) { return std::to_string(key.first) + ":" + std::to_string(key.second); }

}  // namespace

Result<void> Node::EnsureUpper(uint64_t data_limit) {
  if (upper() != nullptr) return Ok();
  std::vector<Node*> above;  // held by their children
  for (Node* at = origin_.parent.get(); at->upper() == nullptr; at = at->origin_.parent.get()) above.push_back(at);
  for (auto it = above.rbegin(); it != above.rend(); ++it) TRY((*it)->CopyUp(0));
  return CopyUp(data_limit);
}

Result<void> Node::CopyUp(uint64_t data_limit) {
  {
    base::MutexLock lock(copy_mu_);
    if (upper() != nullptr) return Ok();
    const VfsContext& ctx = overlay().kernel();
    const Attributes from = TRY(lower()->GetAttributes(ctx));
    std::string temporary;
    RefPtr<Inode> copy;
    const CreateArgs args{.mode = from.mode, .uid = from.uid, .gid = from.gid, .rdev = from.rdev};
    if (type_ == abi::kSIfReg) {
      copy = TRY(overlay().index_->CreateTemporary(ctx, args));
      TRY(CopyData(*copy, std::min(from.size, data_limit)));
    } else {
      if (nameless_.load(std::memory_order_acquire)) return Errno::kENOENT;
      temporary = "#" + std::to_string(overlay().next_temporary_.fetch_add(1, std::memory_order_relaxed));
      copy = type_ == abi::kSIfLnk ? TRY(overlay().index_->Symlink(ctx, temporary, TRY(lower()->ReadLink(ctx)), args))
                                   : TRY(overlay().index_->Create(ctx, temporary, args));
    }
    CopyXattrs(*copy);
    TRY(copy->SetAttr(
        ctx, SetAttributes{
                 .perm = from.perm(), .uid = from.uid, .gid = from.gid, .atime = from.atime, .mtime = from.mtime}));
    if (const Result<void> placed = PlaceCopy(copy, from, temporary); !placed.ok()) {
      overlay().RemoveUpper(*copy, *this);
      return placed;
    }
    upper_.store(copy.release(), std::memory_order_release);
  }
  // Whoever has mapped the lower file now sees the copy.
  if (type_ == abi::kSIfReg) InvalidateAll(0, UINT64_MAX, MappingSpace::Copies::kKeep);
  return Ok();
}

Result<void> Node::PlaceCopy(const RefPtr<Inode>& copy, const Attributes& from, const std::string& temporary) {
  const VfsContext& ctx = overlay().kernel();
  const bool nameless = nameless_.load(std::memory_order_acquire);
  auto state = MakeRef<UpperState>();
  state->ino = origin_.ino;
  if (type_ == abi::kSIfDir) state->lowers = origin_.lowers;
  const bool several = type_ != abi::kSIfDir && from.nlink > 1 && !nameless;
  if (several) {
    state->key = origin_.key;
    state->nlink.store(from.nlink, std::memory_order_relaxed);
  }
  copy->AttachIfNone(state);
  overlay().AddUpper(*copy, *this);  // before anybody can find it
  if (nameless) return Ok();
  Inode& dir = *origin_.parent->upper();
  const Attributes dir_before = TRY(dir.GetAttributes(ctx));
  if (temporary.empty()) {
    TRY(dir.Link(ctx, origin_.name, *copy));
  } else {
    TRY(overlay().index_->Rename(ctx, temporary, *copy, dir, origin_.name, nullptr, 0));
  }
  if (several) {
    // A name of the index's own keeps it when those in the tree come and go.
    TRY(overlay().index_->Link(ctx, IndexName(origin_.key), *copy));
    overlay().AddCopied(origin_.key, copy);
  }
  // For the guest nothing happened to the directory.
  return dir.SetAttr(ctx, SetAttributes{.atime = dir_before.atime, .mtime = dir_before.mtime});
}

Result<void> Node::CopyData(Inode& copy, uint64_t size) {
  const VfsContext& ctx = overlay().kernel();
  if (size == 0) return Ok();
  RefPtr<FileDescription> from = TRY(lower()->Open(ctx, overlay().LowerPath(RefPtr<Inode>(lower())), abi::kORdOnly));
  RefPtr<FileDescription> to = TRY(copy.Open(ctx, overlay().UpperPath(RefPtr<Inode>(&copy)), abi::kORdWr));
  std::vector<std::byte> buffer(std::min<uint64_t>(size, kCopyPiece));
  for (uint64_t at = 0; at < size;) {
    const size_t want = std::min<uint64_t>(size - at, buffer.size());
    KernelIoSink dst(std::span(buffer.data(), want));
    const size_t n = TRY(from->ReadAt(ctx, dst, at));
    if (n == 0) break;  // shorter than it said; the rest is a hole
    if (!AllZero(buffer, n)) {
      KernelIoSource src(std::span<const std::byte>(buffer.data(), n));
      if (TRY(to->WriteAt(ctx, src, at)) != n) return Errno::kENOSPC;
    }
    at += n;
  }
  return copy.SetAttr(ctx, SetAttributes{.size = size});
}

// What can't be read or kept is not worth the failure of a write: Linux's
// ovl_copy_xattr too goes on where a layer has none.
void Node::CopyXattrs(Inode& copy) {
  const VfsContext& ctx = overlay().kernel();
  const Result<std::vector<std::string>> names = lower()->ListXattr(ctx);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const Result<std::string> value = lower()->GetXattr(ctx, name);
    if (value.ok()) (void)copy.SetXattr(ctx, name, *value, 0);
  }
}

}  // namespace sentry::overlay
