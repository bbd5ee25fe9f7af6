// A gofer in the test's own process, serving a fresh directory.
#ifndef FSGOFER_SERVER_TEST_UTIL_H_
#define FSGOFER_SERVER_TEST_UTIL_H_

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fsgofer/protocol/client.h"
#include "fsgofer/protocol/transport.h"
#include "fsgofer/server/server.h"
#include "gtest/gtest.h"

namespace fsgofer {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/gofer_test.XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() {
    nftw(
        path_.c_str(), [](const char* p, const struct stat*, int, FTW*) { return remove(p); }, 32,
        FTW_DEPTH | FTW_PHYS);
  }
  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline void WriteHostFile(const std::string& path, std::string_view text) {
  base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
  ASSERT_TRUE(fd.valid()) << path;
  ASSERT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

inline std::string ReadFd(int fd) {
  char buffer[4096];
  const ssize_t n = pread(fd, buffer, sizeof(buffer), 0);
  return n < 0 ? "<error>" : std::string(buffer, static_cast<size_t>(n));
}

class TestGofer {
 public:
  explicit TestGofer(const std::vector<MountPoint>& mounts, size_t channels = 2,
                     const NodeTable::Limits& limits = DefaultLimits()) {
    umask(0);
    std::vector<Export> exports;
    for (const MountPoint& m : mounts) exports.push_back(std::move(OpenExport(m.host_path, m.readonly)).value());
    session_ = std::make_unique<Session>(std::move(exports), limits);
    ConnectionFds fds = std::move(MakeConnection(channels)).value();
    for (const base::UniqueFd& s : fds.server.sockets) sockets_.push_back(s.get());
    server_ = std::move(ChannelServer::Start(*session_, std::move(fds.server))).value();
    server_->Open();
    client_ = std::move(Client::Create(std::move(fds.client))).value();
  }
  ~TestGofer() {
    client_->Shutdown();
    server_->AwaitPeerGone();
    server_->Stop();
  }
  Client& client() { return *client_; }
  Session& session() { return *session_; }
  // As if the gofer had been killed.
  void KillServer() {
    for (int s : sockets_) shutdown(s, SHUT_RDWR);
    server_->Stop();
  }

  NodeId Root(uint32_t mount = 0) { return client_->Attach(mount)->node; }
  base::Result<WalkResult> Walk(NodeId dir, std::vector<std::string_view> names, OpenMode open = OpenMode::kNone) {
    return client_->Walk(dir, names, open);
  }
  // The node of a path that must be there.
  NodeId Node(NodeId dir, std::vector<std::string_view> names) {
    base::Result<WalkResult> r = Walk(dir, names);
    EXPECT_TRUE(r.ok() && r->steps.size() == names.size());
    return r.ok() && r->steps.size() == names.size() ? r->steps.back().node : 0;
  }

 private:
  std::unique_ptr<Session> session_;
  std::vector<int> sockets_;  // the server's
  std::unique_ptr<ChannelServer> server_;
  std::unique_ptr<Client> client_;
};

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_TEST_UTIL_H_
