// The sentry's side of the netgofer.
//
// A call waits for the netgofer's answer, which never waits for a network: all
// its sockets are non-blocking. Errors are the host's. Once the netgofer is
// gone every call fails with ENETDOWN.
#ifndef NETGOFER_PROTOCOL_CLIENT_H_
#define NETGOFER_PROTOCOL_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "netgofer/protocol/wire.h"

namespace netgofer {

using Bytes = std::vector<std::byte>;

class Client {
 public:
  // One socket a channel; a channel carries one request at a time. Asks for the
  // namespace's settings, so it waits until the netgofer serves.
  static base::Result<std::unique_ptr<Client>> Create(std::vector<base::UniqueFd> sockets);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A non-blocking socket of AF_INET or AF_INET6.
  base::Result<base::UniqueFd> NewSocket(int domain, int type, int protocol);
  base::Result<void> Bind(int fd, std::span<const std::byte> address);
  // EINPROGRESS: poll tells when to call it again, for the outcome. `settle`:
  // spends a look at what loopback may have finished already.
  enum class Settle : uint8_t { kNo, kYes };
  base::Result<void> Connect(int fd, std::span<const std::byte> address, Settle settle);
  base::Result<void> Listen(int fd, int backlog);
  struct Accepted {
    base::UniqueFd fd;
    Bytes peer;
  };
  base::Result<Accepted> Accept(int fd);

  // SIOCGIF* of one interface; `ifreq` has kIfreqSize bytes, and so has the answer.
  base::Result<Bytes> Interface(uint32_t request, std::span<const std::byte> ifreq);
  // The interfaces that have an IPv4 address, as SIOCGIFCONF tells them.
  base::Result<Bytes> Interfaces();
  // The datagrams that answer one rtnetlink question. ENOBUFS: too many.
  enum class Strict : uint8_t { kNo, kYes };
  base::Result<std::vector<Bytes>> Route(std::span<const std::byte> question, Strict strict);
  base::Result<std::string> ReadProcFile(size_t index);

  bool HasProcFile(size_t index) const { return index < 64 && (hello_.proc_files >> index & 1) != 0; }
  uint32_t unprivileged_port_start() const { return hello_.unprivileged_port_start; }
  // Hangs up when the netgofer is gone; nothing else ever comes on it.
  int watch_fd() const { return watch_.get(); }
  // Makes every call fail, now and later.
  void Shutdown();

 private:
  struct Answer {
    base::UniqueFd fd;
    std::vector<Bytes> packets;
  };
  explicit Client(std::vector<base::UniqueFd> sockets);
  base::Result<Answer> Call(Op op, std::span<const std::byte> data, int fd = -1, int32_t a = 0, int32_t b = 0,
                            int32_t c = 0, uint32_t flags = 0);
  base::Result<Answer> Exchange(int socket, const Request& request, std::span<const std::byte> data, int fd);
  base::Errno Dead(const char* why);
  int TakeChannel();
  void GiveBack(int socket);

  std::vector<base::UniqueFd> sockets_;
  base::UniqueFd watch_;
  Hello hello_{};
  std::atomic<bool> dead_{false};
  // Guards the list alone: never held over a message.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  base::CondVar given_back_;
  std::vector<int> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace netgofer

#endif  // NETGOFER_PROTOCOL_CLIENT_H_
