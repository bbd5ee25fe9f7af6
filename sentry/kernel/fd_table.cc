#include "sentry/kernel/fd_table.h"

#include <algorithm>

namespace sentry {

using base::MutexLock;

namespace {
// Linux's sysctl_nr_open: no limit lets a table grow beyond it.
constexpr uint64_t kNrOpen = 1 << 20;
}  // namespace

Result<RefPtr<FileDescription>> FdTable::Get(int32_t fd) const {
  MutexLock lock(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || !slots_[fd].file) return Errno::kEBADF;
  return slots_[fd].file;
}

Result<RefPtr<FileDescription>> FdTable::GetNoPath(int32_t fd) const {
  RefPtr<FileDescription> file = TRY(Get(fd));
  if (file->is_path()) return Errno::kEBADF;
  return file;
}

Result<int32_t> FdTable::FindFree(int32_t min_fd, uint64_t limit) {
  size_t fd = std::max(min_fd, lowest_free_);
  while (fd < slots_.size() && slots_[fd].file) ++fd;
  if (fd >= std::min(limit, kNrOpen)) return Errno::kEMFILE;
  return static_cast<int32_t>(fd);
}

void FdTable::Put(int32_t fd, RefPtr<FileDescription> file, CloseOnExec cloexec) {
  if (static_cast<size_t>(fd) >= slots_.size()) slots_.resize(std::max<size_t>(fd + 1, slots_.size() * 2));
  slots_[fd] = {std::move(file), cloexec};
  if (fd == lowest_free_) ++lowest_free_;
}

RefPtr<FileDescription> FdTable::Take(size_t fd) {
  RefPtr<FileDescription> file = std::move(slots_[fd].file);
  slots_[fd].cloexec = CloseOnExec::kNo;
  lowest_free_ = std::min(lowest_free_, static_cast<int32_t>(fd));
  return file;
}

Result<int32_t> FdTable::Install(RefPtr<FileDescription> file, CloseOnExec cloexec, uint64_t limit, int32_t min_fd) {
  MutexLock lock(mu_);
  const int32_t fd = TRY(FindFree(min_fd, limit));
  Put(fd, std::move(file), cloexec);
  return fd;
}

Result<void> FdTable::CheckRoom(uint64_t limit) {
  MutexLock lock(mu_);
  TRY(FindFree(0, limit));
  return Ok();
}

Result<std::pair<int32_t, int32_t>> FdTable::InstallPair(RefPtr<FileDescription> a, RefPtr<FileDescription> b,
                                                         CloseOnExec cloexec, uint64_t limit) {
  MutexLock lock(mu_);
  const int32_t first = TRY(FindFree(0, limit));
  const int32_t second = TRY(FindFree(first + 1, limit));
  Put(first, std::move(a), cloexec);
  Put(second, std::move(b), cloexec);
  return std::pair(first, second);
}

Result<RefPtr<FileDescription>> FdTable::InstallAt(int32_t fd, RefPtr<FileDescription> file, CloseOnExec cloexec,
                                                   uint64_t limit) {
  if (fd < 0 || static_cast<uint64_t>(fd) >= std::min(limit, kNrOpen)) return Errno::kEBADF;
  MutexLock lock(mu_);
  RefPtr<FileDescription> old;
  if (static_cast<size_t>(fd) < slots_.size()) old = std::move(slots_[fd].file);
  Put(fd, std::move(file), cloexec);
  return old;
}

Result<RefPtr<FileDescription>> FdTable::Remove(int32_t fd) {
  MutexLock lock(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || !slots_[fd].file) return Errno::kEBADF;
  return Take(fd);
}

std::vector<RefPtr<FileDescription>> FdTable::RemoveRange(uint32_t first, uint32_t last) {
  std::vector<RefPtr<FileDescription>> removed;
  MutexLock lock(mu_);
  for (size_t fd = first; fd < slots_.size() && fd <= last; ++fd) {
    if (slots_[fd].file) removed.push_back(Take(fd));
  }
  return removed;
}

std::vector<RefPtr<FileDescription>> FdTable::RemoveCloseOnExec() {
  std::vector<RefPtr<FileDescription>> removed;
  MutexLock lock(mu_);
  for (size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].file && slots_[fd].cloexec == CloseOnExec::kYes) removed.push_back(Take(fd));
  }
  return removed;
}

std::vector<RefPtr<FileDescription>> FdTable::RemoveAll() { return RemoveRange(0, UINT32_MAX); }

Result<CloseOnExec> FdTable::GetCloseOnExec(int32_t fd) const {
  MutexLock lock(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || !slots_[fd].file) return Errno::kEBADF;
  return slots_[fd].cloexec;
}

Result<void> FdTable::SetCloseOnExec(int32_t fd, CloseOnExec cloexec) {
  MutexLock lock(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || !slots_[fd].file) return Errno::kEBADF;
  slots_[fd].cloexec = cloexec;
  return Ok();
}

void FdTable::SetCloseOnExecRange(uint32_t first, uint32_t last) {
  MutexLock lock(mu_);
  for (size_t fd = first; fd < slots_.size() && fd <= last; ++fd) {
    if (slots_[fd].file) slots_[fd].cloexec = CloseOnExec::kYes;
  }
}

RefPtr<FdTable> FdTable::Fork() const {
  RefPtr<FdTable> copy = base::MakeRef<FdTable>();
  MutexLock lock(mu_);
  // The copy is nobody else's yet; its lock is of the same rank as ours.
  [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    copy->slots_ = slots_;
    copy->lowest_free_ = lowest_free_;
  }();
  return copy;
}

std::vector<std::pair<int32_t, RefPtr<FileDescription>>> FdTable::List() const {
  std::vector<std::pair<int32_t, RefPtr<FileDescription>>> list;
  MutexLock lock(mu_);
  for (size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].file) list.emplace_back(static_cast<int32_t>(fd), slots_[fd].file);
  }
  return list;
}

std::vector<int32_t> FdTable::Numbers() const {
  std::vector<int32_t> numbers;
  base::MutexLock lock(mu_);
  for (size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].file) numbers.push_back(static_cast<int32_t>(fd));
  }
  return numbers;
}

std::optional<uint32_t> FdTable::Access(int32_t fd) const {
  base::MutexLock lock(mu_);
  if (fd < 0 || static_cast<size_t>(fd) >= slots_.size() || !slots_[fd].file) return std::nullopt;
  const FileDescription& file = *slots_[fd].file;
  return (file.readable() ? abi::kMayRead : 0) | (file.writable() ? abi::kMayWrite : 0);
}

}  // namespace sentry
