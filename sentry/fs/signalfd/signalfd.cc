#include "sentry/fs/signalfd/signalfd.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

SignalFd::SignalFd(Path path, uint32_t flags, RefPtr<SignalSource> source, abi::SignalSet mask)
    : FileDescription(std::move(path), flags), source_(std::move(source)), mask_(mask & ~abi::kUnblockable) {}

const void* SignalFd::Kind() {
  static const char kTag = 0;
  return &kTag;
}

abi::SignalSet SignalFd::mask() const {
  base::MutexLock lock(mu_);
  return mask_;
}

void SignalFd::SetMask(abi::SignalSet mask) {
  {
    base::MutexLock lock(mu_);
    mask_ = mask & ~abi::kUnblockable;
  }
  source_->wait_queue().Notify(base::kEventIn);  // what pends may be in it now
}

Result<size_t> SignalFd::Read(const VfsContext&, IoSink& dst) {
  abi::SignalfdSiginfo info;
  if (dst.remaining() < sizeof(info)) return Errno::kEINVAL;
  const abi::SignalSet wanted = mask();
  size_t done = 0;
  while (dst.remaining() >= sizeof(info)) {
    info = {};
    if (!source_->Dequeue(wanted, &info)) break;
    // As Linux: a signal that can't be handed over is lost.
    const Result<size_t> n = dst.Write(std::as_bytes(std::span(&info, 1)));
    if (!n.ok() || *n < sizeof(info)) return done > 0 ? Result<size_t>(done) : Errno::kEFAULT;
    done += sizeof(info);
  }
  return done > 0 ? Result<size_t>(done) : Errno::kEAGAIN;
}

base::EventMask SignalFd::Readiness(base::EventMask mask) {
  return source_->Pending(this->mask()) ? mask & base::kEventIn : 0;
}

std::string SignalFd::FdInfo() { return absl::StrFormat("sigmask:\t%016x\n", mask().bits); }

Result<RefPtr<FileDescription>> NewSignalFd(const VfsContext&, RefPtr<SignalSource> source, abi::SignalSet mask,
                                            uint32_t flags) {
  if ((flags & ~(abi::kSfdCloExec | abi::kSfdNonBlock)) != 0) return Errno::kEINVAL;
  return RefPtr<FileDescription>(
      MakeRef<SignalFd>(InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:[signalfd]"),
                        abi::kORdWr | (flags & abi::kSfdNonBlock), std::move(source), mask));
}

}  // namespace sentry
