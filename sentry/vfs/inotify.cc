#include "sentry/vfs/inotify.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/abi/ioctl.h"
#include "sentry/usermem/user_ptr.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;

// All queues together, about: events of long names in many instances.
constexpr size_t kMaxQueuedBytes = 64 << 20;
std::atomic<size_t> queued_bytes{0};  // a sum alone

// One of at most `limit`, or none.
bool Charge(std::atomic<uint32_t>& count, uint32_t limit) {
  if (count.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

}  // namespace

InotifyLimits& InotifyLimits::Get() {
  static InotifyLimits limits;
  return limits;
}

// All instances, and who has how many.
struct Inotify::Registry {
  base::RankedMutex<base::LockRank::kInotifyUsers> mu;
  std::vector<Inotify*> instances ABSL_GUARDED_BY(mu);
  // Of those who have any.
  std::map<uint32_t, RefPtr<UserCounts>> users ABSL_GUARDED_BY(mu);
};

Inotify::Registry& Inotify::TheRegistry() {
  static Registry* const registry = new Registry;
  return *registry;
}

size_t Inotify::Event::size() const {
  constexpr size_t kUnit = sizeof(abi::InotifyEvent);
  return kUnit + (name.empty() ? 0 : (name.size() + 1 + kUnit - 1) / kUnit * kUnit);
}

Inotify::Inotify(Path path, uint32_t flags, RefPtr<UserCounts> user)
    : FileDescription(std::move(path), flags), user_(std::move(user)) {}

Inotify::~Inotify() {
  for (const Event& event : events_) queued_bytes.fetch_sub(event.size(), std::memory_order_relaxed);
}

const void* Inotify::Kind() {
  static const char kTag = 0;
  return &kTag;
}

Result<RefPtr<FileDescription>> Inotify::Create(const VfsContext& ctx, uint32_t flags) {
  if ((flags & ~(abi::kInCloExec | abi::kInNonBlock)) != 0) return Errno::kEINVAL;
  Registry& registry = TheRegistry();
  RefPtr<Inotify> instance;
  MutexLock lock(registry.mu);
  std::erase_if(registry.users, [](const auto& u) { return u.second->instances == 0 && u.second->watches == 0; });
  RefPtr<UserCounts>& user = registry.users[ctx.creds->euid];
  if (!user) user = MakeRef<UserCounts>();
  if (!Charge(user->instances, InotifyLimits::Get().max_user_instances)) return Errno::kEMFILE;
  instance = MakeRef<Inotify>(InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:inotify"),
                              abi::kORdOnly | (flags & abi::kInNonBlock), user);
  registry.instances.push_back(instance.get());
  return RefPtr<FileDescription>(std::move(instance));
}

void Inotify::LastRefDropped() {
  {
    Registry& registry = TheRegistry();
    MutexLock lock(registry.mu);
    std::erase(registry.instances, this);
  }
  for (const RefPtr<InotifyWatch>& watch : WatchesOf(nullptr)) watch->inode->watches()->Drop(*watch);
  user_->instances.fetch_sub(1, std::memory_order_relaxed);
  FileDescription::LastRefDropped();
}

std::vector<RefPtr<InotifyWatch>> Inotify::WatchesOf(const FileSystem* fs) {
  std::vector<RefPtr<InotifyWatch>> watches;
  MutexLock lock(mu_);
  for (const auto& [wd, watch] : watches_) {
    if (fs == nullptr || &watch->inode->fs() == fs) watches.push_back(watch);
  }
  return watches;
}

void Inotify::FileSystemGone(const FileSystem& fs) {
  std::vector<RefPtr<Inotify>> instances;
  {
    Registry& registry = TheRegistry();
    MutexLock lock(registry.mu);
    for (Inotify* instance : registry.instances) {
      if (instance->TryIncRef()) instances.push_back(RefPtr<Inotify>::Adopt(instance));
    }
  }
  for (const RefPtr<Inotify>& instance : instances) {
    for (const RefPtr<InotifyWatch>& watch : instance->WatchesOf(&fs)) {
      watch->inode->watches()->End(*watch, abi::kInUnmount | (watch->inode->is_dir() ? abi::kInIsDir : 0));
    }
  }
}

// --- Watches ---

Result<int32_t> Inotify::AddWatch(const Path& path, uint32_t mask) {
  return path.dentry->inode_ptr()->MakeWatches().Add(*this, path.dentry, mask);
}

Result<void> Inotify::RemoveWatch(int32_t wd) {
  RefPtr<InotifyWatch> watch;
  {
    MutexLock lock(mu_);
    const auto it = watches_.find(wd);
    if (it == watches_.end()) return Errno::kEINVAL;
    watch = it->second;
  }
  watch->inode->watches()->End(*watch);
  return Ok();
}

// Numbers go up, as in Linux, so that an old one does not soon name another watch.
Result<void> Inotify::Enter(const RefPtr<InotifyWatch>& watch) {
  if (!Charge(user_->watches, InotifyLimits::Get().max_user_watches)) return Errno::kENOSPC;
  MutexLock lock(mu_);
  do {
    last_wd_ = last_wd_ == INT32_MAX ? 1 : last_wd_ + 1;
  } while (watches_.contains(last_wd_));
  watch->wd = last_wd_;
  watches_.emplace(last_wd_, watch);
  return Ok();
}

void Inotify::Leave(const InotifyWatch& watch) {
  {
    MutexLock lock(mu_);
    watches_.erase(watch.wd);  // the inode's list still holds it
  }
  user_->watches.fetch_sub(1, std::memory_order_relaxed);
}

// --- Events ---

void Inotify::PushLocked(Event event) {
  queued_bytes.fetch_add(event.size(), std::memory_order_relaxed);
  events_.push_back(std::move(event));
}

Inotify::Event Inotify::PopLocked() {
  Event event = std::move(events_.front());
  events_.pop_front();
  queued_bytes.fetch_sub(event.size(), std::memory_order_relaxed);
  if (event.mask == abi::kInQOverflow) overflowed_ = false;
  return event;
}

void Inotify::Queue(int32_t wd, const InodeEvent& event) {
  {
    MutexLock lock(mu_);
    if (events_.size() >= InotifyLimits::Get().max_queued_events ||
        queued_bytes.load(std::memory_order_relaxed) >= kMaxQueuedBytes) {
      if (overflowed_) return;
      overflowed_ = true;
      PushLocked({.wd = -1, .mask = abi::kInQOverflow, .cookie = 0, .name = {}});
    } else {
      uint32_t mask = event.mask;
      // Linux's inotify has never told it of these.
      if ((mask & (abi::kInMoveSelf | abi::kInDeleteSelf)) != 0) mask &= ~abi::kInIsDir;
      if (!events_.empty() && mask != abi::kInIgnored) {
        const Event& last = events_.back();
        if (last.wd == wd && last.mask == mask && last.name == event.name) return;
      }
      PushLocked({.wd = wd, .mask = mask, .cookie = event.cookie, .name = std::string(event.name)});
    }
  }
  wait_queue_.Notify(kIn);
}

void Inotify::WriteTo(const Event& event, std::span<std::byte> out) {
  memset(out.data(), 0, out.size());
  const abi::InotifyEvent head = {event.wd, event.mask, event.cookie, static_cast<uint32_t>(out.size() - sizeof head)};
  memcpy(out.data(), &head, sizeof head);
  memcpy(out.data() + sizeof head, event.name.data(), event.name.size());
}

Result<size_t> Inotify::Read(const VfsContext&, IoSink& dst) {
  size_t done = 0;
  while (true) {
    std::vector<std::byte> bytes;
    {
      MutexLock lock(mu_);
      if (events_.empty()) return done > 0 ? Result<size_t>(done) : Errno::kEAGAIN;
      const size_t size = events_.front().size();
      if (size > dst.remaining()) return done > 0 ? Result<size_t>(done) : Errno::kEINVAL;
      bytes.resize(size);
      WriteTo(PopLocked(), bytes);
    }
    // As Linux: the event is lost, and those before are not told of.
    if (TRY(dst.Write(bytes)) != bytes.size()) return Errno::kEFAULT;
    done += bytes.size();
  }
}

base::EventMask Inotify::Readiness(base::EventMask mask) {
  MutexLock lock(mu_);
  return events_.empty() ? 0 : mask & kIn;
}

Result<uint64_t> Inotify::Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  if (request != abi::kFioNRead) return Errno::kENOTTY;
  size_t bytes = 0;
  {
    MutexLock lock(mu_);
    for (const Event& event : events_) bytes += event.size();
  }
  TRY(UserOut<int32_t>(UserAddr(arg)).Write(*ctx.memory, static_cast<int32_t>(std::min<size_t>(bytes, INT32_MAX))));
  return 0;
}

std::string Inotify::FdInfo() {
  std::string out;
  for (const RefPtr<InotifyWatch>& watch : WatchesOf(nullptr)) {
    const Result<Attributes> attributes = watch->inode->GetAttributes(VfsContext{});
    if (!attributes.ok()) continue;
    // (Without a file handle, as from a file system that can't export.)
    out += absl::StrFormat("inotify wd:%x ino:%x sdev:%x mask:%x ignored_mask:0 \n", watch->wd, attributes->ino,
                           attributes->dev, watch->inode->watches()->MaskOf(*watch) & abi::kInAllEvents);
  }
  return out;
}

}  // namespace sentry
