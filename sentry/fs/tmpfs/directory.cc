#include <utility>

#include "base/check.h"
#include "sentry/fs/tmpfs/nodes.h"

namespace sentry::tmpfs {
namespace {

// What Linux's tmpfs tells as a directory's size: 20 bytes an entry.
constexpr uint64_t kEntrySize = 20;

// Where a dying directory leaves its children for the outermost destructor of
// this thread, so that a deep tree comes down in a loop and not on the stack.
thread_local std::vector<RefPtr<Node>>* dying = nullptr;

RefPtr<Node> MakeNode(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args) {
  switch (args.mode & abi::kSIfMt) {
    case abi::kSIfReg:
      return MakeRef<RegularFile>(std::move(fs), args);
    case abi::kSIfDir:
      return MakeRef<Directory>(std::move(fs), args);
    default:
      return MakeRef<Node>(std::move(fs), args);
  }
}

}  // namespace

Directory::Directory(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args) : Node(std::move(fs), args) {}

Directory::~Directory() {
  std::vector<RefPtr<Node>> mine;
  std::vector<RefPtr<Node>>* const outer = dying;
  std::vector<RefPtr<Node>>& list = outer != nullptr ? *outer : mine;
  names_.clear();
  for (auto& [cookie, child] : entries_) {
    if (child.node->type() == abi::kSIfDir) list.push_back(std::move(child.node));
  }
  entries_.clear();
  if (outer != nullptr) return;
  dying = &mine;
  while (!mine.empty()) {
    RefPtr<Node> next = std::move(mine.back());
    mine.pop_back();
  }
  dying = nullptr;
}

void Directory::FillSize(Attributes& out) const {
  out.size = (2 + entries_.size()) * kEntrySize;
  out.nlink = removed_ ? 0 : 2 + subdirectories_;
}

Result<RefPtr<Inode>> Directory::Lookup(const VfsContext&, std::string_view name) {
  base::MutexLock lock(mu_);
  auto it = names_.find(name);
  if (it == names_.end()) return Errno::kENOENT;
  return RefPtr<Inode>(entries_.at(it->second).node);
}

Result<void> Directory::InsertLocked(std::string_view name, RefPtr<Node> node) {
  if (removed_) return Errno::kENOENT;
  if (names_.contains(name)) return Errno::kEEXIST;
  if (node->type() == abi::kSIfDir) ++subdirectories_;
  const uint64_t cookie = next_cookie_++;
  auto [it, fresh] = entries_.emplace(cookie, Child{std::string(name), std::move(node)});
  names_.emplace(it->second.name, cookie);
  attributes_.mtime = attributes_.ctime = RealtimeNow();
  return Ok();
}

RefPtr<Node> Directory::EraseLocked(std::string_view name) {
  auto it = names_.find(name);
  if (it == names_.end()) return nullptr;
  auto entry = entries_.find(it->second);
  names_.erase(it);
  RefPtr<Node> node = std::move(entry->second.node);
  entries_.erase(entry);
  if (node->type() == abi::kSIfDir) --subdirectories_;
  attributes_.mtime = attributes_.ctime = RealtimeNow();
  return node;
}

Result<void> Directory::Add(std::string_view name, RefPtr<Node> node) {
  base::MutexLock lock(mu_);
  return InsertLocked(name, std::move(node));
}

Result<RefPtr<Inode>> Directory::Create(const VfsContext&, std::string_view name, const CreateArgs& args) {
  TRY(tmpfs().TakeInode());
  RefPtr<Node> node = MakeNode(RefPtr<TmpfsFileSystem>(&tmpfs()), args);
  TRY(Add(name, node));
  return RefPtr<Inode>(std::move(node));
}

Result<RefPtr<Inode>> Directory::Symlink(const VfsContext&, std::string_view name, std::string_view target,
                                         const CreateArgs& args) {
  TRY(tmpfs().TakeInode());
  RefPtr<Node> node = MakeRef<SymbolicLink>(RefPtr<TmpfsFileSystem>(&tmpfs()), args, target);
  TRY(Add(name, node));
  return RefPtr<Inode>(std::move(node));
}

Result<void> Directory::Link(const VfsContext&, std::string_view name, Inode& target) {
  Node& node = static_cast<Node&>(target);
  TRY(node.AddLink());
  const Result<void> added = Add(name, RefPtr<Node>(&node));
  if (!added.ok()) node.DropLink();
  return added;
}

Result<void> Directory::Unlink(const VfsContext&, std::string_view name, Inode&) {
  RefPtr<Node> node;
  {
    base::MutexLock lock(mu_);
    node = EraseLocked(name);
  }
  if (!node) return Errno::kENOENT;
  node->DropLink();
  return Ok();
}

// From then on nothing can be added.
bool Directory::CloseIfEmpty() {
  base::MutexLock lock(mu_);
  if (!entries_.empty()) return false;
  removed_ = true;
  attributes_.ctime = RealtimeNow();
  return true;
}

Result<void> Directory::Rmdir(const VfsContext&, std::string_view name, Inode& child) {
  if (!static_cast<Directory&>(child).CloseIfEmpty()) return Errno::kENOTEMPTY;
  RefPtr<Node> node;
  base::MutexLock lock(mu_);
  node = EraseLocked(name);
  return node ? Ok() : Errno::kENOENT;
}

Result<void> Directory::RemoveForRename(Inode& replaced) {
  if (replaced.is_dir() && !static_cast<Directory&>(replaced).CloseIfEmpty()) return Errno::kENOTEMPTY;
  return Ok();
}

Result<void> Directory::Rename(const VfsContext&, std::string_view old_name, Inode& child, Inode& new_dir,
                               std::string_view new_name, Inode* replaced, uint32_t flags) {
  Directory& to = static_cast<Directory&>(new_dir);
  const bool exchange = (flags & abi::kRenameExchange) != 0;
  RefPtr<Node> whiteout;
  if ((flags & abi::kRenameWhiteout) != 0) {
    TRY(tmpfs().TakeInode());
    whiteout = MakeRef<Node>(RefPtr<TmpfsFileSystem>(&tmpfs()), CreateArgs{.mode = abi::kSIfChr});
  }
  if (replaced != nullptr && !exchange) TRY(RemoveForRename(*replaced));
  RefPtr<Node> moved, other;  // dropped behind the locks
  {
    base::MutexPairLock lock(mu_, to.mu_);
    if (!names_.contains(old_name) || (replaced != nullptr && !to.names_.contains(new_name))) return Errno::kENOENT;
    if (to.removed_) return Errno::kENOENT;
    moved = EraseLocked(old_name);
    if (replaced != nullptr) other = to.EraseLocked(new_name);
    CHECK(to.InsertLocked(new_name, moved).ok());
    if (exchange) CHECK(InsertLocked(old_name, other).ok());
    if (whiteout) CHECK(InsertLocked(old_name, whiteout).ok());
  }
  static_cast<Node&>(child).ChangedName();
  if (other && exchange) other->ChangedName();
  if (other && !exchange && other->type() != abi::kSIfDir) other->DropLink();
  return Ok();
}

Result<RefPtr<Inode>> Directory::CreateTemporary(const VfsContext&, const CreateArgs& args) {
  TRY(tmpfs().TakeInode());
  auto node = MakeRef<RegularFile>(RefPtr<TmpfsFileSystem>(&tmpfs()), args);
  node->MarkUnnamed();
  return RefPtr<Inode>(std::move(node));
}

Result<RefPtr<FileDescription>> Directory::Open(const VfsContext&, const Path& path, uint32_t flags) {
  return NewDirectoryDescription(path, flags);
}

std::vector<Directory::Entry> Directory::EntriesFrom(uint64_t cookie, size_t max) const {
  std::vector<Entry> out;
  base::MutexLock lock(mu_);
  for (auto it = entries_.lower_bound(cookie); it != entries_.end() && out.size() < max; ++it) {
    out.push_back({it->first, it->second.name, it->second.node});
  }
  return out;
}

}  // namespace sentry::tmpfs
