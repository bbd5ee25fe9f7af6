#include "sentry/fs/gofer/donated_fds.h"

#include <algorithm>

#include "sentry/fs/gofer/gofer_inode.h"

namespace sentry {

void DonatedFds::Keep(GoferInode& inode, RefPtr<DonatedFd> fd) {
  Kept dropped{};
  RefPtr<GoferInode> owner;
  {
    base::MutexLock lock(mu_);
    kept_.push_front({&inode, std::move(fd)});
    kept_of_.emplace(&inode, kept_.begin());
    if (kept_.size() <= most_) return;
    const auto last = std::prev(kept_.end());
    const auto [first, end] = kept_of_.equal_range(last->inode);
    kept_of_.erase(std::find_if(first, end, [&](const auto& each) { return each.second == last; }));
    dropped = std::move(*last);
    kept_.erase(last);
    if (dropped.inode->TryIncRef()) owner = RefPtr<GoferInode>::Adopt(dropped.inode);
  }
  if (owner) owner->DropDescriptors();
}

void DonatedFds::Forget(GoferInode& inode) {
  std::list<Kept> gone;
  base::MutexLock lock(mu_);
  const auto [first, end] = kept_of_.equal_range(&inode);
  for (auto it = first; it != end; ++it) gone.splice(gone.end(), kept_, it->second);
  kept_of_.erase(first, end);
}

}  // namespace sentry
