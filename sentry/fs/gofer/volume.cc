#include "sentry/fs/gofer/volume.h"

namespace sentry {

using base::MutexLock;

class Volume::State final : public SharedFileState {
 public:
  State(RefPtr<Volume> volume, HostFileKey key, uint32_t type) : volume_(std::move(volume)), key_(key), type_(type) {}
  uint32_t type() const { return type_; }

 private:
  ~State() override {
    MutexLock lock(volume_->mu_);
    const auto it = volume_->states_.find(key_);
    if (it != volume_->states_.end() && it->second == this) volume_->states_.erase(it);
  }

  const RefPtr<Volume> volume_;
  const HostFileKey key_;
  const uint32_t type_;
};

Volume::~Volume() {
  MutexLock lock(all_.mu_);
  const auto it = all_.volumes_.find(identity_);
  if (it != all_.volumes_.end() && it->second == this) all_.volumes_.erase(it);
}

bool Volume::HasRoot(HostFileKey root) {
  MutexLock lock(mu_);
  if (!root_) root_ = root;
  return *root_ == root;
}

RefPtr<SharedFileState> Volume::StateOf(HostFileKey key, uint32_t type) {
  RefPtr<State> state, other;  // the last reference may go here, so outside of the lock
  MutexLock lock(mu_);
  const auto it = states_.find(key);
  // Found but dying: it takes itself out, unless another is in its place.
  if (it != states_.end() && it->second->TryIncRef()) state = RefPtr<State>::Adopt(it->second);
  // A reused inode number is another file.
  if (state && state->type() != type) std::swap(state, other);
  if (!state) {
    state = MakeRef<State>(RefPtr<Volume>(this), key, type);
    states_[key] = state.get();
  }
  return state;
}

RefPtr<Volume> Volumes::Get(const std::string& identity) {
  MutexLock lock(mu_);
  Volume*& volume = volumes_[identity];
  if (volume != nullptr && volume->TryIncRef()) return RefPtr<Volume>::Adopt(volume);
  RefPtr<Volume> fresh = MakeRef<Volume>(*this, identity);
  volume = fresh.get();
  return fresh;
}

}  // namespace sentry
