#include <algorithm>
#include <utility>

#include "sentry/vfs/inotify.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr uint32_t kReported = abi::kInAllEvents | abi::kInUnmount;
constexpr uint32_t kKept = abi::kInAllEvents | abi::kInExclUnlink | abi::kInOneShot;
constexpr uint32_t kMaxWatches = InotifyLimits::kMost;  // in the whole sandbox

}  // namespace

std::atomic<uint32_t> InodeWatches::count_{0};

void InodeWatches::RecalculateLocked() {
  uint32_t all = watches_.empty() ? 0 : abi::kInUnmount;
  for (const RefPtr<InotifyWatch>& watch : watches_) all |= watch->mask;
  interest_.store(all & kReported, std::memory_order_relaxed);
}

size_t InodeWatches::IndexLocked(const InotifyWatch& watch) const {
  const auto it = std::find_if(watches_.begin(), watches_.end(), [&](const auto& w) { return w.get() == &watch; });
  return static_cast<size_t>(it - watches_.begin());
}

void InodeWatches::TakeOffLocked(size_t index) {
  InotifyWatch& watch = *watches_[index];
  watch.listed = false;
  watch.instance.Leave(watch);
  watches_.erase(watches_.begin() + static_cast<ptrdiff_t>(index));
  count_.fetch_sub(1, std::memory_order_relaxed);
  RecalculateLocked();
}

void InodeWatches::Tell(const InodeEvent& event) {
  const uint32_t wanted = event.mask & kReported;
  if ((interest_.load(std::memory_order_relaxed) & wanted) == 0) return;
  // Dropped behind the lock.
  std::vector<RefPtr<InotifyWatch>> ended;
  RefPtr<Dentry> anchor;
  MutexLock lock(mu_);
  for (size_t i = 0; i < watches_.size();) {
    const RefPtr<InotifyWatch> watch = watches_[i++];
    const bool excluded = event.of_unlinked && (watch->mask & abi::kInExclUnlink) != 0;
    if (excluded || ((watch->mask | abi::kInUnmount) & wanted) == 0) continue;
    watch->instance.Queue(watch->wd, event);
    if ((watch->mask & abi::kInOneShot) == 0) continue;
    watch->instance.Queue(watch->wd, {.mask = abi::kInIgnored});
    TakeOffLocked(--i);
    ended.push_back(watch);
  }
  if (!AnchoredLocked()) anchor = std::move(anchor_);
}

Result<int32_t> InodeWatches::Add(Inotify& instance, const RefPtr<Dentry>& dentry, uint32_t mask) {
  MutexLock lock(mu_);
  for (const RefPtr<InotifyWatch>& watch : watches_) {
    if (&watch->instance != &instance) continue;
    if ((mask & abi::kInMaskCreate) != 0) return Errno::kEEXIST;
    watch->mask = ((mask & abi::kInMaskAdd) != 0 ? watch->mask : 0) | (mask & kKept);
    RecalculateLocked();
    return watch->wd;
  }
  if (count_.load(std::memory_order_relaxed) >= kMaxWatches) return Errno::kENOSPC;
  auto watch = MakeRef<InotifyWatch>(instance, dentry->inode());
  watch->mask = mask & kKept;
  watch->listed = true;
  TRY(instance.Enter(watch));
  const int32_t wd = watch->wd;
  watches_.push_back(std::move(watch));
  count_.fetch_add(1, std::memory_order_relaxed);
  if (!anchor_ && !dentry->unhashed()) anchor_ = dentry;
  RecalculateLocked();
  return wd;
}

void InodeWatches::End(InotifyWatch& watch, uint32_t last_event) {
  RefPtr<InotifyWatch> keep(&watch);
  RefPtr<Dentry> anchor;
  MutexLock lock(mu_);
  if (!watch.listed) return;  // another was faster
  TellLastLocked(watch, last_event);
  TakeOffLocked(IndexLocked(watch));
  if (!AnchoredLocked()) anchor = std::move(anchor_);
}

void InodeWatches::TellLastLocked(InotifyWatch& watch, uint32_t last_event) {
  if (((watch.mask | abi::kInUnmount) & last_event) != 0) watch.instance.Queue(watch.wd, {.mask = last_event});
  watch.instance.Queue(watch.wd, {.mask = abi::kInIgnored});
}

// Watches by another inode of the file, of another mount, find it by the state that they share.
bool InodeWatches::AnchoredLocked() const {
  const Inode* const named = anchor_ ? anchor_->inode_ptr() : nullptr;
  return std::any_of(watches_.begin(), watches_.end(), [&](const auto& watch) { return watch->inode.get() == named; });
}

void InodeWatches::EndAll(uint32_t last_event) {
  std::vector<RefPtr<InotifyWatch>> ended;
  RefPtr<Dentry> anchor;
  MutexLock lock(mu_);
  ended = watches_;
  for (const RefPtr<InotifyWatch>& watch : ended) {
    TellLastLocked(*watch, last_event);
    TakeOffLocked(IndexLocked(*watch));
  }
  anchor = std::move(anchor_);
}

void InodeWatches::Drop(InotifyWatch& watch) {
  RefPtr<Dentry> anchor;
  MutexLock lock(mu_);
  if (!watch.listed) return;
  TakeOffLocked(IndexLocked(watch));
  if (!AnchoredLocked()) anchor = std::move(anchor_);
}

void InodeWatches::Unanchor(const Dentry& dentry) {
  RefPtr<Dentry> anchor;
  MutexLock lock(mu_);
  if (anchor_.get() == &dentry) anchor = std::move(anchor_);
}

uint32_t InodeWatches::MaskOf(const InotifyWatch& watch) {
  MutexLock lock(mu_);
  return watch.mask;
}

}  // namespace sentry
