// One end of unix socket traffic. Analogous to Linux's struct unix_sock, without
// the file: peers hold the endpoint, and only the file's end (Release) cuts them
// off. The parts are in endpoint.cc (life, readiness), connect.cc (names and
// connections), stream.cc and datagram.cc (data).
#ifndef SENTRY_NET_UNIX_ENDPOINT_H_
#define SENTRY_NET_UNIX_ENDPOINT_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/wait_queue.h"
#include "sentry/net/socket/options.h"
#include "sentry/net/socket/socket.h"
#include "sentry/net/unix/address.h"
#include "sentry/net/unix/message.h"

namespace sentry {

class UnixBinding;

// Whether a call that finds nothing may wait: some answers differ when not.
enum class Blocking : uint8_t { kNo, kYes };
// What a receiver asks for: read(2) does without the sender's address and
// drops descriptors.
enum class Want : uint8_t { kBytes, kMessage };

class UnixEndpoint final : public base::RefCounted {
 public:
  UnixEndpoint(RefPtr<UnixNamespace> names, int type);

  int type() const { return type_; }
  base::WaitQueue& wait_queue() { return wait_queue_; }
  SocketOptions& options() { return options_; }
  const RefPtr<UnixNamespace>& names() const { return names_; }

  // --- Names and connections (connect.cc) ---
  Result<void> Bind(const VfsContext& ctx, const UnixName& name);
  Result<void> Listen(const VfsContext& ctx, int backlog);
  // EAGAIN: none waits; EINVAL: not listening.
  Result<RefPtr<UnixEndpoint>> Accept(Blocking blocking);
  Result<void> Connect(const VfsContext& ctx, std::span<const std::byte> address);
  static void ConnectPair(const VfsContext& ctx, UnixEndpoint& a, UnixEndpoint& b);
  UnixName name() const;
  Result<UnixName> PeerName() const;  // ENOTCONN

  // --- Life (endpoint.cc) ---
  Result<void> Shutdown(int how);
  // The file is gone, or (embryo) its listener before it was accepted.
  enum class Reason : uint8_t { kClosed, kEmbryo };
  void Release(Reason reason);
  base::EventMask Readiness(base::EventMask mask);
  bool listening() const;
  int32_t TakeError();  // SO_ERROR
  struct Identity {     // SO_PEERCRED, SO_PEERGROUPS; no creds: unknown
    RefPtr<Pid> pid;
    RefPtr<Credentials> creds;
  };
  Identity peer_identity() const;
  Result<size_t> BytesToRead() const;  // SIOCINQ
  size_t write_memory() const { return write_memory_.load(std::memory_order_relaxed); }
  void ReturnWriteMemory(size_t charge);

  std::atomic<bool> pass_credentials{false};  // SO_PASSCRED
  std::atomic<int32_t> peek_offset{-1};       // SO_PEEK_OFF

  // --- Data (stream.cc, datagram.cc) ---
  Result<size_t> Send(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to, ControlData control,
                      uint32_t flags);
  Result<ReceiveResult> Receive(IoSink& dst, uint32_t flags, Blocking blocking, Want want);

  // --- For gc.cc: files in this queue, or in those of embryos ---
  void AppendQueuedFiles(std::vector<FileDescription*>* out) const;
  void TakeMessagesWithFiles(std::vector<std::unique_ptr<UnixMessage>>* out);

 private:
  enum class State : uint8_t { kClosed, kListening, kEstablished };
  static constexpr uint8_t kReceiveShut = 1, kSendShut = 2, kBothShut = 3;
  using Queue = std::deque<std::unique_ptr<UnixMessage>>;

  ~UnixEndpoint() override;

  bool is_stream() const;    // SOCK_STREAM
  bool is_datagram() const;  // SOCK_DGRAM; SOCK_SEQPACKET is neither
  bool dead() const { return dead_.load(std::memory_order_acquire); }
  bool Writable() const;

  // connect.cc
  Result<void> BindPath(const VfsContext& ctx, const UnixName& name);
  Result<void> Autobind();  // unless bound
  Result<void> StartBind();
  Result<void> FinishBind(Result<UnixName> name, RefPtr<UnixBinding> binding, Path path);
  Result<RefPtr<UnixEndpoint>> FindOther(const VfsContext& ctx, const UnixName& name) const;
  Result<void> ConnectStream(const VfsContext& ctx, const UnixName& name);
  Result<void> ConnectDatagram(const VfsContext& ctx, const UnixName* name);
  Result<RefPtr<UnixEndpoint>> SwapPeer(const RefPtr<UnixEndpoint>& other, Queue* dropped);
  void Disconnected(const RefPtr<UnixEndpoint>& old);
  void InitAccepted(const VfsContext& ctx, RefPtr<UnixEndpoint> client, UnixName name);
  void SetError(Errno e) { error_.store(static_cast<int32_t>(e), std::memory_order_relaxed); }
  Result<void> PendingError();  // takes it

  // endpoint.cc
  // Waits for room in this queue: `waiter` is notified (kEventOut) then.
  void AddWriteWaiter(UnixEndpoint& waiter) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyWriteWaiters();
  bool QueueFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return queue_.size() + embryos_.size() > backlog_; }
  bool PeerHasRoom();

  // stream.cc
  Result<size_t> SendStream(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to, ControlData control);
  Result<ReceiveResult> ReceiveStream(IoSink& dst, bool peek, Want want);
  enum class Position : uint8_t { kFirst, kLater };
  Result<UnixMessage*> FindUnread(size_t* index, size_t* skip, Position position);
  std::unique_ptr<UnixMessage> ConsumeStream(UnixMessage& message, size_t n);

  // datagram.cc
  Result<size_t> SendDatagram(const VfsContext& ctx, IoSource& src, std::span<const std::byte> to, ControlData control);
  Result<void> DeliverDatagram(const VfsContext& ctx, UnixEndpoint& other, std::unique_ptr<UnixMessage>& message);
  Errno PeerIsDead(const UnixEndpoint& other);
  Result<ReceiveResult> ReceiveDatagram(IoSink& dst, uint32_t flags, Blocking blocking, Want want);
  Result<UnixMessage*> NextDatagram(bool peek, Blocking blocking, size_t* skip, std::unique_ptr<UnixMessage>* taken);

  // endpoint.cc: both kinds of data.
  Result<void> ReserveWrite(size_t charge);  // the pending error, EAGAIN
  bool SendIsShut() const;
  void FillAddress(const UnixMessage& message, SocketAddress* from) const;
  void MaybeAddCredentials(const VfsContext& ctx, UnixMessage& message, const UnixEndpoint& other) const;
  void MovePeekOffset(bool peek, size_t bytes);
  void FillCredentials(const UnixMessage& message, ControlData* control) const;

  const RefPtr<UnixNamespace> names_;
  const int type_;
  base::WaitQueue wait_queue_;
  SocketOptions options_;
  std::atomic<size_t> write_memory_{0};  // charge of our messages in others' queues
  std::atomic<int32_t> error_{0};        // sk_err
  std::atomic<bool> dead_{false};        // set once, by Release
  std::atomic<bool> has_file_{true};     // false: an embryo, not yet accepted

  // Rank kFileDescription: one receiver at a time, held over its user copy, so
  // that the message it copies from stays in the queue (Linux's u->iolock).
  base::RankedMutex<base::LockRank::kFileDescription> receive_mu_;

  // Rank kUnixSocket; two at once in address order (MutexPairLock). Held over no
  // user copy, no vfs call, no notification, and no release of a message.
  mutable base::RankedMutex<base::LockRank::kUnixSocket> mu_;
  State state_ ABSL_GUARDED_BY(mu_) = State::kClosed;
  uint8_t shutdown_ ABSL_GUARDED_BY(mu_) = 0;
  bool binding_ ABSL_GUARDED_BY(mu_) = false;
  bool bound_ ABSL_GUARDED_BY(mu_) = false;
  UnixName name_ ABSL_GUARDED_BY(mu_);
  RefPtr<UnixBinding> binding_on_path_ ABSL_GUARDED_BY(mu_);
  Path path_ ABSL_GUARDED_BY(mu_);                  // keeps the inode that we are attached to
  RefPtr<UnixEndpoint> peer_ ABSL_GUARDED_BY(mu_);  // until Release
  Identity peer_identity_ ABSL_GUARDED_BY(mu_);
  Queue queue_ ABSL_GUARDED_BY(mu_);
  // A listener's: connections to be accepted. Datagrams: the bound on queue_.
  std::deque<RefPtr<UnixEndpoint>> embryos_ ABSL_GUARDED_BY(mu_);
  size_t backlog_ ABSL_GUARDED_BY(mu_) = 10;  // net.unix.max_dgram_qlen
  std::map<UnixEndpoint*, RefPtr<UnixEndpoint>> write_waiters_ ABSL_GUARDED_BY(mu_);
  size_t prune_waiters_at_ ABSL_GUARDED_BY(mu_) = 16;
};

// What hangs on a socket's inode: the endpoint bound there, until it is gone.
class UnixBinding final : public base::RefCounted {
 public:
  explicit UnixBinding(RefPtr<UnixEndpoint> endpoint) : endpoint_(std::move(endpoint)) {}
  RefPtr<UnixEndpoint> endpoint() const {
    base::MutexLock lock(mu_);
    return endpoint_;
  }
  void Clear() {
    RefPtr<UnixEndpoint> dropped;  // after the lock
    base::MutexLock lock(mu_);
    std::swap(dropped, endpoint_);
  }

 private:
  ~UnixBinding() override = default;
  mutable base::RankedMutex<base::LockRank::kLeaf> mu_;
  RefPtr<UnixEndpoint> endpoint_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_ENDPOINT_H_
