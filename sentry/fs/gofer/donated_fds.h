// Descriptors that the gofers gave, and how many of them are kept for later.
#ifndef SENTRY_FS_GOFER_DONATED_FDS_H_
#define SENTRY_FS_GOFER_DONATED_FDS_H_

#include <list>
#include <unordered_map>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/unique_fd.h"

namespace sentry {

using base::RefPtr;

// A file descriptor that the gofer gave; closed with its last user.
class DonatedFd final : public base::RefCounted {
 public:
  explicit DonatedFd(base::UniqueFd fd) : fd_(std::move(fd)) {}
  int get() const { return fd_.get(); }

 private:
  ~DonatedFd() override = default;
  const base::UniqueFd fd_;
};

class GoferInode;

// The bounded LRU of descriptors that are open for their inode's next user alone: one for all mounts of all gofers, as
// the host's limit is one.
class DonatedFds {
 public:
  explicit DonatedFds(size_t most) : most_(most) {}

  // Keeps `fd` alive for a while. Drops the oldest's, if they are too many.
  void Keep(GoferInode& inode, RefPtr<DonatedFd> fd);
  void Forget(GoferInode& inode);

 private:
  struct Kept {
    GoferInode* inode;  // which forgets itself before it goes
    RefPtr<DonatedFd> fd;
  };
  const size_t most_;
  // Rank kGoferClient: never held over a message, nor with a file system's.
  base::RankedMutex<base::LockRank::kGoferClient> mu_;
  std::list<Kept> kept_ ABSL_GUARDED_BY(mu_);  // most recently used first
  std::unordered_multimap<const GoferInode*, std::list<Kept>::iterator> kept_of_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_DONATED_FDS_H_
