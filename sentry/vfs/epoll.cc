#include "sentry/vfs/epoll.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

constexpr uint32_t kPrivateBits = kEpollExclusive | kEpollWakeup | kEpollOneShot | kEpollEt;
constexpr uint32_t kExclusiveOk =
    base::kEventIn | base::kEventOut | base::kEventErr | base::kEventHup | kEpollWakeup | kEpollEt | kEpollExclusive;
constexpr int kMaxNesting = 5;

// Serialises epoll_ctl of epolls in epolls, so that two calls can't close a
// circle between them (Linux's epnested_mutex).
base::RankedMutex<base::LockRank::kEpollNesting> nesting_mu;

}  // namespace

// An entry, registered with its file's wait queue.
class EpollCore::Item final : public base::RefCounted, public base::Waiter {
 public:
  Item(EpollCore& core, FileDescription& file, int32_t fd, EpollEvent event)
      : Waiter(~base::EventMask{0}), core_(core), file_(file), fd_(fd), event_(event), wanted_(event.events) {}

  void Notify(base::EventMask events) override {
    const uint32_t wanted = wanted_.load(std::memory_order_relaxed);
    if ((wanted & ~kPrivateBits) == 0) return;  // a one-shot that was shot
    if ((events & (wanted | base::kEventErr | base::kEventHup)) == 0) return;
    core_.PushReady(*this);
  }

  EpollCore& core_;
  FileDescription& file_;
  const int32_t fd_;
  base::WaitQueue* queue_ = nullptr;  // where it is registered
  // Guarded by core_.mu_.
  EpollEvent event_;
  bool alive_ = true;
  // event_.events, read by Notify without the lock.
  std::atomic<uint32_t> wanted_;
  // Guarded by core_.ready_mu_.
  bool in_ready_ = false;
};

EpollCore::~EpollCore() = default;

void EpollCore::PushReady(Item& item) {
  {
    base::MutexLock lock(ready_mu_);
    if (item.in_ready_) return;
    item.in_ready_ = true;
    ready_.push_back(RefPtr<Item>(&item));
  }
  queue_.Notify(base::kEventIn | base::kEventRdNorm);
}

Result<void> EpollCore::Add(FileDescription& file, int32_t fd, EpollEvent event) {
  if ((event.events & kEpollExclusive) != 0 && (event.events & ~kExclusiveOk) != 0) return Errno::kEINVAL;
  event.events |= base::kEventErr | base::kEventHup;  // always told; an item without events is a spent one-shot
  RefPtr<Item> item;
  {
    base::MutexLock lock(mu_);
    if (items_.contains(Key(&file, fd))) return Errno::kEEXIST;
    if (items_.size() >= kMaxItems) return Errno::kENOSPC;
    item = MakeRef<Item>(*this, file, fd, event);
    items_.emplace(Key(&file, fd), item);
    file.AddEpoll(RefPtr<EpollCore>(this));
    item->queue_ = file.wait_queue();
    if (item->queue_ != nullptr) item->queue_->Add(*item);
  }
  // Registered first, looked at second: no change is missed.
  const uint32_t mask = (event.events & ~kPrivateBits) | base::kEventErr | base::kEventHup;
  if ((file.Readiness(mask) & mask) != 0) PushReady(*item);
  return Ok();
}

Result<void> EpollCore::Modify(FileDescription& file, int32_t fd, EpollEvent event) {
  event.events |= base::kEventErr | base::kEventHup;
  RefPtr<Item> item;
  {
    base::MutexLock lock(mu_);
    auto it = items_.find(Key(&file, fd));
    if (it == items_.end()) return Errno::kENOENT;
    item = it->second;
    if (((item->event_.events | event.events) & kEpollExclusive) != 0) return Errno::kEINVAL;
    item->event_ = event;
    item->wanted_.store(event.events, std::memory_order_relaxed);
  }
  const uint32_t mask = (event.events & ~kPrivateBits) | base::kEventErr | base::kEventHup;
  if ((file.Readiness(mask) & mask) != 0) PushReady(*item);
  return Ok();
}

void EpollCore::DropItem(Item& item) {
  item.alive_ = false;
  if (item.queue_ != nullptr) item.queue_->Remove(item);
  item.queue_ = nullptr;
}

Result<void> EpollCore::Remove(FileDescription& file, int32_t fd) {
  RefPtr<Item> item;
  {
    base::MutexLock lock(mu_);
    auto it = items_.find(Key(&file, fd));
    if (it == items_.end()) return Errno::kENOENT;
    item = std::move(it->second);
    items_.erase(it);
    DropItem(*item);
  }
  {
    base::MutexLock lock(ready_mu_);
    if (item->in_ready_) ready_.remove(item);
    item->in_ready_ = false;
  }
  file.RemoveEpoll(*this);
  return Ok();
}

void EpollCore::FileGone(FileDescription& file) {
  std::vector<RefPtr<Item>> gone;
  {
    base::MutexLock lock(mu_);
    auto it = items_.lower_bound(Key(&file, INT32_MIN));
    while (it != items_.end() && it->first.first == &file) {
      DropItem(*it->second);
      gone.push_back(std::move(it->second));
      it = items_.erase(it);
    }
  }
  base::MutexLock lock(ready_mu_);
  for (const RefPtr<Item>& item : gone) {
    if (item->in_ready_) ready_.remove(item);
    item->in_ready_ = false;
  }
}

void EpollCore::Clear() {
  std::map<Key, RefPtr<Item>> items;
  std::list<RefPtr<Item>> ready;
  {
    base::MutexLock lock(mu_);
    items.swap(items_);
    for (auto& [key, item] : items) {
      DropItem(*item);
      // Still there: a dying file waits for mu_ before it goes (FileGone).
      key.first->RemoveEpoll(*this);
    }
  }
  base::MutexLock lock(ready_mu_);
  ready.swap(ready_);
}

std::vector<RefPtr<EpollCore::Item>> EpollCore::PopReady(size_t max) {
  std::vector<RefPtr<Item>> popped;
  base::MutexLock lock(ready_mu_);
  while (!ready_.empty() && popped.size() < max) {
    popped.push_back(std::move(ready_.front()));
    ready_.pop_front();
    popped.back()->in_ready_ = false;
  }
  return popped;
}

bool EpollCore::Report(Item& item, uint32_t events, std::vector<EpollEvent>& out) {
  base::MutexLock lock(mu_);
  if (!item.alive_) return false;
  events &= (item.event_.events & ~kPrivateBits) | base::kEventErr | base::kEventHup;
  if (events == 0) return false;
  out.push_back({events, item.event_.data});
  if ((item.event_.events & kEpollOneShot) != 0) {
    item.event_.events &= kPrivateBits;
    item.wanted_.store(item.event_.events, std::memory_order_relaxed);
    return false;
  }
  return (item.event_.events & kEpollEt) == 0;
}

std::vector<EpollEvent> EpollCore::Collect(size_t max) {
  std::vector<EpollEvent> out;
  std::vector<RefPtr<Item>> again;  // level-triggered: ready until found otherwise
  while (out.size() < max) {
    const std::vector<RefPtr<Item>> items = PopReady(max - out.size());
    if (items.empty()) break;
    for (const RefPtr<Item>& item : items) {
      RefPtr<FileDescription> file;  // its last reference must not go under mu_
      uint32_t mask = 0;
      {
        base::MutexLock lock(mu_);
        if (!item->alive_ || !item->file_.TryIncRef()) continue;
        file = RefPtr<FileDescription>::Adopt(&item->file_);
        if ((item->event_.events & ~kPrivateBits) == 0) continue;
        mask = (item->event_.events & ~kPrivateBits) | base::kEventErr | base::kEventHup;
      }
      if (Report(*item, file->Readiness(mask), out)) again.push_back(item);
    }
  }
  for (const RefPtr<Item>& item : again) {
    base::MutexLock lock(mu_);
    if (item->alive_) PushReady(*item);
  }
  return out;
}

bool EpollCore::AnyReady() {
  std::vector<RefPtr<Item>> keep;
  bool any = false;
  while (!any) {
    const std::vector<RefPtr<Item>> items = PopReady(1);
    if (items.empty()) break;
    RefPtr<FileDescription> file;
    uint32_t mask = 0;
    {
      base::MutexLock lock(mu_);
      if (!items[0]->alive_ || !items[0]->file_.TryIncRef()) continue;
      file = RefPtr<FileDescription>::Adopt(&items[0]->file_);
      if ((items[0]->event_.events & ~kPrivateBits) == 0) continue;
      mask = (items[0]->event_.events & ~kPrivateBits) | base::kEventErr | base::kEventHup;
    }
    any = (file->Readiness(mask) & mask) != 0;
    if (any) keep.push_back(items[0]);
  }
  base::MutexLock lock(ready_mu_);
  // Without a notification: nothing has changed.
  for (const RefPtr<Item>& item : keep) {
    if (item->in_ready_) continue;
    item->in_ready_ = true;
    ready_.push_front(item);
  }
  return any;
}

std::string EpollCore::FdInfo() {
  std::string out;
  base::MutexLock lock(mu_);
  for (const auto& [key, item] : items_) {
    out += absl::StrFormat("tfd: %8d events: %8x data: %16x\n", key.second, item->event_.events, item->event_.data);
  }
  return out;
}

std::vector<RefPtr<FileDescription>> EpollCore::NestedEpolls() {
  std::vector<RefPtr<FileDescription>> nested;
  base::MutexLock lock(mu_);
  for (const auto& [key, item] : items_) {
    if (key.first->kind() != EpollFile::Kind() || !key.first->TryIncRef()) continue;
    nested.push_back(RefPtr<FileDescription>::Adopt(key.first));
  }
  return nested;
}

const void* EpollFile::Kind() {
  static const char tag = 0;
  return &tag;
}

RefPtr<EpollFile> EpollFile::Create() {
  return MakeRef<EpollFile>(InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:[eventpoll]"));
}

EpollFile::EpollFile(Path path) : FileDescription(std::move(path), abi::kORdWr), core_(MakeRef<EpollCore>()) {}
EpollFile::~EpollFile() = default;

void EpollFile::LastRefDropped() {
  core_->Clear();
  FileDescription::LastRefDropped();
}

namespace {

// How deep epolls nest below `file`; more than the limit if `target` is among
// them.
int DepthBelow(EpollFile& file, const FileDescription& target, EpollCore& core, int depth) {
  if (&file == &target || depth > kMaxNesting) return kMaxNesting + 1;
  int deepest = depth;
  for (const RefPtr<FileDescription>& inner : core.NestedEpolls()) {
    EpollFile& nested = static_cast<EpollFile&>(*inner);
    deepest = std::max(deepest, DepthBelow(nested, target, nested.core(), depth + 1));
    if (deepest > kMaxNesting) break;
  }
  return deepest;
}

}  // namespace

Result<void> EpollFile::Add(FileDescription& file, int32_t fd, EpollEvent event) {
  if (!file.pollable()) return Errno::kEPERM;
  if (&file == this) return Errno::kEINVAL;
  if (file.kind() != Kind()) return core_->Add(file, fd, event);
  if ((event.events & kEpollExclusive) != 0) return Errno::kEINVAL;
  EpollFile& inner = static_cast<EpollFile&>(file);
  base::MutexLock lock(nesting_mu);
  if (DepthBelow(inner, *this, inner.core(), 1) + height_ > kMaxNesting) return Errno::kELOOP;
  TRY(core_->Add(file, fd, event));
  inner.height_ = std::max(inner.height_, height_ + 1);
  return Ok();
}

Result<void> EpollFile::Modify(FileDescription& file, int32_t fd, EpollEvent event) {
  if (!file.pollable()) return Errno::kEPERM;
  if (&file == this) return Errno::kEINVAL;
  return core_->Modify(file, fd, event);
}

Result<void> EpollFile::Remove(FileDescription& file, int32_t fd) {
  if (!file.pollable()) return Errno::kEPERM;
  if (&file == this) return Errno::kEINVAL;
  return core_->Remove(file, fd);
}

base::EventMask EpollFile::Readiness(base::EventMask mask) {
  if ((mask & (base::kEventIn | base::kEventRdNorm)) == 0 || !core_->AnyReady()) return 0;
  return mask & (base::kEventIn | base::kEventRdNorm);
}

}  // namespace sentry
