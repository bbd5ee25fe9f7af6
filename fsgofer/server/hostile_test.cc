// What a client, a server or a changing host may do to the other side.
#include <dirent.h>
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <random>

#include "fsgofer/protocol/wire_buffer.h"
#include "fsgofer/server/test_util.h"

namespace fsgofer {
namespace {

using base::Errno;
using std::chrono::steady_clock;

// Sends raw bytes to a session and gives back the error of the answer (-1:
// the channel would be dropped).
class RawSession {
 public:
  explicit RawSession(const std::string& path) : session_(MakeExports(path), NodeTable::Limits{4096, 64}) { umask(0); }
  template <typename T>
  int Send(MessageType type, const T& body, std::vector<std::string> names = {}) {
    std::byte request[8192];
    WireWriter out(request);
    out.Put(RequestHeader{kMagic, 1, static_cast<uint16_t>(type), 0, 0});
    out.Put(body);
    for (const std::string& n : names) out.PutName(n);
    return SendBytes({request, out.size()});
  }
  int SendBytes(std::span<const std::byte> bytes) {
    Session::Answer answer = session_.Handle(bytes, reply_);
    if (answer.size == 0) return -1;
    ReplyHeader header;
    std::memcpy(&header, reply_.data(), sizeof(header));
    EXPECT_LE(answer.size, reply_.size());
    return header.error;
  }
  NodeId Attach() {
    EXPECT_EQ(Send(MessageType::kAttach, AttachRequest{0, 0}), 0);
    NodeAttr node;
    std::memcpy(&node, reply_.data() + sizeof(ReplyHeader), sizeof(node));
    return node.node;
  }
  Session& session() { return session_; }

 private:
  static std::vector<Export> MakeExports(const std::string& path) {
    std::vector<Export> exports;
    exports.push_back(std::move(OpenExport(path, false)).value());
    return exports;
  }
  Session session_;
  std::vector<std::byte> reply_ = std::vector<std::byte>(sizeof(ReplyHeader) + kMaxPayload);
};

TEST(HostileClientTest, NamesThatTheClientClassWouldNotSend) {
  TempDir dir;
  mkdir((dir / "in").c_str(), 0755);
  RawSession raw(dir / "in");
  const NodeId root = raw.Attach();
  const int kInvalid = static_cast<int>(Errno::kEINVAL);
  for (const std::string& name : {std::string(""), std::string("."), std::string(".."), std::string("../x"),
                                  std::string("/etc"), std::string("a\0b", 3), std::string(256, 'x')}) {
    EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 1, 0}, {name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 2, 0}, {"ok", name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kCreate, MakeRequest{root, 0644, ~0u, ~0u, 1, 0, 0}, {name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kMkdir, MakeRequest{root, 0755, ~0u, ~0u, 0, 0, 0}, {name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kUnlink, UnlinkRequest{root, 1, 0}, {name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kRename, RenameRequest{root, root, 0, 0}, {"a", name}), kInvalid);
    EXPECT_EQ(raw.Send(MessageType::kLink, LinkRequest{root, root}, {name}), kInvalid);
  }
  EXPECT_EQ(raw.Send(MessageType::kSiblings, SiblingsRequest{root, 0, 0}), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kSiblings, SiblingsRequest{root, 2, 0}, {"ok", ".."}), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kSiblings, SiblingsRequest{root, 65, 0}, std::vector<std::string>(65, "a")),
            kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 0, 0}), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 17, 0}, std::vector<std::string>(17, "a")), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 1, 4}, {"a"}), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kWalk, WalkRequest{root, 1, 0}, {"a", "b"}), kInvalid);
  EXPECT_EQ(raw.Send(MessageType::kClose, CloseRequest{4000, 0}), kInvalid);
  EXPECT_EQ(raw.Send(static_cast<MessageType>(99), root), static_cast<int>(Errno::kENOSYS));
  EXPECT_EQ(raw.Send(static_cast<MessageType>(0), root), static_cast<int>(Errno::kENOSYS));
  EXPECT_EQ(raw.SendBytes({}), -1);
}

TEST(HostileClientTest, RandomBytesForTwoSeconds) {
  TempDir dir;
  mkdir((dir / "in").c_str(), 0755);
  WriteHostFile(dir / "outside", "untouched");
  RawSession raw(dir / "in");
  raw.Attach();
  std::mt19937_64 rng(20261125);
  const auto end = steady_clock::now() + std::chrono::seconds(2);
  std::vector<std::byte> bytes(1024);
  int sent = 0;
  while (steady_clock::now() < end) {
    for (int i = 0; i < 100; i++, sent++) {
      const size_t size = sizeof(RequestHeader) + rng() % 120;
      // Mostly small numbers: these are ids, lengths and flags that exist.
      for (size_t b = 0; b < size; b++) bytes[b] = static_cast<std::byte>(rng() % 3 != 0 ? 0 : rng() % 64);
      const RequestHeader header = {kMagic, 1, static_cast<uint16_t>(1 + rng() % 21), 0, 0};
      std::memcpy(bytes.data(), &header, sizeof(header));
      const NodeId node = 1 + rng() % 8;
      if (rng() % 4 != 0) std::memcpy(bytes.data() + sizeof(header), &node, sizeof(node));
      raw.SendBytes({bytes.data(), size});
    }
  }
  EXPECT_GT(sent, 1000);
  base::UniqueFd outside(open((dir / "outside").c_str(), O_RDONLY));
  EXPECT_EQ(ReadFd(outside.get()), "untouched");
  DIR* d = opendir(dir.path().c_str());
  int entries = 0;
  while (readdir(d)) entries++;
  closedir(d);
  EXPECT_EQ(entries, 4);
}

TEST(HostileClientTest, GarbageInTheMemoryEndsOnlyThatChannel) {
  TempDir dir;
  TestGofer gofer({{dir.path(), true}});
  ConnectionFds fds = std::move(MakeConnection(1)).value();
  auto memory = std::move(SharedMemory::Map(fds.client.memory, 1)).value();
  auto server = std::move(ChannelServer::Start(gofer.session(), std::move(fds.server))).value();
  server->Open();
  std::memset(memory->channel(0).request_bytes, 7, kRequestBytes);
  const int socket = fds.client.sockets[0].get();
  ASSERT_TRUE(SendFd(socket, 0).ok());  // nobody asked for it
  Publish(memory->channel(0).request, 1, 0xffffffff);
  for (int i = 0; i < 100 && !PeerGone(socket); i++) usleep(10000);
  EXPECT_TRUE(PeerGone(socket));
  server->Stop();
  EXPECT_TRUE(gofer.client().Attach(0).ok());
}

TEST(HostileClientTest, RandomMemoryForOneSecond) {
  TempDir dir;
  TestGofer gofer({{dir.path(), true}});
  std::mt19937_64 rng(7);
  const auto end = steady_clock::now() + std::chrono::seconds(1);
  while (steady_clock::now() < end) {
    ConnectionFds fds = std::move(MakeConnection(1)).value();
    auto memory = std::move(SharedMemory::Map(fds.client.memory, 1)).value();
    auto server = std::move(ChannelServer::Start(gofer.session(), std::move(fds.server))).value();
    server->Open();
    ChannelMemory& c = memory->channel(0);
    for (int i = 0; i < 200; i++) {
      const RequestHeader header = {kMagic, 1, static_cast<uint16_t>(rng() % 24), 0, 0};
      std::memcpy(c.request_bytes, &header, sizeof(header));
      // Written while the server may be copying, and into its half as well.
      for (int b = 16; b < 64; b++) c.request_bytes[b] = static_cast<std::byte>(rng() % 5);
      for (int b = 0; b < 64; b++) c.reply_bytes[b] = static_cast<std::byte>(rng());
      Publish(c.request, static_cast<uint32_t>(rng()), rng() % 100);
    }
    fds.client.sockets.clear();
    server->Stop();
  }
  EXPECT_TRUE(gofer.client().Attach(0).ok());
}

TEST(HostileClientTest, NodeTableIsBounded) {
  TempDir dir;
  for (int i = 0; i < 40; i++) WriteHostFile(dir / std::to_string(i), "");
  TestGofer gofer({{dir.path(), true}}, 1, NodeTable::Limits{16, 64});
  const NodeId root = gofer.Root();
  int full = 0;
  for (int i = 0; i < 40; i++) {
    const std::string name = std::to_string(i);
    if (gofer.Walk(root, {name})->stop == Errno::kENFILE) full++;
  }
  EXPECT_EQ(full, 40 - 15);
  EXPECT_EQ(gofer.session().nodes().node_count(), 16u);
}

// A server that answers each request with what the test says.
template <typename Fn>
void RunFakeServer(ChannelMemory& channel, int socket, Fn answer) {
  while (channel.request.turn.load() == 0) AwaitTurn(channel.request, 0, Patience::kShort);
  RequestHeader header;
  std::memcpy(&header, channel.request_bytes, sizeof(header));
  WireWriter out(channel.reply_bytes);
  const int fd = answer(header, out);
  if (fd >= 0) {
    ASSERT_TRUE(SendFd(socket, fd).ok());
  }
  Publish(channel.reply, header.sequence, out.size());
}

template <typename Fn>
void ExpectDeathOfWalk(Fn answer) {
  ConnectionFds fds = std::move(MakeConnection(1)).value();
  auto client = std::move(Client::Create(std::move(fds.client))).value();
  int deaths = 0;
  client->SetDeathCallback([&] { deaths++; });
  auto memory = std::move(SharedMemory::Map(fds.server.memory, 1)).value();
  std::thread server([&] { RunFakeServer(memory->channel(0), fds.server.sockets[0].get(), answer); });
  const std::string_view name = "a";
  EXPECT_TRUE(client->Walk(1, {&name, 1}, OpenMode::kReadOnly).Is(Errno::kEIO));
  server.join();
  EXPECT_TRUE(client->dead());
  EXPECT_TRUE(client->GetAttr(1).Is(Errno::kEIO));
  EXPECT_EQ(deaths, 1);
}

NodeAttr NodeOfMode(uint32_t mode) {
  NodeAttr node = {};
  node.node = 5;
  node.attr.mode = mode;
  return node;
}

TEST(HostileServerTest, RepliesThatMakeNoSense) {
  const NodeAttr file = NodeOfMode(S_IFREG | 0644);
  const NodeAttr dir = NodeOfMode(S_IFDIR | 0755);
  const NodeAttr link = NodeOfMode(S_IFLNK | 0777);
  auto ok = [](const RequestHeader& h, uint32_t fds = 0) { return ReplyHeader{kMagic, h.sequence, 0, fds}; };
  ExpectDeathOfWalk([](auto&, WireWriter&) { return -1; });  // nothing at all
  ExpectDeathOfWalk([](auto& h, WireWriter& out) { return out.Put(ReplyHeader{kMagic, h.sequence + 1, 0, 0}), -1; });
  ExpectDeathOfWalk([](auto& h, WireWriter& out) { return out.Put(ReplyHeader{1, h.sequence, 0, 0}), -1; });
  ExpectDeathOfWalk([](auto& h, WireWriter& out) { return out.Put(ReplyHeader{kMagic, h.sequence, 512, 0}), -1; });
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) { return out.Put(ok(h)), -1; });  // no body
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {                                 // more steps than were asked for
    out.Put(ok(h));
    out.Put(WalkReply{2, 0, 0, 0});
    out.Put(dir);
    out.Put(file);
    return -1;
  });
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {  // no step and no reason
    out.Put(ok(h));
    out.Put(WalkReply{0, 0, 0, 0});
    return -1;
  });
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {  // a symlink without target
    out.Put(ok(h));
    out.Put(WalkReply{1, 0, 0, 0});
    out.Put(link);
    return -1;
  });
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {  // a length past the end
    out.Put(ok(h));
    out.Put(WalkReply{1, 0, 0, 0xffffffff});
    out.Put(link);
    return -1;
  });
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {  // a descriptor announced that is not there
    out.Put(ok(h, 1));
    out.Put(WalkReply{1, 0, 0, 0});
    out.Put(file);
    return -1;
  });
  base::UniqueFd device(open("/dev/null", O_RDWR));
  ExpectDeathOfWalk([&](auto& h, WireWriter& out) {  // a descriptor that is no regular file
    out.Put(ok(h, 1));
    out.Put(WalkReply{1, 0, 0, 0});
    out.Put(file);
    return device.get();
  });
}

TEST(HostileServerTest, PeerDeathFailsEveryCall) {
  TempDir dir;
  TestGofer gofer({{dir.path(), true}}, 3);
  const NodeId root = gofer.Root();
  pollfd pfd = {gofer.client().watch_fd(), 0, 0};
  EXPECT_EQ(poll(&pfd, 1, 0), 0);
  gofer.KillServer();
  EXPECT_EQ(poll(&pfd, 1, 1000), 1);
  EXPECT_NE(pfd.revents & POLLHUP, 0);
  EXPECT_TRUE(gofer.client().GetAttr(root).Is(Errno::kEIO));
  EXPECT_TRUE(gofer.client().dead());
  for (int i = 0; i < 5; i++) EXPECT_TRUE(gofer.client().GetAttr(root).Is(Errno::kEIO));
}

size_t OpenDescriptors() {
  size_t n = 0;
  DIR* d = opendir("/proc/self/fd");
  while (readdir(d)) n++;
  closedir(d);
  return n - 3;
}

// GOFER_TEST_FILES=200000 in the full tier.
TEST(BoundTest, DescriptorsStayBoundedOverALargeTree) {
  const char* env = getenv("GOFER_TEST_FILES");
  const int files = env ? atoi(env) : 20000;
  const int per_dir = 100;
  TempDir dir;
  for (int i = 0; i < files; i++) {
    if (i % per_dir == 0) mkdir((dir / ("d" + std::to_string(i / per_dir))).c_str(), 0755);
    const std::string file = dir / ("d" + std::to_string(i / per_dir) + "/f" + std::to_string(i % per_dir));
    close(open(file.c_str(), O_CREAT | O_WRONLY, 0644));
  }
  const rlimit limit = {1024, 1024};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  TestGofer gofer({{dir.path(), true}});
  const NodeId root = gofer.Root();
  std::vector<NodeId> nodes;
  size_t most = 0;
  for (int i = 0; i < files; i++) {
    const std::string d = "d" + std::to_string(i / per_dir), f = "f" + std::to_string(i % per_dir);
    auto r = gofer.Walk(root, {d, f});
    ASSERT_TRUE(r.ok() && r->steps.size() == 2) << d << "/" << f;
    nodes.push_back(r->steps[1].node);
    // StatFs needs the file's own descriptor.
    ASSERT_TRUE(gofer.client().StatFs(nodes.back()).ok());
    if (i % 1000 == 0) most = std::max(most, OpenDescriptors());
  }
  // Long since closed, and opened again from the parent, itself closed.
  for (size_t i = 0; i < nodes.size(); i += 37) ASSERT_TRUE(gofer.client().StatFs(nodes[i]).ok()) << i;
  most = std::max(most, OpenDescriptors());
  EXPECT_LE(most, 256u + 64u);
  EXPECT_LE(gofer.session().nodes().descriptor_count(), 256u);
}

// "a/f" is now a file, now a symlink to a secret outside; "a" is now a
// directory, now a symlink to where the secret is.
TEST(RaceTest, AComponentReplacedByASymlinkNeverEscapes) {
  TempDir dir;
  mkdir((dir / "in").c_str(), 0755);
  mkdir((dir / "in/a").c_str(), 0755);
  mkdir((dir / "out").c_str(), 0755);
  WriteHostFile(dir / "out/f", "secret");
  WriteHostFile(dir / "in/a/f", "public");
  ASSERT_EQ(symlink("../../out/f", (dir / "in/a/g").c_str()), 0);
  ASSERT_EQ(symlink("../out", (dir / "in/b").c_str()), 0);
  std::atomic<bool> stop{false};
  const std::string f = dir / "in/a/f", g = dir / "in/a/g", a = dir / "in/a", b = dir / "in/b";
  std::thread attacker([&] {
    while (!stop.load()) {
      renameat2(AT_FDCWD, f.c_str(), AT_FDCWD, g.c_str(), RENAME_EXCHANGE);
      renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
      renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
    }
  });
  // Few descriptors, so that directories are opened again by name as well.
  TestGofer gofer({{dir / "in", false}}, 1, NodeTable::Limits{1024, 1});
  const NodeId root = gofer.Root();
  int opened = 0;
  const auto end = steady_clock::now() + std::chrono::seconds(2);
  while (steady_clock::now() < end) {
    auto r = gofer.Walk(root, {"a", "f"}, OpenMode::kReadOnly);
    ASSERT_TRUE(r.ok());
    std::vector<NodeId> ids;
    for (const NodeAttr& s : r->steps) ids.push_back(s.node);
    if (r->fd.valid()) {
      opened++;
      ASSERT_EQ(ReadFd(r->fd.get()), "public");
    }
    if (r->steps.size() == 2) {
      auto again = gofer.client().Open(r->steps[1].node, OpenMode::kReadOnly);
      if (again.ok()) {
        ASSERT_EQ(ReadFd(again->fd.get()), "public");
      }
    }
    ASSERT_TRUE(gofer.client().Close(ids).ok());
  }
  stop.store(true);
  attacker.join();
  EXPECT_GT(opened, 0);
}

TEST(ConcurrencyTest, ManyThreadsShareFewChannels) {
  TempDir dir;
  for (int i = 0; i < 50; i++) WriteHostFile(dir / std::to_string(i), std::to_string(i));
  TestGofer gofer({{dir.path(), false}}, 3, NodeTable::Limits{4096, 8});
  const NodeId root = gofer.Root();
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; i++) {
        const std::string name = std::to_string((i * 7 + t) % 50);
        auto r = gofer.Walk(root, {name}, OpenMode::kReadOnly);
        ASSERT_TRUE(r.ok() && r->fd.valid());
        ASSERT_EQ(ReadFd(r->fd.get()), name);
        ASSERT_TRUE(gofer.client().StatFs(r->steps[0].node).ok());
        ASSERT_TRUE(gofer.client().Close({&r->steps[0].node, 1}).ok());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(gofer.session().nodes().node_count(), 1u);
  EXPECT_EQ(gofer.session().nodes().descriptor_count(), 0u);
}

}  // namespace
}  // namespace fsgofer
