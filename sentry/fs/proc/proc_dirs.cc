// Directories of proc.
#include <string>

#include "sentry/fs/proc/proc_inode.h"

namespace sentry {
namespace {

// Where the entries made of numbers begin; as in Linux, after the fixed ones.
constexpr int64_t kFirstNumber = 256;

void AddRow(std::vector<ProcDir::Entry>* out, uint64_t parent, std::string_view name, uint32_t type) {
  out->push_back({std::string(name), ProcIno(parent, name), type, static_cast<int64_t>(out->size()) + 2});
}

class StaticDir final : public ProcDir {
 public:
  StaticDir(RefPtr<ProcFs> fs, uint64_t ino, const ProcDirRow& row)
      : ProcDir(std::move(fs), ino, abi::kSIfDir | 0555, ProcTask{}), row_(row) {}

  std::vector<Entry> Entries(const VfsContext&) override {
    std::vector<Entry> out;
    for (const ProcDirRow& row : row_.dirs) AddRow(&out, ino(), row.name, abi::kSIfDir);
    for (const ProcFileRow& row : row_.files) {
      if (IsPresent(row)) AddRow(&out, ino(), row.name, abi::kSIfReg);
    }
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    const uint64_t child = ProcIno(ino(), name);
    for (const ProcDirRow& row : row_.dirs) {
      if (name == row.name) return RefPtr<Inode>(NewProcStaticDir(proc(), child, row));
    }
    for (const ProcFileRow& row : row_.files) {
      if (name == row.name && IsPresent(row)) return RefPtr<Inode>(MakeRef<ProcFile>(proc(), child, ProcTask{}, row));
    }
    return Errno::kENOENT;
  }

 private:
  bool IsPresent(const ProcFileRow& row) const { return row.present == nullptr || row.present(view()); }
  const ProcDirRow& row_;
};

// The kernel itself is no process, and others may not be seen here.
Result<std::string> SelfText(const ProcRequest& r) {
  const int32_t tgid = r.view.NumberOf(r.ctx.tgid);
  if (tgid == 0) return Errno::kENOENT;
  return std::to_string(tgid);
}

Result<std::string> ThreadSelfText(const ProcRequest& r) {
  return TRY(SelfText(r)) + "/task/" + std::to_string(r.view.NumberOf(r.ctx.tid));
}

struct LinkRow {
  const char* name;
  Result<std::string> (*text)(const ProcRequest&);
};
constexpr LinkRow kRootLinks[] = {
    {"mounts", [](const ProcRequest&) -> Result<std::string> { return std::string("self/mounts"); }},
    {"net", [](const ProcRequest&) -> Result<std::string> { return std::string("self/net"); }},
    {"self", SelfText},
    {"thread-self", ThreadSelfText},
};

class RootDir final : public ProcDir {
 public:
  explicit RootDir(RefPtr<ProcFs> fs) : ProcDir(std::move(fs), 1, abi::kSIfDir | 0555, ProcTask{}) {}

  std::vector<Entry> Entries(const VfsContext&) override {
    std::vector<Entry> out;
    for (const ProcDirRow& row : SystemDirRows()) AddRow(&out, ino(), row.name, abi::kSIfDir);
    for (const ProcFileRow& row : SystemFileRows()) AddRow(&out, ino(), row.name, abi::kSIfReg);
    for (const LinkRow& row : kRootLinks) AddRow(&out, ino(), row.name, abi::kSIfLnk);
    for (const int32_t tgid : view().Processes()) {
      const std::string name = std::to_string(tgid);
      out.push_back({name, ProcIno(ino(), name), abi::kSIfDir, kFirstNumber + tgid});
    }
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    const uint64_t child = ProcIno(ino(), name);
    for (const ProcDirRow& row : SystemDirRows()) {
      if (name == row.name) return RefPtr<Inode>(NewProcStaticDir(proc(), child, row));
    }
    for (const ProcFileRow& row : SystemFileRows()) {
      if (name == row.name) return RefPtr<Inode>(MakeRef<ProcFile>(proc(), child, ProcTask{}, row));
    }
    for (const LinkRow& row : kRootLinks) {
      if (name == row.name) return NewProcTextLink(proc(), child, row.text);
    }
    const int32_t tgid = ParseProcNumber(name);
    if (tgid <= 0) return Errno::kENOENT;
    const uint64_t serial = view().TaskSerial(tgid, tgid);
    if (serial == 0) return Errno::kENOENT;
    return RefPtr<Inode>(NewProcTaskDir(proc(), child, {tgid, tgid, serial, false}));
  }
};

// task/
class ThreadsDir final : public ProcDir {
 public:
  ThreadsDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) : ProcDir(std::move(fs), ino, abi::kSIfDir | 0555, task) {}

  std::vector<Entry> Entries(const VfsContext&) override {
    std::vector<Entry> out;
    for (const int32_t tid : view().Threads(task().tgid)) {
      const std::string name = std::to_string(tid);
      out.push_back({name, ProcIno(ino(), name), abi::kSIfDir, kFirstNumber + tid});
    }
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    const int32_t tid = ParseProcNumber(name);
    if (tid <= 0) return Errno::kENOENT;
    const uint64_t serial = view().TaskSerial(task().tgid, tid);
    if (serial == 0) return Errno::kENOENT;
    return RefPtr<Inode>(NewProcTaskDir(proc(), ProcIno(ino(), name), {task().tgid, tid, serial, true}));
  }
};

struct PlaceRow {
  const char* name;
  ProcPlace place;
};
constexpr PlaceRow kPlaces[] = {{"cwd", ProcPlace::kCwd}, {"exe", ProcPlace::kExe}, {"root", ProcPlace::kRoot}};

struct SubdirRow {
  const char* name;
  bool process_only;
  RefPtr<ProcDir> (*make)(RefPtr<ProcFs>, uint64_t ino, ProcTask);
};
const SubdirRow kSubdirs[] = {
    {"fd", false,
     [](RefPtr<ProcFs> fs, uint64_t ino, ProcTask t) { return NewProcFdDir(std::move(fs), ino, t, false); }},
    {"fdinfo", false,
     [](RefPtr<ProcFs> fs, uint64_t ino, ProcTask t) { return NewProcFdDir(std::move(fs), ino, t, true); }},
    {"net", false,
     [](RefPtr<ProcFs> fs, uint64_t ino, ProcTask) { return NewProcStaticDir(std::move(fs), ino, NetDirRow()); }},
    {"ns", false, NewProcNsDir},
    {"task", true,
     [](RefPtr<ProcFs> fs, uint64_t ino, ProcTask t) -> RefPtr<ProcDir> {
       return MakeRef<ThreadsDir>(std::move(fs), ino, t);
     }},
};

class TaskDir final : public ProcDir {
 public:
  TaskDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) : ProcDir(std::move(fs), ino, abi::kSIfDir | 0555, task) {}
  bool is_process() const override { return !task().thread; }

  std::vector<Entry> Entries(const VfsContext&) override {
    std::vector<Entry> out;
    for (const SubdirRow& row : kSubdirs) {
      if (Has(row.process_only)) AddRow(&out, ino(), row.name, abi::kSIfDir);
    }
    for (const PlaceRow& row : kPlaces) AddRow(&out, ino(), row.name, abi::kSIfLnk);
    for (const ProcFileRow& row : ProcessFileRows()) {
      if (Has(row.process_only)) AddRow(&out, ino(), row.name, abi::kSIfReg);
    }
    AddRow(&out, ino(), "mem", abi::kSIfReg);
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    if (!Alive()) return Errno::kENOENT;
    const uint64_t child = ProcIno(ino(), name);
    for (const SubdirRow& row : kSubdirs) {
      if (name == row.name && Has(row.process_only)) return RefPtr<Inode>(row.make(proc(), child, task()));
    }
    for (const PlaceRow& row : kPlaces) {
      if (name == row.name) return NewProcPlaceLink(proc(), child, task(), row.place);
    }
    for (const ProcFileRow& row : ProcessFileRows()) {
      if (name == row.name && Has(row.process_only)) {
        return RefPtr<Inode>(MakeRef<ProcFile>(proc(), child, task(), row));
      }
    }
    if (name == "mem") return RefPtr<Inode>(MakeRef<ProcMem>(proc(), child, task()));
    return Errno::kENOENT;
  }

 private:
  bool Has(bool process_only) const { return !process_only || !task().thread; }
};

}  // namespace

RefPtr<Inode> NewProcRoot(RefPtr<ProcFs> fs) { return MakeRef<RootDir>(std::move(fs)); }

RefPtr<ProcDir> NewProcStaticDir(RefPtr<ProcFs> fs, uint64_t ino, const ProcDirRow& row) {
  return MakeRef<StaticDir>(std::move(fs), ino, row);
}

RefPtr<ProcDir> NewProcTaskDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) {
  return MakeRef<TaskDir>(std::move(fs), ino, task);
}

}  // namespace sentry
