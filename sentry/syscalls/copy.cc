// Bytes from one descriptor to another. They go through a kernel buffer of
// bounded size and leave their source only once their sink has them, so that
// nothing is lost where the sink would block: files are read at an offset that
// moves afterwards, sockets with MSG_PEEK first, pipes by tee into a pipe of ours.
#include <algorithm>

#include "sentry/abi/socket.h"
#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/net/socket/socket.h"
#include "sentry/syscalls/file_args.h"
#include "sentry/syscalls/file_io.h"
#include "sentry/syscalls/handlers.h"
#include "sentry/vfs/notify.h"

namespace sentry {
namespace {

constexpr uint32_t kSpliceMove = 1, kSpliceNonBlock = 2, kSpliceMore = 4, kSpliceGift = 8;
constexpr uint32_t kSpliceAll = kSpliceMove | kSpliceNonBlock | kSpliceMore | kSpliceGift;

using File = RefPtr<FileDescription>;
using Buffer = std::vector<std::byte>;

Result<Buffer> ReadChunk(const VfsContext& ctx, FileDescription& file, uint64_t offset, size_t count) {
  Buffer buf(std::min(count, kIoChunk));
  KernelIoSink sink(buf);
  buf.resize(TRY(file.ReadAt(ctx, sink, offset)));
  if (!buf.empty()) notify::Accessed(file);
  return buf;
}

// Where a call reads or writes: at the caller's offset, or at the file's own.
class Cursor {
 public:
  static Result<Cursor> Make(Task& task, const VfsContext& ctx, FileDescription& file, UserInOut<int64_t> pointer) {
    Cursor c(file, pointer);
    const int64_t at = pointer ? TRY(pointer.Read(task.mm())) : TRY(file.Seek(ctx, 0, abi::kSeekCur));
    if (at < 0) return Errno::kEINVAL;
    c.at_ = static_cast<uint64_t>(at);
    return c;
  }
  uint64_t at() const { return at_; }
  void Advance(uint64_t n) { at_ += n; }
  Result<void> Store(Task& task, const VfsContext& ctx) const {
    const int64_t at = static_cast<int64_t>(at_);
    if (pointer_) return pointer_.Write(task.mm(), at);
    TRY(file_->Seek(ctx, at, abi::kSeekSet));
    return Ok();
  }

 private:
  Cursor(FileDescription& file, UserInOut<int64_t> pointer) : file_(&file), pointer_(pointer) {}
  FileDescription* file_;
  UserInOut<int64_t> pointer_;
  uint64_t at_ = 0;
};

// From a file with offsets to anything: the heart of sendfile, and of splice to
// a pipe. `to` moves too where it is one. What was done, or why nothing was.
Interruptible<size_t> Transfer(Task& task, const VfsContext& ctx, FileDescription& in, Cursor& from,
                               FileDescription& out, Cursor* to, uint64_t count, Wait wait) {
  size_t done = 0;
  while (done < count) {
    const Result<Buffer> chunk = ReadChunk(ctx, in, from.at(), count - done);
    if (!chunk.ok()) return done > 0 ? Interruptible<size_t>(done) : Interruptible<size_t>(chunk.error());
    if (chunk->empty()) break;
    KernelIoSource source(*chunk);
    const std::optional<uint64_t> at = to != nullptr ? std::optional(to->at()) : std::nullopt;
    auto n = WriteFile(task, ctx, out, source, at, wait);
    if (!n.ok()) return done > 0 ? Interruptible<size_t>(done) : n;
    from.Advance(n.value());
    if (to != nullptr) to->Advance(n.value());
    done += n.value();
    if (n.value() < chunk->size() || task.interrupted()) break;
  }
  return done;
}

// A wait on two queues: a pipe that is to have data and one that is to have room.
template <typename Attempt>
Interruptible<size_t> BlockOnBoth(Task& task, base::WaitQueue& source, base::WaitQueue& sink, Attempt attempt) {
  TaskWaiter on_source(task, base::kReadableEvents);
  TaskWaiter on_sink(task, base::kWritableEvents);
  source.Add(on_source);
  sink.Add(on_sink);
  Interruptible<size_t> result = Errno::kEAGAIN;
  while (true) {
    task.PrepareToSleep();
    const Result<size_t> n = attempt();
    if (!n.Is(Errno::kEAGAIN)) {
      result = n;
      break;
    }
    if (task.Sleep(std::nullopt) == Task::WakeReason::kInterrupted) {
      result = Restart::kSys;
      break;
    }
  }
  source.Remove(on_source);
  sink.Remove(on_sink);
  return result;
}

template <typename Attempt>
SyscallResult BetweenPipes(Task& task, PipeEnd& in, PipeEnd& out, uint32_t flags, Attempt attempt) {
  if (&in.pipe() == &out.pipe()) return Errno::kEINVAL;
  const bool never = (flags & kSpliceNonBlock) != 0 || in.nonblocking() || out.nonblocking();
  Interruptible<size_t> n = attempt();
  if (!never && !n.ok()) {
    const SyscallError error = n.error();
    if (error.errno_if() != nullptr && *error.errno_if() == Errno::kEAGAIN) {
      n = BlockOnBoth(task, in.pipe().wait_queue(), out.pipe().wait_queue(), attempt);
    }
  }
  if (!n.ok()) {
    const SyscallError error = n.error();
    if (error.errno_if() != nullptr && *error.errno_if() == Errno::kEPIPE) task.SendKernelSignal(abi::kSigPipe);
  }
  return n;
}

// What a pipe holds, up to a chunk, without taking it.
Result<Buffer> PeekPipe(const VfsContext& ctx, Pipe& pipe, size_t count) {
  const RefPtr<Pipe> copy = MakeRef<Pipe>(*ctx.creds, false);
  TRY(copy->OpenEnds(true, true, Pipe::NeedReader::kNo));
  Buffer buf(TRY(Pipe::Tee(pipe, *copy, std::min(count, kIoChunk))));
  size_t got = 0;
  while (got < buf.size()) {
    KernelIoSink sink(std::span<std::byte>(buf).subspan(got));
    const Result<size_t> n = copy->Read(sink);
    if (!n.ok() || *n == 0) break;
    got += *n;
  }
  buf.resize(got);
  return buf;
}

void DropFromPipe(Pipe& pipe, size_t count) {
  Buffer trash(count);
  while (count > 0) {
    KernelIoSink sink(std::span<std::byte>(trash).first(count));
    const Result<size_t> n = pipe.Read(sink);
    if (!n.ok() || *n == 0) return;
    count -= *n;
  }
}

Interruptible<size_t> PipeToFile(Task& task, const VfsContext& ctx, PipeEnd& in, FileDescription& out, Cursor* to,
                                 uint64_t count, Wait wait) {
  size_t done = 0;
  while (done < count) {
    // Linux waits for the first byte only.
    const Wait wait_in = done > 0 ? Wait::kNever : wait;
    auto chunk =
        BlockForIo(task, in, base::kReadableEvents, wait_in, [&] { return PeekPipe(ctx, in.pipe(), count - done); });
    if (!chunk.ok()) return done > 0 ? Interruptible<size_t>(done) : Interruptible<size_t>(chunk.error());
    if (chunk.value().empty()) break;
    KernelIoSource source(chunk.value());
    const std::optional<uint64_t> at = to != nullptr ? std::optional(to->at()) : std::nullopt;
    auto n = WriteFile(task, ctx, out, source, at, wait);
    if (!n.ok()) return done > 0 ? Interruptible<size_t>(done) : n;
    DropFromPipe(in.pipe(), n.value());
    if (to != nullptr) to->Advance(n.value());
    done += n.value();
    if (n.value() < chunk.value().size() || task.interrupted()) break;
  }
  return done;
}

Interruptible<int> WaitForRoom(Task& task, PipeEnd& out, Wait wait) {
  return BlockForIo(task, out, base::kWritableEvents, wait, [&]() -> Result<int> {
    if (out.Readiness(base::kEventOut | base::kEventErr) == 0) return Errno::kEAGAIN;
    return 0;
  });
}

// From a file with offsets into a pipe, once: as much as the pipe takes now, as
// Linux's splice_file_to_pipe.
Interruptible<size_t> FileToPipe(Task& task, const VfsContext& ctx, FileDescription& in, Cursor& from, PipeEnd& out,
                                 uint64_t count, Wait wait) {
  while (true) {
    TRY(WaitForRoom(task, out, wait));
    auto n = Transfer(task, ctx, in, from, out, nullptr, count, Wait::kNever);
    if (n.ok() || wait == Wait::kNever || out.nonblocking()) return n;
    const SyscallError error = n.error();
    // Another writer was faster.
    if (error.errno_if() == nullptr || *error.errno_if() != Errno::kEAGAIN) return n;
  }
}

// From a file without offsets (socket, terminal) into a pipe, once: what is
// there, after the pipe has room for it.
Interruptible<size_t> StreamToPipe(Task& task, const VfsContext& ctx, FileDescription& in, PipeEnd& out, uint64_t count,
                                   Wait wait) {
  TRY(WaitForRoom(task, out, wait));
  Buffer buf(std::min<size_t>(count, kPipeBuf));
  const bool socket = in.kind() == Socket::Kind();
  auto got = BlockForIo(task, in, base::kReadableEvents, wait, [&]() -> Result<size_t> {
    KernelIoSink sink(buf);
    if (!socket) return in.Read(ctx, sink);
    return TRY(static_cast<Socket&>(in).ReceiveMessage(ctx, sink, abi::kMsgPeek)).bytes;
  });
  if (!got.ok()) return got;
  if (got.value() == 0) return size_t{0};
  KernelIoSource source(std::span<const std::byte>(buf).first(std::min(got.value(), buf.size())));
  // What is no socket's has been taken: it must go in whatever the flags say.
  const size_t n = TRY(WriteFile(task, ctx, out, source, std::nullopt, socket ? wait : Wait::kByFile));
  if (socket) {
    KernelIoSink sink(std::span<std::byte>(buf).first(n));
    (void)in.Read(ctx, sink);  // a peek showed the bytes; only another reader could have them now
  }
  return n;
}

Result<void> CheckRange(uint64_t offset, uint64_t count) {
  return offset + count > static_cast<uint64_t>(INT64_MAX) ? Errno::kEINVAL : Ok();
}

SyscallResult SpliceFromPipe(Task& task, PipeEnd& in, FileDescription& out, UserInOut<int64_t> out_offset,
                             uint64_t count, Wait wait) {
  const VfsContext ctx = task.vfs_context();
  if ((out.flags() & abi::kOAppend) != 0) return Errno::kEINVAL;
  if (!out.seekable()) {
    if (out_offset) return Errno::kEINVAL;
    return PipeToFile(task, ctx, in, out, nullptr, count, wait);
  }
  Cursor to = TRY(Cursor::Make(task, ctx, out, out_offset));
  TRY(CheckRange(to.at(), count));
  const size_t n = TRY(PipeToFile(task, ctx, in, out, &to, count, wait));
  TRY(to.Store(task, ctx));
  return n;
}

SyscallResult SpliceToPipe(Task& task, FileDescription& in, UserInOut<int64_t> in_offset, PipeEnd& out, uint64_t count,
                           Wait wait) {
  const VfsContext ctx = task.vfs_context();
  if (!in.seekable()) {
    if (in_offset) return Errno::kEINVAL;
    return StreamToPipe(task, ctx, in, out, count, wait);
  }
  Cursor from = TRY(Cursor::Make(task, ctx, in, in_offset));
  TRY(CheckRange(from.at(), count));
  const size_t n = TRY(FileToPipe(task, ctx, in, from, out, count, wait));
  TRY(from.Store(task, ctx));
  return n;
}

}  // namespace

SyscallResult SysSendfile(Task& task, Fd out_fd, Fd in_fd, UserInOut<int64_t> offset, Size size) {
  if (offset) TRY(offset.Read(task.mm()));
  const File in = TRY(task.fds().GetNoPath(in_fd.value));
  if (!in->readable()) return Errno::kEBADF;
  if (!in->seekable()) return offset ? Errno::kESPIPE : Errno::kEINVAL;
  const VfsContext ctx = task.vfs_context();
  Cursor from = TRY(Cursor::Make(task, ctx, *in, offset));
  const uint64_t count = std::min<uint64_t>(size.value, kMaxRwCount);
  TRY(CheckRange(from.at(), count));
  const File out = TRY(task.fds().GetNoPath(out_fd.value));
  if (!out->writable()) return Errno::kEBADF;
  if ((out->flags() & abi::kOAppend) != 0) return Errno::kEINVAL;
  const RefPtr<PipeEnd> pipe = FileCast<PipeEnd>(out);
  const size_t n = TRY(pipe ? FileToPipe(task, ctx, *in, from, *pipe, count, Wait::kByFile)
                            : Transfer(task, ctx, *in, from, *out, nullptr, count, Wait::kByFile));
  TRY(from.Store(task, ctx));
  return n;
}

namespace {

// Linux's generic_copy_file_checks.
Result<uint64_t> CheckCopy(const VfsContext& ctx, FileDescription& in, const Cursor& from, FileDescription& out,
                           const Cursor& to, uint64_t count) {
  const RefPtr<Inode> source = in.inode(), target = out.inode();
  if (!source || !target) return Errno::kEINVAL;
  if (source->is_dir() || target->is_dir()) return Errno::kEISDIR;
  if (!source->is_regular() || !target->is_regular()) return Errno::kEINVAL;
  if (!in.readable() || !out.writable() || (out.flags() & abi::kOAppend) != 0) return Errno::kEBADF;
  if (from.at() + count > INT64_MAX || to.at() + count > INT64_MAX) return Errno::kEOVERFLOW;
  const uint64_t size = TRY(source->GetAttributes(ctx)).size;
  count = from.at() >= size ? 0 : std::min(count, size - from.at());
  if (source == target && from.at() < to.at() + count && to.at() < from.at() + count) return Errno::kEINVAL;
  return std::min<uint64_t>(count, kMaxRwCount);
}

}  // namespace

SyscallResult SysCopyFileRange(Task& task, Fd in_fd, UserInOut<int64_t> in_offset, Fd out_fd,
                               UserInOut<int64_t> out_offset, Size size, uint32_t flags) {
  const File in = TRY(task.fds().GetNoPath(in_fd.value));
  const File out = TRY(task.fds().GetNoPath(out_fd.value));
  const VfsContext ctx = task.vfs_context();
  // Directories and pipes have no cursor: their errors come from the check.
  const RefPtr<Inode> source = in->inode(), target = out->inode();
  if ((source && source->is_dir()) || (target && target->is_dir())) return flags != 0 ? Errno::kEINVAL : Errno::kEISDIR;
  if (!in->seekable() || !out->seekable()) return Errno::kEINVAL;
  Cursor from = TRY(Cursor::Make(task, ctx, *in, in_offset));
  Cursor to = TRY(Cursor::Make(task, ctx, *out, out_offset));
  if (flags != 0) return Errno::kEINVAL;
  const uint64_t count = TRY(CheckCopy(ctx, *in, from, *out, to, std::min<uint64_t>(size.value, INT64_MAX)));
  const size_t n = TRY(Transfer(task, ctx, *in, from, *out, &to, count, Wait::kByFile));
  TRY(from.Store(task, ctx));
  TRY(to.Store(task, ctx));
  return n;
}

SyscallResult SysSplice(Task& task, Fd in_fd, UserInOut<int64_t> in_offset, Fd out_fd, UserInOut<int64_t> out_offset,
                        Size size, uint32_t flags) {
  if (size.value == 0) return 0;
  if ((flags & ~kSpliceAll) != 0) return Errno::kEINVAL;
  const File in = TRY(task.fds().GetNoPath(in_fd.value));
  const File out = TRY(task.fds().GetNoPath(out_fd.value));
  const RefPtr<PipeEnd> in_pipe = FileCast<PipeEnd>(in), out_pipe = FileCast<PipeEnd>(out);
  if ((in_pipe && in_offset) || (out_pipe && out_offset)) return Errno::kESPIPE;
  if (!in->readable() || !out->writable()) return Errno::kEBADF;
  const uint64_t count = std::min<uint64_t>(size.value, kMaxRwCount);
  const Wait wait = (flags & kSpliceNonBlock) != 0 ? Wait::kNever : Wait::kByFile;
  if (in_pipe && out_pipe) {
    return BetweenPipes(task, *in_pipe, *out_pipe, flags,
                        [&] { return Pipe::Splice(in_pipe->pipe(), out_pipe->pipe(), count); });
  }
  if (in_pipe) return SpliceFromPipe(task, *in_pipe, *out, out_offset, count, wait);
  if (out_pipe) return SpliceToPipe(task, *in, in_offset, *out_pipe, count, wait);
  return Errno::kEINVAL;
}

SyscallResult SysTee(Task& task, Fd in_fd, Fd out_fd, Size size, uint32_t flags) {
  if ((flags & ~kSpliceAll) != 0) return Errno::kEINVAL;
  if (size.value == 0) return 0;
  const File in = TRY(task.fds().GetNoPath(in_fd.value));
  const File out = TRY(task.fds().GetNoPath(out_fd.value));
  if (!in->readable() || !out->writable()) return Errno::kEBADF;
  const RefPtr<PipeEnd> in_pipe = FileCast<PipeEnd>(in), out_pipe = FileCast<PipeEnd>(out);
  if (!in_pipe || !out_pipe) return Errno::kEINVAL;
  const uint64_t count = std::min<uint64_t>(size.value, kMaxRwCount);
  return BetweenPipes(task, *in_pipe, *out_pipe, flags,
                      [&] { return Pipe::Tee(in_pipe->pipe(), out_pipe->pipe(), count); });
}

}  // namespace sentry
