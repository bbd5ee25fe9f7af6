#include "sentry/fs/pipe/pipe_file.h"

#include <algorithm>
#include <cstring>

#include "sentry/abi/ioctl.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

PipeEnd::PipeEnd(Path path, uint32_t flags, RefPtr<Pipe> pipe, const Pipe::OpenState& state)
    : FileDescription(std::move(path), flags),
      pipe_(std::move(pipe)),
      reads_((flags & abi::kOAccMode) != abi::kOWrOnly),
      writes_((flags & abi::kOAccMode) != abi::kORdOnly),
      opened_(state) {}

PipeEnd::~PipeEnd() { pipe_->CloseEnds(reads_, writes_); }

const void* PipeEnd::Kind() {
  static const char kTag = 0;
  return &kTag;
}

bool PipeEnd::open_pending() const {
  if (!pipe_->is_fifo() || nonblocking() || (reads_ && writes_)) return false;
  const Pipe::Openings now = pipe_->openings();
  if (reads_) return !opened_.has_writers && now.writes == opened_.openings.writes;
  return !opened_.has_readers && now.reads == opened_.openings.reads;
}

Result<size_t> PipeEnd::Read(const VfsContext&, IoSink& dst) { return pipe_->Read(dst); }

Result<size_t> PipeEnd::Write(const VfsContext&, IoSource& src) {
  return pipe_->Write(src, (flags() & abi::kODirect) != 0 ? Pipe::Mode::kPacket : Pipe::Mode::kStream);
}

base::EventMask PipeEnd::Readiness(base::EventMask mask) {
  base::EventMask ready = pipe_->Readiness();
  if (!reads_) ready &= ~(base::kEventIn | base::kEventRdNorm | base::kEventHup);
  if (!writes_) ready &= ~(base::kEventOut | base::kEventWrNorm | base::kEventErr);
  // A fifo's reader that never had a writer has not been hung up on.
  if ((ready & base::kEventHup) != 0 && pipe_->is_fifo() && !opened_.has_writers &&
      pipe_->openings().writes == opened_.openings.writes) {
    ready &= ~base::kEventHup;
  }
  return ready & mask;
}

Result<uint64_t> PipeEnd::Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) {
  if (request != abi::kFioNRead) return Errno::kENOTTY;
  if (ctx.memory == nullptr) return Errno::kEFAULT;
  const int32_t bytes = static_cast<int32_t>(std::min<size_t>(pipe_->bytes_queued(), INT32_MAX));
  TRY(CopyOutFull(*ctx.memory, UserAddr(arg), std::as_bytes(std::span(&bytes, 1))));
  return uint64_t{0};
}

PipePair NewPipe(const VfsContext& ctx, uint32_t flags) {
  RefPtr<Pipe> pipe = MakeRef<Pipe>(*ctx.creds, /*is_fifo=*/false);
  Attributes attributes;
  attributes.mode = abi::kSIfIfo | 0600;
  attributes.uid = ctx.creds->fsuid;
  attributes.gid = ctx.creds->fsgid;
  RefPtr<SimpleInode> inode = MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kPipe), attributes);
  inode->AttachIfNone(pipe);  // for /proc/PID/fd: opens the same pipe
  const Path path = InternalPath(InternalFs::kPipe, inode, "pipe:[" + std::to_string(inode->ino()) + "]");
  flags &= abi::kONonBlock | abi::kODirect;
  const Result<Pipe::OpenState> state = pipe->OpenEnds(true, true, Pipe::NeedReader::kNo);
  CHECK(state.ok());
  // O_DIRECT is the writer's alone, as in Linux.
  PipePair pair;
  pair.read_end = MakeRef<PipeEnd>(path, abi::kORdOnly | (flags & abi::kONonBlock), pipe, *state);
  pair.write_end = MakeRef<PipeEnd>(path, abi::kOWrOnly | flags, pipe, *state);
  return pair;
}

}  // namespace sentry
