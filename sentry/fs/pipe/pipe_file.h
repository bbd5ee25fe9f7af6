// The open ends of a pipe, and pipe2(2).
#ifndef SENTRY_FS_PIPE_PIPE_FILE_H_
#define SENTRY_FS_PIPE_PIPE_FILE_H_

#include <string>
#include <utility>

#include "sentry/fs/pipe/pipe.h"
#include "sentry/vfs/file_description.h"

namespace sentry {

// One description of a pipe or fifo: reader, writer, or both (O_RDWR).
class PipeEnd final : public FileDescription {
 public:
  // The end was counted by OpenEnds, with `state`; its destructor gives it back.
  PipeEnd(Path path, uint32_t flags, RefPtr<Pipe> pipe, const Pipe::OpenState& state);

  Pipe& pipe() { return *pipe_; }
  // A fifo opened without O_NONBLOCK while its other side was closed: true
  // until somebody opened that side. Meanwhile nobody else sees this object.
  bool open_pending() const;

  // A short count of Write on a blocking pipe: the caller goes on until all is
  // written, waiting at EAGAIN.
  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override;
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override;
  base::EventMask Readiness(base::EventMask mask) override;
  base::WaitQueue* wait_queue() override { return &pipe_->wait_queue(); }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override;
  Result<void> Sync(const VfsContext&) override { return Errno::kEINVAL; }
  const void* kind() const override { return Kind(); }
  static const void* Kind();

 private:
  ~PipeEnd() override;

  const RefPtr<Pipe> pipe_;
  const bool reads_;
  const bool writes_;
  const Pipe::OpenState opened_;
};

struct PipePair {
  RefPtr<FileDescription> read_end;
  RefPtr<FileDescription> write_end;
};
// pipe2(2): flags O_NONBLOCK and O_DIRECT (O_CLOEXEC is the descriptor's).
PipePair NewPipe(const VfsContext& ctx, uint32_t flags);

}  // namespace sentry

#endif  // SENTRY_FS_PIPE_PIPE_FILE_H_
