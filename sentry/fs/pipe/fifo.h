// Opening fifos (man 7 fifo). Analogous to Linux's fifo_open.
#ifndef SENTRY_FS_PIPE_FIFO_H_
#define SENTRY_FS_PIPE_FIFO_H_

#include "sentry/vfs/file_description.h"

namespace sentry {

// For SpecialFiles::SetFifo. Also opens anonymous pipes again, through
// /proc/PID/fd. ENXIO: O_WRONLY | O_NONBLOCK and no reader.
Result<RefPtr<FileDescription>> OpenFifo(const VfsContext& ctx, const Path& path, uint32_t flags);

// Whether open(2) has to wait for the other side before it gives `file` out:
// ask again after each notification of file.wait_queue(). Dropping the
// description (EINTR) takes the opener back. False for any other file.
bool FifoOpenPending(const RefPtr<FileDescription>& file);

}  // namespace sentry

#endif  // SENTRY_FS_PIPE_FIFO_H_
