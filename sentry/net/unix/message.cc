#include "sentry/net/unix/message.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "sentry/net/unix/endpoint.h"
#include "sentry/net/unix/gc.h"
#include "sentry/usermem/user_addr.h"

namespace sentry {
namespace {

constexpr size_t kSkBuff = 256, kSharedInfo = 320;         // aligned sizes of Linux's structs
constexpr size_t kMaxHead = kPageSize - kSharedInfo;       // SKB_MAX_HEAD(0)
constexpr size_t kMaxAlloc = 4 * kPageSize - kSharedInfo;  // SKB_MAX_ALLOC

size_t Charge(size_t head, size_t paged) {
  return kSkBuff + std::bit_ceil(std::max<size_t>(head + kSharedInfo, 512)) + PageRoundUp(paged);
}

}  // namespace

namespace {
thread_local Files* dropping = nullptr;  // the outermost DropFiles' list
thread_local bool collect_after = false;
}  // namespace

void DropFiles(Files files) {
  if (files.empty()) return;
  if (dropping != nullptr) {
    std::move(files.begin(), files.end(), std::back_inserter(*dropping));
    return;
  }
  dropping = &files;
  while (!files.empty()) {
    const RefPtr<FileDescription> file = std::move(files.back());
    files.pop_back();
    // The file is dropped at the end of this block; it may add to `files`.
  }
  dropping = nullptr;
  if (std::exchange(collect_after, false)) UnixGc::Collect();
}

bool CollectAfterDrop() {
  if (dropping == nullptr) return false;
  return collect_after = true;
}

size_t UnixMessage::StreamCharge(size_t bytes) {
  const size_t paged = bytes <= kMaxHead ? 0 : std::min<size_t>(bytes, PageRoundUp(bytes - kMaxHead));
  return Charge(bytes - paged, paged);
}

size_t UnixMessage::DatagramCharge(size_t bytes) {
  const size_t paged = bytes <= kMaxAlloc ? 0 : std::min<size_t>(bytes, PageRoundUp(bytes - kMaxAlloc));
  return Charge(bytes - paged, paged);
}

UnixMessage::UnixMessage(size_t size, RefPtr<UnixEndpoint> sender, size_t charge)
    : size_(size), charge_(charge), sender_(std::move(sender)) {
  if (size > kInline) heap_.reset(new std::byte[size]);
}

UnixMessage::~UnixMessage() {
  sender_->ReturnWriteMemory(charge_);
  if (!files_.empty()) DropFiles(DetachFiles());
}

Result<void> UnixMessage::AttachFiles(const Credentials& creds, Files files) {
  if (!UnixGc::Attach(creds, files).ok()) {
    UnixGc::Collect();  // some may be garbage that no socket's end has collected
    TRY(UnixGc::Attach(creds, files));
  }
  files_ = std::move(files);
  files_uid_ = creds.uid;
  return Ok();
}

Files UnixMessage::DetachFiles() {
  UnixGc::Detach(files_uid_, files_);
  return std::move(files_);
}

Files UnixMessage::PeekFiles() const { return UnixGc::Copy(files_); }

}  // namespace sentry
