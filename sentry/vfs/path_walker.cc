#include "sentry/vfs/path_walker.h"

#include <array>
#include <utility>
#include <variant>

namespace sentry {
namespace {

std::string_view SkipSlashes(std::string_view text) {
  const size_t at = text.find_first_not_of('/');
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

ParentWalk::Last KindOf(std::string_view name) {
  if (name == ".") return ParentWalk::Last::kDot;
  if (name == "..") return ParentWalk::Last::kDotDot;
  return ParentWalk::Last::kNormal;
}

}  // namespace

Result<void> PathWalker::Start(const Path& start, std::string_view path) {
  if (path.empty()) return Errno::kENOENT;
  if (path.size() >= kPathMax) return Errno::kENAMETOOLONG;
  const bool scoped = flags_.beneath || flags_.in_root;
  root_ = scoped ? start : ctx_.root;
  rest_ = path;
  at_ = start;
  if (path.front() == '/') {
    if (flags_.beneath) return Errno::kEXDEV;
    at_ = root_;
    return Ok();
  }
  const Inode* inode = at_.dentry->inode_ptr();
  if (inode == nullptr || !inode->is_dir()) return Errno::kENOTDIR;
  return Ok();
}

Result<PathWalker::Last> PathWalker::ToLast() {
  for (;;) {
    rest_ = SkipSlashes(rest_);
    if (rest_.empty()) {
      if (saved_.empty()) return Last{};
      rest_ = saved_.back();
      saved_.pop_back();
      continue;
    }
    TRY(at_.dentry->inode_ptr()->CheckPermission(ctx_, abi::kMayExec));
    const std::string_view name = rest_.substr(0, rest_.find('/'));
    rest_.remove_prefix(name.size());
    if (saved_.empty() && SkipSlashes(rest_).empty()) {
      Last last{name, KindOf(name), !rest_.empty()};
      rest_ = {};
      return last;
    }
    TRY(StepMiddle(name));
  }
}

Result<void> PathWalker::StepMiddle(std::string_view name) {
  if (const ParentWalk::Last kind = KindOf(name); kind != ParentWalk::Last::kNormal) {
    return kind == ParentWalk::Last::kDotDot ? EnterParent() : Ok();
  }
  RefPtr<Dentry> child = TRY(Lookup(name));
  const Inode* inode = child->inode_ptr();
  if (inode == nullptr) return Errno::kENOENT;
  if (inode->is_symlink()) {
    rest_ = SkipSlashes(rest_);
    if (!rest_.empty()) saved_.push_back(rest_);
    TRY(Follow(*child, Place::kMiddle));
  } else {
    TRY(Enter(std::move(child)));
  }
  inode = at_.dentry->inode_ptr();
  return inode != nullptr && inode->is_dir() ? Ok() : Errno::kENOTDIR;
}

// Tells a remote file system what comes, so that it can fetch it at once.
void PathWalker::Announce(std::string_view name) {
  std::array<std::string_view, 16> names;
  size_t n = 0;
  names[n++] = name;
  for (std::string_view rest = SkipSlashes(rest_); !rest.empty() && n < names.size(); rest = SkipSlashes(rest)) {
    const std::string_view next = rest.substr(0, rest.find('/'));
    if (next == ".." || next.size() > kNameMax) break;
    rest.remove_prefix(next.size());
    if (next != ".") names[n++] = next;
  }
  at_.dentry->inode_ptr()->PrefetchWalk(ctx_, std::span(names.data(), n));
  announced_ = n;
}

Result<RefPtr<Dentry>> PathWalker::Lookup(std::string_view name) {
  if (name.size() > kNameMax) return Errno::kENAMETOOLONG;
  Dentry& dir = *at_.dentry;
  if (RefPtr<Dentry> child = dir.CachedChild(name)) {
    if (dir.inode_ptr()->Revalidate(ctx_, name, child->inode_ptr())) {
      if (announced_ > 0) --announced_;
      DentryCache::Touch(child);
      return child;
    }
    child->Unhash();
  }
  if (announced_ == 0) Announce(name);
  --announced_;
  return dir.LookupChild(ctx_, name);
}

Result<RefPtr<Dentry>> PathWalker::LookupLast(const Last& last) {
  if (last.trailing_slash) must_be_directory_ = true;
  return Lookup(last.name);
}

Result<void> PathWalker::CrossMounts() {
  while (RefPtr<Mount> on = ctx_.mounts == nullptr ? nullptr : ctx_.mounts->MountOn(*at_.mount, *at_.dentry)) {
    if (flags_.no_xdev) return Errno::kEXDEV;
    RefPtr<Dentry> root = on->root();
    at_ = Path(std::move(on), std::move(root));
  }
  return Ok();
}

Result<void> PathWalker::Enter(RefPtr<Dentry> child) {
  at_.dentry = std::move(child);
  if (at_.dentry->mount_count.load(std::memory_order_acquire) != 0) TRY(CrossMounts());
  return Ok();
}

Result<void> PathWalker::EnterDots(const Last& last) {
  return last.kind == ParentWalk::Last::kDotDot ? EnterParent() : Ok();
}

Result<void> PathWalker::EnterParent() {
  announced_ = 0;
  Path at = at_;
  bool in_root = at == root_;
  while (!in_root && at.dentry == at.mount->root()) {
    Path place = at.mount->place();
    if (!place) {
      in_root = true;
      break;
    }
    at = std::move(place);
    in_root = at == root_;
  }
  if (in_root) return flags_.beneath ? Errno::kEXDEV : Ok();
  if (flags_.no_xdev && !(at.mount == at_.mount)) return Errno::kEXDEV;
  at_ = Path(at.mount, at.dentry->parent());
  return CrossMounts();
}

Result<void> PathWalker::FollowLast(Dentry& link) { return Follow(link, Place::kTrailing); }

// protected_symlinks=1: in a sticky directory that all may write, only the
// caller's own links and those of the directory's owner.
Result<void> PathWalker::MayFollow(Dentry& link) const {
  const Attributes dir = TRY(at_.dentry->inode_ptr()->GetAttributes(ctx_));
  constexpr uint32_t kShared = abi::kSIsVtx | 0002;
  if ((dir.mode & kShared) != kShared) return Ok();
  const Attributes attributes = TRY(link.inode_ptr()->GetAttributes(ctx_));
  return attributes.uid == ctx_.creds->fsuid || attributes.uid == dir.uid ? Ok() : Errno::kEACCES;
}

Result<void> PathWalker::JumpToRoot() {
  if (flags_.beneath) return Errno::kEXDEV;
  if (flags_.no_xdev && !(root_.mount == at_.mount)) return Errno::kEXDEV;
  at_ = root_;
  return Ok();
}

Result<void> PathWalker::JumpTo(Path target) {
  if (flags_.no_magiclinks) return Errno::kELOOP;
  if (flags_.beneath || flags_.in_root) return Errno::kEXDEV;
  if (flags_.no_xdev && !(target.mount == at_.mount)) return Errno::kEXDEV;
  if (!target || target.dentry->negative()) return Errno::kENOENT;
  at_ = std::move(target);
  rest_ = {};
  return Ok();
}

Result<void> PathWalker::Follow(Dentry& link, Place place) {
  announced_ = 0;
  if (++links_ > kMaxSymlinks) return Errno::kELOOP;
  if (place == Place::kTrailing) TRY(MayFollow(link));
  if (flags_.no_symlinks || at_.mount->flags().no_sym_follow) return Errno::kELOOP;
  LinkTarget target = TRY(link.inode_ptr()->FollowLink(ctx_));
  if (Path* object = std::get_if<Path>(&target)) return JumpTo(std::move(*object));
  std::string& text = std::get<std::string>(target);
  if (text.empty()) return Errno::kENOENT;
  if (text.size() >= kPathMax) return Errno::kENAMETOOLONG;
  if (text.front() == '/') TRY(JumpToRoot());
  texts_.push_back(std::move(text));
  rest_ = texts_.back();
  return Ok();
}

Result<void> PathWalker::CheckScope() const {
  if (!flags_.beneath && !flags_.in_root) return Ok();
  Path at = at_;
  while (!(at.mount == root_.mount)) {
    at = at.mount->place();
    if (!at) return Errno::kEXDEV;
  }
  return root_.dentry->IsAncestorOf(*at.dentry) ? Ok() : Errno::kEXDEV;
}

}  // namespace sentry
