// Inodes of proc: files of the tables, directories, links.
#ifndef SENTRY_FS_PROC_PROC_INODE_H_
#define SENTRY_FS_PROC_PROC_INODE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sentry/fs/proc/proc_rows.h"
#include "sentry/vfs/inode.h"

namespace sentry {

class ProcFs final : public FileSystem {
 public:
  explicit ProcFs(std::shared_ptr<ProcessView> view) : FileSystem("proc"), view_(std::move(view)) {}
  ProcessView& view() const { return *view_; }
  Result<abi::Statfs> StatFs(const VfsContext& ctx) override;

 private:
  const std::shared_ptr<ProcessView> view_;
};

// The same place has the same number as long as the task lives.
uint64_t ProcIno(uint64_t parent, std::string_view name);

class ProcInode : public Inode {
 public:
  bool may_create() const override { return false; }
  ProcInode(RefPtr<ProcFs> fs, uint64_t ino, uint32_t mode, ProcTask task);
  uint32_t type() const final { return mode_ & abi::kSIfMt; }
  uint64_t ino() const { return ino_; }
  uint32_t mode() const { return mode_; }
  const ProcTask& task() const { return task_; }
  ProcessView& view() const { return static_cast<ProcFs&>(fs()).view(); }
  RefPtr<ProcFs> proc() const { return RefPtr<ProcFs>(static_cast<ProcFs*>(&fs())); }
  ProcRequest Request(const VfsContext& ctx) const { return {ctx, view(), task_}; }
  // Whether the task it is about is still there; true for the system's.
  bool Alive() const { return task_.tgid == 0 || view().TaskSerial(task_.tgid, task_.tid) == task_.serial; }

  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

 private:
  const uint64_t ino_;
  const uint32_t mode_;
  const ProcTask task_;
  const Timespec made_;
};

class ProcFile final : public ProcInode {
 public:
  ProcFile(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, const ProcFileRow& row)
      : ProcInode(std::move(fs), ino, abi::kSIfReg | row.mode, task), row_(row) {}
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

 private:
  const ProcFileRow& row_;
};

// fdinfo/N: text that is about one descriptor.
class ProcFdInfo final : public ProcInode {
 public:
  ProcFdInfo(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, int32_t fd)
      : ProcInode(std::move(fs), ino, abi::kSIfReg | 0444, task), fd_(fd) {}
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

 private:
  const int32_t fd_;
};

// mem: the process's memory as a debugger sees it.
class ProcMem final : public ProcInode {
 public:
  ProcMem(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) : ProcInode(std::move(fs), ino, abi::kSIfReg | 0600, task) {}
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
};

// A directory of proc: a list made afresh for each look.
class ProcDir : public ProcInode {
 public:
  struct Entry {
    std::string name;
    uint64_t ino;
    uint32_t type;
    int64_t offset;  // where it stands; ascending; 2 and above
  };
  using ProcInode::ProcInode;
  virtual std::vector<Entry> Entries(const VfsContext& ctx) = 0;
  virtual bool is_process() const { return false; }  // PID/
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
  bool Revalidate(const VfsContext& ctx, std::string_view name, Inode* child) override;
};

RefPtr<Inode> NewProcRoot(RefPtr<ProcFs> fs);
RefPtr<ProcDir> NewProcStaticDir(RefPtr<ProcFs> fs, uint64_t ino, const ProcDirRow& row);
// PID/, or task/TID/ if task.thread.
RefPtr<ProcDir> NewProcTaskDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task);
RefPtr<ProcDir> NewProcFdDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, bool info);
RefPtr<ProcDir> NewProcNsDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task);

// A decimal number of a file name: no sign, no leading zero; -1: none.
int32_t ParseProcNumber(std::string_view name);

// Links with plain text, made of the caller's ids ("self") or fixed.
RefPtr<Inode> NewProcTextLink(RefPtr<ProcFs> fs, uint64_t ino, Result<std::string> (*text)(const ProcRequest&));
// exe, cwd, root.
enum class ProcPlace : uint8_t { kExe, kCwd, kRoot };
RefPtr<Inode> NewProcPlaceLink(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, ProcPlace place);

}  // namespace sentry

#endif  // SENTRY_FS_PROC_PROC_INODE_H_
