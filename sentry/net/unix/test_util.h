// For the tests of unix sockets: a caller, a directory to bind in, short calls.
#ifndef SENTRY_NET_UNIX_TEST_UTIL_H_
#define SENTRY_NET_UNIX_TEST_UTIL_H_

#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "sentry/abi/socket.h"
#include "sentry/net/unix/gc.h"
#include "sentry/net/unix/unix_socket.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

// A directory in memory that knows how to make nodes.
class TestDirectory final : public SimpleInode {
 public:
  static Attributes DirAttributes() {
    Attributes a;
    a.mode = abi::kSIfDir | 0777;
    return a;
  }
  TestDirectory() : SimpleInode(InternalFileSystem(InternalFs::kMemfd), DirAttributes()) {}
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    const auto it = children_.find(std::string(name));
    if (it == children_.end()) return Errno::kENOENT;
    return it->second;
  }
  Result<RefPtr<Inode>> Create(const VfsContext&, std::string_view name, const CreateArgs& args) override {
    Attributes a;
    a.mode = args.mode;
    a.uid = args.uid;
    a.gid = args.gid;
    RefPtr<Inode> inode = MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kMemfd), a);
    children_[std::string(name)] = inode;
    return inode;
  }
  Result<void> Unlink(const VfsContext&, std::string_view name, Inode&) override {
    children_.erase(std::string(name));
    return Ok();
  }

 private:
  std::map<std::string, RefPtr<Inode>> children_;
};

class UnixSocketTest : public ::testing::Test {
 protected:
  UnixSocketTest() {
    ctx_.creds = MakeRef<Credentials>();
    ctx_.process = process_.get();
    auto root = Dentry::NewRoot(MakeRef<TestDirectory>());
    auto mount = MakeRef<Mount>(InternalFileSystem(InternalFs::kMemfd), root, MountFlags{});
    mounts_ = MakeRef<MountNamespace>(mount);
    ctx_.mounts = mounts_.get();
    ctx_.root = ctx_.cwd = mounts_->root();
  }

  using S = RefPtr<Socket>;
  S New(int type, uint32_t flags = 0) { return *NewUnixSocket(ctx_, names_, type, 0, flags); }
  SocketPair Pair(int type, uint32_t flags = 0) { return *NewUnixSocketPair(ctx_, names_, type, 0, flags); }
  // "@x" is abstract.
  static SocketAddress Address(std::string_view name) {
    UnixName n;
    n.kind = name.starts_with("@") ? UnixName::Kind::kAbstract : UnixName::Kind::kPath;
    n.text = name.starts_with("@") ? name.substr(1) : name;
    return n.ToBytes();
  }
  S Listener(std::string_view name, int type = abi::kSockStream, int backlog = 5) {
    S s = New(type);
    s->Bind(ctx_, Address(name)).value();
    s->Listen(ctx_, backlog).value();
    return s;
  }
  Result<void> Connect(const S& s, std::string_view name) { return s->Connect(ctx_, Address(name)); }
  Result<S> Accept(const S& s) { return s->Accept(ctx_, 0, nullptr); }

  Result<size_t> Send(const S& s, std::string_view bytes, std::string_view to = "", ControlData control = {},
                      uint32_t flags = 0) {
    KernelIoSource src(std::as_bytes(std::span(bytes)));
    return s->SendMessage(ctx_, src, to.empty() ? SocketAddress{} : Address(to), std::move(control), flags);
  }
  struct Got {
    std::string bytes;
    ReceiveResult result;
  };
  Result<Got> Receive(const S& s, size_t max, uint32_t flags = 0) {
    Got got;
    got.bytes.resize(max);
    KernelIoSink dst(std::as_writable_bytes(std::span(got.bytes)));
    got.result = TRY(s->ReceiveMessage(ctx_, dst, flags));
    got.bytes.resize(std::min(max, got.result.bytes));
    return got;
  }
  // The bytes, or "!N" for error N.
  std::string Text(const S& s, size_t max = 100, uint32_t flags = 0) {
    const Result<Got> got = Receive(s, max, flags);
    return got.ok() ? got->bytes : "!" + std::to_string(static_cast<int>(got.error()));
  }
  base::EventMask Ready(const S& s) { return s->Readiness(~base::EventMask{0}); }
  template <typename T>
  T Option(const S& s, int name) {
    const OptionValue v = *s->GetOption(ctx_, abi::kSolSocket, name, 100);
    T out{};
    memcpy(&out, v.data(), std::min(v.size(), sizeof(out)));
    return out;
  }
  Result<void> SetOption(const S& s, int name, int32_t value) {
    return s->SetOption(ctx_, abi::kSolSocket, name, std::as_bytes(std::span(&value, 1)));
  }

  RefPtr<Pid> NewProcess(int32_t id) { return MakeRef<Pid>(pid_ns_, std::vector<int32_t>{id}); }

  RefPtr<PidNamespace> pid_ns_ = MakeRef<PidNamespace>(nullptr, SIZE_MAX);
  RefPtr<Pid> process_ = NewProcess(7);
  VfsContext ctx_;
  RefPtr<MountNamespace> mounts_;
  RefPtr<UnixNamespace> names_ = MakeRef<UnixNamespace>();
};

inline const std::string kAgain = "!11", kReset = "!104";

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_TEST_UTIL_H_
