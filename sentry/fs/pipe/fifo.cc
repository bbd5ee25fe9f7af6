#include "sentry/fs/pipe/fifo.h"

#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/vfs/dentry.h"

namespace sentry {

Result<RefPtr<FileDescription>> OpenFifo(const VfsContext& ctx, const Path& path, uint32_t flags) {
  RefPtr<Inode> inode = path.dentry->inode();
  if (!inode) return Errno::kENXIO;
  // Whoever attaches to an inode of type S_IFIFO attaches a Pipe.
  RefPtr<base::RefCounted> attached = inode->attachment();
  if (!attached) attached = inode->AttachIfNone(MakeRef<Pipe>(*ctx.creds, /*is_fifo=*/true));
  RefPtr<Pipe> pipe(static_cast<Pipe*>(attached.get()));

  const uint32_t access = flags & abi::kOAccMode;
  if (access == abi::kOAccMode) return Errno::kEINVAL;
  const bool needs_reader = access == abi::kOWrOnly && (flags & abi::kONonBlock) != 0 && pipe->is_fifo();
  const Pipe::OpenState state = TRY(pipe->OpenEnds(access != abi::kOWrOnly, access != abi::kORdOnly,
                                                   needs_reader ? Pipe::NeedReader::kYes : Pipe::NeedReader::kNo));
  return RefPtr<FileDescription>(MakeRef<PipeEnd>(path, flags, std::move(pipe), state));
}

bool FifoOpenPending(const RefPtr<FileDescription>& file) {
  const RefPtr<PipeEnd> end = FileCast<PipeEnd>(file);
  return end && end->open_pending();
}

}  // namespace sentry
