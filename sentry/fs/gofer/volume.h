// A mount source that the runtime gave to several mounts of the sandbox, each with a gofer of its own: what is one file
// has one state, whichever way it is reached.
#ifndef SENTRY_FS_GOFER_VOLUME_H_
#define SENTRY_FS_GOFER_VOLUME_H_

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "sentry/vfs/inode.h"

namespace sentry {

// A host file, as a gofer names it: believed within one mount source, never between two.
struct HostFileKey {
  uint64_t device, ino;
  bool operator==(const HostFileKey&) const = default;
};
struct HostFileKeyHash {
  size_t operator()(const HostFileKey& k) const { return k.ino * 0x9e3779b97f4a7c15ull ^ k.device; }
};

class Volumes;

class Volume final : public base::RefCounted {
 public:
  Volume(Volumes& all, std::string identity) : all_(all), identity_(std::move(identity)) {}

  // st_dev of its files, of the root's host device.
  uint64_t device() const { return device_; }
  // Whether a mount of it has this root: another one has another file system in its place by now.
  bool HasRoot(HostFileKey root);
  // The state of a file of this type. It lives while an inode has it.
  RefPtr<SharedFileState> StateOf(HostFileKey key, uint32_t type);

 private:
  class State;
  ~Volume() override;

  Volumes& all_;
  const std::string identity_;
  const uint64_t device_ = FileSystem::NewDevice();
  base::RankedMutex<base::LockRank::kGoferVolume> mu_;
  std::optional<HostFileKey> root_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<HostFileKey, State*, HostFileKeyHash> states_ ABSL_GUARDED_BY(mu_);
};

// Those of a sandbox, while there is a mount of them. It outlives them.
class Volumes {
 public:
  RefPtr<Volume> Get(const std::string& identity);

 private:
  friend class Volume;
  base::RankedMutex<base::LockRank::kGoferVolume> mu_;
  std::map<std::string, Volume*> volumes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_VOLUME_H_
