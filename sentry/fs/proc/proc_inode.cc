#include "sentry/fs/proc/proc_inode.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "sentry/fs/proc/proc_fs.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/text_file.h"

namespace sentry {
namespace {

class ProcTextFile final : public TextFile {
 public:
  using Generator = std::function<Result<std::string>(const ProcRequest&)>;
  ProcTextFile(Path path, uint32_t flags, RefPtr<ProcInode> inode, Generator generate,
               Result<void> (*write)(const ProcRequest&, std::string_view), RefPtr<Credentials> opener)
      : TextFile(std::move(path), flags),
        opener_(std::move(opener)),
        inode_(std::move(inode)),
        generate_(std::move(generate)),
        write_(write) {}

 private:
  Result<std::string> Generate(const VfsContext& ctx) override { return generate_(Request(ctx)); }
  Result<void> Store(const VfsContext& ctx, const Order& order) override {
    if (write_ == nullptr) return Errno::kEIO;
    if (!inode_->Alive()) return Errno::kESRCH;
    ProcRequest request = Request(ctx);
    request.offset = order.offset, request.size = order.size;
    return write_(request, order.text);
  }
  ProcRequest Request(const VfsContext& ctx) const {
    ProcRequest request = inode_->Request(ctx);
    request.opener = opener_.get();
    return request;
  }

  const RefPtr<Credentials> opener_;
  const RefPtr<ProcInode> inode_;
  const Generator generate_;
  Result<void> (*const write_)(const ProcRequest&, std::string_view);
};

class ProcMemFile final : public FileDescription {
 public:
  ProcMemFile(Path path, uint32_t flags, RefPtr<ProcessMemory> memory)
      : FileDescription(std::move(path), flags), memory_(std::move(memory)) {}

  Result<size_t> ReadAt(const VfsContext&, IoSink& dst, uint64_t offset) override {
    if (!memory_) return size_t{0};
    std::vector<std::byte> chunk(std::min(dst.remaining(), kIoChunk));
    size_t total = 0;
    while (dst.remaining() > 0) {
      const Result<size_t> n =
          memory_->Read(UserAddr(offset + total), std::span(chunk).first(std::min(dst.remaining(), chunk.size())));
      if (!n.ok() || *n == 0) {
        if (total > 0) break;
        return Errno::kEIO;  // what Linux's mem_rw says of a bad address
      }
      const Result<size_t> copied = dst.Write(std::span(chunk).first(*n));
      if (!copied.ok() && total == 0) return copied.error();
      total += copied.ok() ? *copied : 0;
      if (!copied.ok() || *copied < *n) break;
    }
    return total;
  }
  Result<size_t> WriteAt(const VfsContext&, IoSource& src, uint64_t offset) override {
    if (!memory_) return size_t{0};
    std::vector<std::byte> chunk(std::min(src.remaining(), kIoChunk));
    size_t total = 0;
    while (src.remaining() > 0) {
      const Result<size_t> got = src.Read(std::span(chunk).first(std::min(src.remaining(), chunk.size())));
      if (!got.ok()) {
        if (total > 0) break;
        return got.error();
      }
      const Result<size_t> n = memory_->Write(UserAddr(offset + total), std::span<const std::byte>(chunk).first(*got));
      const size_t taken = n.ok() ? *n : 0;
      src.Rewind(*got - taken);
      if (taken == 0 && total == 0) return Errno::kEIO;
      total += taken;
      if (taken < *got) break;
    }
    return total;
  }
  bool seekable() const override { return true; }
  Result<uint64_t> SeekDataHole(const VfsContext&, uint64_t, int) override { return Errno::kEINVAL; }

 private:
  const RefPtr<ProcessMemory> memory_;
};

class ProcDirFile final : public DirectoryDescription {
 public:
  ProcDirFile(Path path, uint32_t flags, RefPtr<ProcDir> dir)
      : DirectoryDescription(std::move(path), flags), dir_(std::move(dir)) {}

  const ProcDir& dir() const { return *dir_; }
  static const void* Kind() {
    static const char kKind = 0;
    return &kKind;
  }
  const void* kind() const override { return Kind(); }

 private:
  uint64_t ino() const override { return dir_->ino(); }
  Result<void> Prepare(const VfsContext& ctx) override {
    if (!dir_->Alive()) return Errno::kENOENT;
    std::vector<ProcDir::Entry> entries = dir_->Entries(ctx);
    base::MutexLock lock(position_mu_);
    entries_ = std::move(entries);
    return Ok();
  }
  Result<void> IterateEntries(const VfsContext&, DirSink& sink) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) {
    for (const ProcDir::Entry& e : entries_) {
      if (e.offset < position()) continue;
      if (!sink.Add(e.name, e.ino, e.type, e.offset + 1)) break;
      set_position(e.offset + 1);
    }
    return Ok();
  }

  const RefPtr<ProcDir> dir_;
  std::vector<ProcDir::Entry> entries_ ABSL_GUARDED_BY(position_mu_);  // of the last Prepare
};

}  // namespace

Result<abi::Statfs> ProcFs::StatFs(const VfsContext&) {
  abi::Statfs st{};
  st.type = 0x9fa0;  // PROC_SUPER_MAGIC
  st.bsize = st.frsize = kPageSize;
  st.namelen = 255;
  return st;
}

uint64_t ProcIno(uint64_t parent, std::string_view name) {
  uint64_t h = (parent ^ 0xcbf29ce484222325) * 0x100000001b3;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return (h ^ (h >> 32)) & 0xffffffff;
}

ProcInode::ProcInode(RefPtr<ProcFs> fs, uint64_t ino, uint32_t mode, ProcTask task)
    : Inode(std::move(fs)), ino_(ino), mode_(mode), task_(task), made_(RealtimeNow()) {}

Result<Attributes> ProcInode::GetAttributes(const VfsContext& ctx) {
  Attributes a;
  a.ino = ino_;
  a.dev = fs().device();
  a.mode = mode();
  a.blksize = 1024;
  a.atime = a.mtime = a.ctime = made_;
  if (task_.tgid == 0) return a;
  // Files belong to the task's owner, to root if it must not be looked into;
  // the directories that everybody may list, always to the owner.
  const TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
  if (t.dumpable == 1 || mode_ == (abi::kSIfDir | 0555)) {
    a.uid = t.creds->euid;
    a.gid = t.creds->egid;
  }
  return a;
}

// What everybody may do needs no look at the task's owner.
Result<void> ProcInode::CheckPermission(const VfsContext& ctx, uint32_t mask) {
  if ((mask & mode_ & (mode_ >> 3) & (mode_ >> 6)) == mask) return Ok();
  return Inode::CheckPermission(ctx, mask);
}

Result<void> ProcInode::SetAttr(const VfsContext&, const SetAttributes& set) {
  // O_TRUNC before a write to comm or hostname.
  if (set.size) return Ok();
  return Errno::kEPERM;
}

// Links can only be opened with O_PATH, which vfs does by itself.
Result<RefPtr<FileDescription>> ProcInode::Open(const VfsContext&, const Path&, uint32_t) { return Errno::kELOOP; }

Result<RefPtr<FileDescription>> ProcFile::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  if (task().tgid != 0) {
    const TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
    if (row_.guarded && !MayTrace(ctx, t)) return Errno::kEACCES;
  }
  const bool writes = (flags & abi::kOAccMode) != abi::kORdOnly;
  if (writes && row_.may_write != nullptr) TRY(row_.may_write(Request(ctx)));
  return RefPtr<FileDescription>(
      MakeRef<ProcTextFile>(path, flags, RefPtr<ProcInode>(this), row_.read, row_.write, ctx.creds));
}

Result<RefPtr<FileDescription>> ProcFdInfo::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  const TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
  if (!MayTrace(ctx, t)) return Errno::kEACCES;
  const int32_t fd = fd_;
  auto generate = [fd](const ProcRequest& r) -> Result<std::string> {
    TRY(SnapshotOf(r));
    const OpenFd open = r.view.GetFd(r.task.tgid, r.task.tid, fd);
    if (!open.file) return Errno::kENOENT;
    return FdInfoText(r, open);
  };
  return RefPtr<FileDescription>(
      MakeRef<ProcTextFile>(path, flags, RefPtr<ProcInode>(this), std::move(generate), nullptr, ctx.creds));
}

Result<RefPtr<FileDescription>> ProcMem::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
  if (!MayTrace(ctx, t)) return Errno::kEACCES;
  return RefPtr<FileDescription>(MakeRef<ProcMemFile>(path, flags, std::move(t.memory)));
}

Result<RefPtr<FileDescription>> ProcDir::Open(const VfsContext&, const Path& path, uint32_t flags) {
  if (!Alive()) return Errno::kENOENT;
  return RefPtr<FileDescription>(MakeRef<ProcDirFile>(path, flags, RefPtr<ProcDir>(this)));
}

// A name that was absent may be a process by now; one that was there may be a
// task that is gone. Every child of ours is a ProcInode.
bool ProcDir::Revalidate(const VfsContext&, std::string_view, Inode* child) {
  return child != nullptr && static_cast<ProcInode*>(child)->Alive();
}

int32_t ParseProcNumber(std::string_view name) {
  if (name.empty() || name.size() > 10 || (name[0] == '0' && name.size() > 1)) return -1;
  if (name[0] < '0' || name[0] > '9') return -1;
  int32_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  return error == std::errc() && end == name.data() + name.size() ? value : -1;
}

std::optional<ProcProcess> ProcProcessOf(const RefPtr<FileDescription>& file) {
  const RefPtr<ProcDirFile> open = FileCast<ProcDirFile>(file);
  if (!open || !open->dir().is_process()) return std::nullopt;
  const ProcDir& dir = open->dir();
  return ProcProcess{.tgid = dir.view().IdOf(dir.task().tgid), .serial = dir.task().serial};
}

ProcMount NewProcFs(std::shared_ptr<ProcessView> view) {
  RefPtr<ProcFs> fs = MakeRef<ProcFs>(std::move(view));
  RefPtr<Dentry> root = Dentry::NewRoot(NewProcRoot(fs));
  return {std::move(fs), std::move(root)};
}

}  // namespace sentry
