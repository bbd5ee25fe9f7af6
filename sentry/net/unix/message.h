// What travels between unix sockets: bytes, who sent them, and descriptors.
// Analogous to Linux's sk_buff with unix_skb_parms.
#ifndef SENTRY_NET_UNIX_MESSAGE_H_
#define SENTRY_NET_UNIX_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ref_ptr.h"
#include "sentry/net/socket/socket.h"

namespace sentry {

class UnixEndpoint;
using Files = std::vector<RefPtr<FileDescription>>;

// Drops files that a message held. A dropped socket drops its own messages and
// so on: the nested calls only add to the outermost one's list, so that a guest
// can't make the stack deep. Called with no lock held.
void DropFiles(Files files);
// Whether this thread is in DropFiles, which will then call UnixGc::Collect once
// at its end.
bool CollectAfterDrop();

class UnixMessage {
 public:
  // What Linux charges the sender for an skb of that many bytes (skb->truesize).
  static size_t StreamCharge(size_t bytes);
  static size_t DatagramCharge(size_t bytes);

  // `charge` was added to the sender's write memory; the destructor gives it
  // back. Destroyed with no lock held.
  UnixMessage(size_t size, RefPtr<UnixEndpoint> sender, size_t charge);
  ~UnixMessage();
  UnixMessage(const UnixMessage&) = delete;
  UnixMessage& operator=(const UnixMessage&) = delete;

  std::span<std::byte> bytes() { return {heap_ ? heap_.get() : inline_, size_}; }
  std::span<const std::byte> unread() const { return {(heap_ ? heap_.get() : inline_) + read_, size_ - read_}; }
  void Consume(size_t n) { read_ += n; }
  UnixEndpoint& sender() const { return *sender_; }

  std::optional<PeerCredentials> credentials;

  // Descriptors become "in flight" (gc.h). ETOOMANYREFS.
  Result<void> AttachFiles(const Credentials& creds, Files files);
  bool has_files() const { return !files_.empty(); }
  const Files& files() const { return files_; }
  Files DetachFiles();
  Files PeekFiles() const;  // copies, for MSG_PEEK

 private:
  static constexpr size_t kInline = 128;

  const size_t size_;
  size_t read_ = 0;
  const size_t charge_;
  const RefPtr<UnixEndpoint> sender_;
  Files files_;
  uint32_t files_uid_ = 0;
  std::unique_ptr<std::byte[]> heap_;
  std::byte inline_[kInline];
};

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_MESSAGE_H_
