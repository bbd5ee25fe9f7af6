#include "sentry/syscalls/socket_args.h"

#include <algorithm>
#include <cstring>

#include "sentry/kernel/close.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid_table.h"

namespace sentry {
namespace {

// Linux's net.core.optmem_max: more ancillary data is ENOBUFS.
constexpr uint64_t kMaxControl = 128 << 10;

using Bytes = std::span<const std::byte>;

Result<void> AddRights(Task& task, Bytes data, ControlData& control) {
  const size_t count = data.size() / sizeof(int32_t);
  if (control.files.size() + count > abi::kScmMaxFd) return Errno::kEINVAL;
  for (size_t i = 0; i < count; ++i) {
    int32_t fd;
    memcpy(&fd, data.data() + i * sizeof(fd), sizeof(fd));
    control.files.push_back(TRY(task.fds().Get(fd)));
  }
  return Ok();
}

// Linux's scm_check_creds: who one may claim to be.
Result<PeerCredentials> CheckCredentials(Task& task, abi::Ucred claimed) {
  const Credentials& own = task.creds();
  claimed.uid = own.user_ns->ToKernelUid(claimed.uid), claimed.gid = own.user_ns->ToKernelGid(claimed.gid);
  if (claimed.uid == kInvalidId || claimed.gid == kInvalidId) return Errno::kEINVAL;
  const bool self = claimed.pid == task.own_tgid();
  const bool pid = self || own.HasIn(*task.pid_ns().owner(), Capability::kSysAdmin);
  const bool uid =
      claimed.uid == own.uid || claimed.uid == own.euid || claimed.uid == own.suid || own.HasHere(Capability::kSetuid);
  const bool gid =
      claimed.gid == own.gid || claimed.gid == own.egid || claimed.gid == own.sgid || own.HasHere(Capability::kSetgid);
  if (!pid || !uid || !gid) return Errno::kEPERM;
  RefPtr<Pid> named = self ? RefPtr<Pid>(&task.group().pid()) : task.kernel().pids().FindPid(task.IdOf(claimed.pid));
  if (!named) return Errno::kESRCH;
  return PeerCredentials{std::move(named), claimed.uid, claimed.gid};
}

Result<void> AddCredentials(Task& task, Bytes data, ControlData& control) {
  abi::Ucred claimed;
  if (data.size() != sizeof(claimed)) return Errno::kEINVAL;
  memcpy(&claimed, data.data(), sizeof(claimed));
  control.credentials = TRY(CheckCredentials(task, claimed));
  return Ok();
}

// The guest's buffer for ancillary data, filled front to back (Linux's put_cmsg).
class ControlBuffer {
 public:
  ControlBuffer(Task& task, UserAddr addr, uint64_t length) : task_(task), addr_(addr), left_(length) {}

  // How much data a record may still have.
  uint64_t Room() const { return left_ > sizeof(abi::Cmsghdr) ? left_ - sizeof(abi::Cmsghdr) : 0; }
  UserAddr data() const { return addr_ + used_ + sizeof(abi::Cmsghdr); }

  // False: it did not fit as a whole.
  bool Put(int32_t level, int32_t type, Bytes data) {
    if (left_ < sizeof(abi::Cmsghdr)) return false;
    const size_t n = std::min<uint64_t>(data.size(), Room());
    if (!CopyOutFull(task_.mm(), this->data(), data.first(n)).ok() || !PutHeader(level, type, n)) {
      return false;
    }
    Advance(data.size());
    return n == data.size();
  }
  bool PutHeader(int32_t level, int32_t type, uint64_t data_length) {
    const abi::Cmsghdr header{.len = abi::CmsgLen(data_length), .level = level, .type = type};
    return UserOut<abi::Cmsghdr>(addr_ + used_).Write(task_.mm(), header).ok();
  }
  void Advance(uint64_t data_length) {
    const uint64_t space = std::min(left_, abi::CmsgSpace(data_length));
    used_ += space;
    left_ -= space;
  }
  uint64_t used() const { return used_; }

 private:
  Task& task_;
  const UserAddr addr_;
  uint64_t used_ = 0;
  uint64_t left_;
};

// Linux's scm_detach_fds: each number is written before its descriptor counts
// as given; what finds no room is closed. False: some did not.
bool PutRights(Task& task, std::vector<RefPtr<FileDescription>>& files, ControlBuffer& buffer, CloseOnExec cloexec) {
  const size_t room = std::min<uint64_t>(files.size(), buffer.Room() / sizeof(int32_t));
  size_t done = 0;
  for (; done < room; ++done) {
    const Result<int32_t> fd = InstallFd(task, files[done], cloexec);
    if (!fd.ok()) break;
    const UserOut<int32_t> place(buffer.data() + done * sizeof(int32_t));
    if (place.Write(task.mm(), *fd).ok()) continue;
    Result<RefPtr<FileDescription>> back = task.fds().Remove(*fd);
    if (back.ok()) CloseFile(task, std::move(*back));
    break;
  }
  const uint64_t bytes = done * sizeof(int32_t);
  if (done > 0 && buffer.PutHeader(abi::kSolSocket, abi::kScmRights, bytes)) buffer.Advance(bytes);
  return done == files.size();
}

}  // namespace

Result<RefPtr<Socket>> GetSocket(Task& task, Fd fd) {
  RefPtr<Socket> socket = FileCast<Socket>(TRY(task.fds().GetNoPath(fd.value)));
  if (!socket) return Errno::kENOTSOCK;
  return socket;
}

Result<SocketAddress> ReadAddress(Task& task, UserAddr addr, int64_t length) {
  if (length < 0 || length > static_cast<int64_t>(abi::kSockaddrMax)) return Errno::kEINVAL;
  SocketAddress address(static_cast<size_t>(length));
  TRY(CopyInFull(task.mm(), addr, address));
  return address;
}

Result<void> WriteAddress(Task& task, const SocketAddress& address, UserAddr addr, UserInOut<uint32_t> length) {
  if (addr.is_null()) return Ok();
  const int32_t room = static_cast<int32_t>(TRY(length.Read(task.mm())));
  if (room < 0) return Errno::kEINVAL;
  const size_t n = std::min<size_t>(static_cast<size_t>(room), address.size());
  TRY(CopyOutFull(task.mm(), addr, Bytes(address).first(n)));
  return length.Write(task.mm(), static_cast<uint32_t>(address.size()));
}

Result<ControlData> ReadControl(Task& task, const Socket& socket, UserAddr addr, uint64_t length) {
  ControlData control;
  if (length > kMaxControl) return Errno::kENOBUFS;
  std::vector<std::byte> bytes(length);
  TRY(CopyInFull(task.mm(), addr, bytes));
  uint64_t at = 0;
  while (at + sizeof(abi::Cmsghdr) <= length) {
    abi::Cmsghdr header;
    memcpy(&header, bytes.data() + at, sizeof(header));
    if (header.len < sizeof(header) || header.len > length - at) return Errno::kEINVAL;
    const Bytes data = Bytes(bytes).subspan(at + sizeof(header), header.len - sizeof(header));
    at += abi::CmsgAlign(header.len);
    if (socket.domain() != abi::kAfUnix) {
      control.records.push_back({header.level, header.type, {data.begin(), data.end()}});
      continue;
    }
    if (header.level != abi::kSolSocket) continue;
    if (header.type == abi::kScmRights) {
      TRY(AddRights(task, data, control));
    } else if (header.type == abi::kScmCredentials) {
      TRY(AddCredentials(task, data, control));
    } else {
      return Errno::kEINVAL;
    }
  }
  return control;
}

ControlWritten WriteControl(Task& task, ControlData control, UserAddr addr, uint64_t length, CloseOnExec cloexec) {
  ControlBuffer buffer(task, addr, addr.is_null() ? 0 : length);
  bool whole = true;
  if (control.credentials) {
    const RefPtr<Pid>& pid = control.credentials->pid;
    const UserNamespace& ns = *task.creds().user_ns;
    const abi::Ucred ucred{pid ? pid->NumberIn(task.pid_ns()) : 0, ns.ShownUid(control.credentials->uid),
                           ns.ShownGid(control.credentials->gid)};
    whole = buffer.Put(abi::kSolSocket, abi::kScmCredentials, std::as_bytes(std::span(&ucred, 1)));
  }
  for (const ControlRecord& record : control.records) {
    whole = buffer.Put(record.level, record.type, record.data) && whole;
  }
  if (!control.files.empty()) whole = PutRights(task, control.files, buffer, cloexec) && whole;
  return {.length = buffer.used(), .flags = whole ? 0 : abi::kMsgCtrunc};
}

}  // namespace sentry
