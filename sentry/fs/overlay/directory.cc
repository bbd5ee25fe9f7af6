#include <unordered_set>
#include <utility>

#include "sentry/fs/overlay/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"

namespace sentry::overlay {
namespace {

// A look-up in a layer's directory, under that directory's own lock.
Result<RefPtr<Inode>> LookupIn(const VfsContext& ctx, Inode& dir, std::string_view name) {
  base::LockLayer layer;
  base::MutexLock lock(dir.dir_mu());
  return dir.Lookup(ctx, name);
}

struct LayerEntries final : DirSink {
  bool Add(std::string_view name, uint64_t ino, uint32_t type, int64_t) override {
    if (name != "." && name != "..") entries.push_back({std::string(name), ino, type});
    return true;
  }
  std::vector<DirectoryEntry> entries;
};

Result<std::vector<DirectoryEntry>> ListLayer(const VfsContext& ctx, Inode& dir, const Path& path) {
  base::LockLayer layer;
  RefPtr<FileDescription> file = TRY(dir.Open(ctx, path, abi::kORdOnly | abi::kODirectory));
  LayerEntries sink;
  // A remote directory may give its entries a part at a time.
  for (size_t before = SIZE_MAX; before != sink.entries.size();) {
    before = sink.entries.size();
    TRY(file->IterateDir(ctx, sink));
  }
  return std::move(sink.entries);
}

}  // namespace

Result<std::vector<RefPtr<Inode>>> Directory::LookupLowers(const VfsContext& ctx, std::string_view name) {
  std::vector<RefPtr<Inode>> found;
  for (const RefPtr<Inode>& lower : origin().lowers) {
    Result<RefPtr<Inode>> child = LookupIn(ctx, *lower, name);
    if (child.Is(Errno::kENOENT)) continue;
    if (!child.ok()) return child.error();
    if (IsWhiteout(ctx, **child)) break;
    const bool is_dir = (*child)->is_dir();
    if (!found.empty() && !is_dir) break;
    found.push_back(std::move(*child));
    if (!is_dir) break;
  }
  return found;
}

Result<bool> Directory::LowerHas(const VfsContext& ctx, std::string_view name) {
  return !TRY(LookupLowers(ctx, name)).empty();
}

Result<RefPtr<Inode>> Directory::Lookup(const VfsContext& ctx, std::string_view name) {
  const auto in_upper = [&]() -> Result<RefPtr<Inode>> {
    Inode* const dir = upper();
    if (dir == nullptr) return Errno::kENOENT;
    return LookupIn(ctx, *dir, name);
  };
  const auto node_of = [&](RefPtr<Inode> found) -> Result<RefPtr<Inode>> {
    if (IsWhiteout(ctx, *found)) return Errno::kENOENT;
    return RefPtr<Inode>(TRY(overlay().NodeOfUpper(std::move(found))));
  };
  Result<RefPtr<Inode>> found = in_upper();
  if (found.ok()) return node_of(std::move(*found));
  if (!found.Is(Errno::kENOENT)) return found;
  std::vector<RefPtr<Inode>> lowers = TRY(LookupLowers(ctx, name));
  if (lowers.empty()) return Errno::kENOENT;
  RefPtr<Node> node = TRY(overlay().NodeOfLower(*this, name, std::move(lowers)));
  // Copied up between the two look-ups, by somebody who then let go of it?
  found = in_upper();
  if (found.ok()) return node_of(std::move(*found));
  return RefPtr<Inode>(std::move(node));
}

void Directory::PrefetchWalk(const VfsContext& ctx, std::span<const std::string_view> names) {
  if (names.empty() || origin().lowers.empty()) return;
  if (Inode* dir = upper(); dir != nullptr && LookupIn(ctx, *dir, names[0]).ok()) return;
  lower()->PrefetchWalk(ctx, names);
}

Result<Directory::Hidden> Directory::TakeWhiteout(const VfsContext& ctx, std::string_view name) {
  Result<RefPtr<Inode>> found = upper()->Lookup(ctx, name);
  if (found.Is(Errno::kENOENT)) return Hidden::kNo;
  if (!found.ok()) return found.error();
  if (!IsWhiteout(ctx, **found)) return Errno::kEEXIST;
  TRY(upper()->Unlink(ctx, name, **found));
  return Hidden::kYes;
}

Result<void> Directory::PutWhiteout(const VfsContext& ctx, std::string_view name) {
  TRY(upper()->Create(ctx, name, CreateArgs{.mode = abi::kSIfChr}));
  return Ok();
}

template <typename Make>
Result<RefPtr<Inode>> Directory::MakeChild(const VfsContext& ctx, std::string_view name, Make make) {
  TRY(EnsureUpper());
  const Hidden hidden = TRY(TakeWhiteout(ctx, name));
  Result<RefPtr<Inode>> made = make(*upper());
  if (!made.ok()) {
    if (hidden == Hidden::kYes) TRY(PutWhiteout(ctx, name));
    return made;
  }
  return RefPtr<Inode>(TRY(overlay().NodeOfUpper(std::move(*made))));
}

Result<RefPtr<Inode>> Directory::Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args) {
  // A guest's own 0:0 would be taken for a whiteout (Linux: EPERM too).
  if ((args.mode & abi::kSIfMt) == abi::kSIfChr && args.rdev == 0) return Errno::kEPERM;
  return MakeChild(ctx, name, [&](Inode& dir) { return dir.Create(ctx, name, args); });
}

Result<RefPtr<Inode>> Directory::Symlink(const VfsContext& ctx, std::string_view name, std::string_view target,
                                         const CreateArgs& args) {
  return MakeChild(ctx, name, [&](Inode& dir) { return dir.Symlink(ctx, name, target, args); });
}

Result<void> Directory::Link(const VfsContext& ctx, std::string_view name, Inode& target) {
  Node& node = static_cast<Node&>(target);
  TRY(node.EnsureUpper());
  TRY(MakeChild(ctx, name, [&](Inode& dir) -> Result<RefPtr<Inode>> {
    TRY(dir.Link(ctx, name, *node.upper()));
    return RefPtr<Inode>(node.upper());
  }));
  node.NameAdded();
  return Ok();
}

Result<RefPtr<Inode>> Directory::CreateTemporary(const VfsContext& ctx, const CreateArgs& args) {
  return RefPtr<Inode>(TRY(overlay().NodeOfUpper(TRY(overlay().upper_root_->CreateTemporary(ctx, args)))));
}

Result<void> Directory::EraseUpper(const VfsContext& ctx, std::string_view name) {
  Result<RefPtr<Inode>> found = upper()->Lookup(ctx, name);
  if (found.Is(Errno::kENOENT)) return Ok();
  if (!found.ok()) return found.error();
  return (*found)->is_dir() ? upper()->Rmdir(ctx, name, **found) : upper()->Unlink(ctx, name, **found);
}

Result<void> Directory::Unlink(const VfsContext& ctx, std::string_view name, Inode& child) {
  Node& node = static_cast<Node&>(child);
  // So that the other names still find this one file.
  if (node.HasSeveralLowerNames(ctx)) TRY(node.EnsureUpper());
  TRY(EnsureUpper());
  {
    base::MutexLock lock(node.copy_mu());
    TRY(EraseUpper(ctx, name));
    if (TRY(LowerHas(ctx, name))) TRY(PutWhiteout(ctx, name));
    node.MarkNameless();
  }
  node.NameGone(ctx);
  return Ok();
}

Result<void> Directory::PrepareRemoval(const VfsContext& ctx, Directory& child) {
  if (!TRY(child.Merged(ctx)).empty()) return Errno::kENOTEMPTY;
  Inode* const dir = child.upper();
  if (dir == nullptr) return Ok();
  const Path path = child.overlay().UpperPath(RefPtr<Inode>(dir));
  for (const DirectoryEntry& entry : TRY(ListLayer(ctx, *dir, path))) {
    RefPtr<Inode> whiteout = TRY(dir->Lookup(ctx, entry.name));
    TRY(dir->Unlink(ctx, entry.name, *whiteout));
  }
  return Ok();
}

Result<void> Directory::Rmdir(const VfsContext& ctx, std::string_view name, Inode& child) {
  Directory& dir = static_cast<Directory&>(child);
  TRY(PrepareRemoval(ctx, dir));
  TRY(EnsureUpper());
  base::MutexLock lock(dir.copy_mu());
  TRY(EraseUpper(ctx, name));
  if (TRY(LowerHas(ctx, name))) TRY(PutWhiteout(ctx, name));
  dir.MarkNameless();
  return Ok();
}

// A lower file of several names that was copied up at another one stands in no
// upper directory yet at this one.
Result<void> Directory::EnsureUpperName(const VfsContext& ctx, std::string_view name, Node& child) {
  const Result<RefPtr<Inode>> found = upper()->Lookup(ctx, name);
  if (found.ok() || !found.Is(Errno::kENOENT)) return found.ok() ? Ok() : Result<void>(found.error());
  return upper()->Link(ctx, name, *child.upper());
}

Result<void> Directory::Rename(const VfsContext& ctx, std::string_view old_name, Inode& child, Inode& new_dir,
                               std::string_view new_name, Inode* replaced, uint32_t flags) {
  if ((flags & abi::kRenameWhiteout) != 0) return Errno::kEINVAL;
  Node& node = static_cast<Node&>(child);
  Directory& to = static_cast<Directory&>(new_dir);
  Node* const other = static_cast<Node*>(replaced);
  const bool exchange = (flags & abi::kRenameExchange) != 0;
  if (other != nullptr && other->is_dir() && !exchange) TRY(PrepareRemoval(ctx, static_cast<Directory&>(*other)));
  TRY(EnsureUpper());
  TRY(to.EnsureUpper());
  TRY(node.EnsureUpper());
  TRY(EnsureUpperName(ctx, old_name, node));
  if (exchange) {
    TRY(other->EnsureUpper());
    TRY(to.EnsureUpperName(ctx, new_name, *other));
    return upper()->Rename(ctx, old_name, *node.upper(), *to.upper(), new_name, other->upper(), flags);
  }
  if (other == nullptr) return MoveUpper(ctx, old_name, node, to, new_name);
  if (other->HasSeveralLowerNames(ctx)) TRY(other->EnsureUpper());
  {
    base::MutexLock lock(other->copy_mu());
    TRY(MoveUpper(ctx, old_name, node, to, new_name));
    other->MarkNameless();
  }
  other->NameGone(ctx);
  return Ok();
}

// In the upper, over whatever stands there: the replaced file, a whiteout, or
// nothing.
Result<void> Directory::MoveUpper(const VfsContext& ctx, std::string_view old_name, Node& node, Directory& to,
                                  std::string_view new_name) {
  const bool lower_has = TRY(LowerHas(ctx, old_name));
  const Result<RefPtr<Inode>> there = to.upper()->Lookup(ctx, new_name);
  Inode* const replaced = there.ok() ? there.value().get() : nullptr;
  TRY(upper()->Rename(ctx, old_name, *node.upper(), *to.upper(), new_name, replaced, 0));
  return lower_has ? PutWhiteout(ctx, old_name) : Ok();
}

Result<std::vector<DirectoryEntry>> Directory::Merged(const VfsContext& ctx) {
  std::vector<DirectoryEntry> out;
  std::unordered_set<std::string> seen;
  if (Inode* dir = upper()) {
    for (DirectoryEntry& entry : TRY(ListLayer(ctx, *dir, overlay().UpperPath(RefPtr<Inode>(dir))))) {
      seen.insert(entry.name);
      const Result<RefPtr<Inode>> inode = LookupIn(ctx, *dir, entry.name);
      if (!inode.ok() || IsWhiteout(ctx, **inode)) continue;
      const RefPtr<UpperState> state = UpperState::Of(**inode);
      entry.ino = state ? state->ino : OverlayFileSystem::UpperIno(entry.ino);
      out.push_back(std::move(entry));
    }
  }
  const bool lowers_hide = origin().lowers.size() > 1;
  for (const RefPtr<Inode>& lower : origin().lowers) {
    const uint64_t dev = TRY(lower->GetAttributes(ctx)).dev;
    const bool check = lowers_hide || !seen.empty();
    for (DirectoryEntry& entry : TRY(ListLayer(ctx, *lower, overlay().LowerPath(lower)))) {
      if (check && !seen.insert(entry.name).second) continue;
      if (lowers_hide && entry.type == abi::kSIfChr) {
        const Result<RefPtr<Inode>> inode = LookupIn(ctx, *lower, entry.name);
        if (!inode.ok() || IsWhiteout(ctx, **inode)) continue;
      }
      entry.ino = overlay().LowerIno(dev, entry.ino);
      out.push_back(std::move(entry));
    }
  }
  return out;
}

}  // namespace sentry::overlay
