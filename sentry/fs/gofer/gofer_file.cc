#include "sentry/fs/gofer/gofer_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace sentry {
namespace {

// More entries than any directory that a guest should list; bounds what one
// description can hold.
constexpr size_t kMaxEntries = 4 << 20;

}  // namespace

Result<size_t> GoferFile::ReadAt(const VfsContext&, IoSink& dst, uint64_t offset) {
  const size_t chunk = std::min(dst.remaining(), kIoChunk);
  std::array<std::byte, 4096> small;
  std::unique_ptr<std::byte[]> large;
  std::byte* buffer = small.data();
  if (chunk > small.size()) {
    large = std::make_unique_for_overwrite<std::byte[]>(chunk);
    buffer = large.get();
  }
  size_t total = 0;
  while (dst.remaining() > 0) {
    const size_t want = std::min(dst.remaining(), chunk);
    if (offset + total > INT64_MAX) break;
    const ssize_t n = pread(fd_->get(), buffer, want, static_cast<off_t>(offset + total));
    if (n < 0) return total > 0 ? Result<size_t>(total) : Result<size_t>(base::HostErrno());
    if (n == 0) break;
    const Result<size_t> copied = dst.Write(std::span(buffer, static_cast<size_t>(n)));
    if (!copied.ok()) return total > 0 ? Result<size_t>(total) : copied;
    total += *copied;
    if (*copied < static_cast<size_t>(n) || static_cast<size_t>(n) < want) break;
  }
  return total;
}

Result<size_t> GoferFile::WriteAt(const VfsContext& ctx, IoSource& src, uint64_t offset) {
  if (flags() & abi::kOAppend) {
    inode_->Changed();
    offset = TRY(inode_->GetAttributes(ctx)).size;
  }
  const size_t chunk = std::min(src.remaining(), kIoChunk);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(std::max<size_t>(chunk, 1));
  size_t total = 0;
  while (src.remaining() > 0) {
    const uint64_t at = offset + total;
    if (at >= ctx.file_size_limit || at > INT64_MAX) return total > 0 ? Result<size_t>(total) : Errno::kEFBIG;
    const size_t want = std::min<uint64_t>({src.remaining(), chunk, ctx.file_size_limit - at});
    const Result<size_t> taken = src.Read(std::span(buffer.get(), want));
    if (!taken.ok()) return total > 0 ? Result<size_t>(total) : taken;
    const ssize_t n = pwrite(fd_->get(), buffer.get(), *taken, static_cast<off_t>(at));
    inode_->Changed();
    if (n < 0) {
      src.Rewind(*taken);
      return total > 0 ? Result<size_t>(total) : Result<size_t>(base::HostErrno());
    }
    total += static_cast<size_t>(n);
    if (static_cast<size_t>(n) < *taken) {
      src.Rewind(*taken - static_cast<size_t>(n));
      break;
    }
    if (*taken < want) break;
  }
  return total;
}

Result<uint64_t> GoferFile::SeekDataHole(const VfsContext& ctx, uint64_t offset, int whence) {
  if (whence == abi::kSeekEnd) return TRY(inode_->GetAttributes(ctx)).size;
  const off_t at = lseek(fd_->get(), static_cast<off_t>(offset), whence);
  if (at < 0) return base::HostErrno();
  return static_cast<uint64_t>(at);
}

Result<void> GoferFile::Fallocate(const VfsContext&, int mode, uint64_t offset, uint64_t length) {
  if (fallocate(fd_->get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
    return base::HostErrno();
  }
  inode_->Changed();
  return Ok();
}

Result<void> GoferFile::Sync(const VfsContext&) {
  if (writable() && fsync(fd_->get()) != 0) return base::HostErrno();
  return Ok();
}

Result<std::vector<DirectoryEntry>> GoferDirectory::List(const VfsContext&) {
  std::vector<DirectoryEntry> entries;
  fsgofer::DirBatch batch;
  do {
    batch = TRY(inode_->gofer_fs().client().ReadDir(inode_->node(), batch.next_cookie));
    for (fsgofer::DirEntry& e : batch.entries) {
      if (entries.size() == kMaxEntries) return Errno::kEFBIG;
      entries.push_back({std::move(e.name), e.ino, static_cast<uint32_t>(e.type) << 12});
    }
  } while (!batch.at_end);
  std::vector<LookAhead::Name> names;
  if (entries.size() <= LookAhead::kMaxNames) {
    for (const DirectoryEntry& entry : entries) names.push_back({entry.name, entry.type == abi::kSIfDir});
  }
  inode_->WasListed(std::move(names));
  return entries;
}

Result<void> GoferDirectory::Sync(const VfsContext&) { return inode_->SyncMapped(0, 0); }

}  // namespace sentry
