// Session: what the server does for one connection (one container), whatever
// channel a request comes by. Thread-safe: each channel has a thread.
#ifndef FSGOFER_SERVER_SESSION_H_
#define FSGOFER_SERVER_SESSION_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/wire_buffer.h"
#include "fsgofer/server/node_table.h"

namespace fsgofer {

// One exported directory (or file, as a bind mount of a file needs).
struct Export {
  base::UniqueFd root;    // O_PATH
  base::UniqueFd parent;  // with `name`: where a root that is a file is opened
  std::string name;
  bool readonly = true;
};

// Opens a host path as an export, before the jail is closed (and in tests).
base::Result<Export> OpenExport(const std::string& path, bool readonly);

// A request that is being answered.
struct Reply {
  explicit Reply(std::span<std::byte> buffer) : body(buffer) {}
  WireWriter body;
  base::UniqueFd fd;
};

class Session {
 public:
  Session(std::vector<Export> exports, const NodeTable::Limits& limits);

  struct Answer {
    size_t size = 0;  // of the reply; 0: not a request, drop the channel
    base::UniqueFd fd;
  };
  // Handles one packet. `reply` has room for a ReplyHeader and kMaxPayload.
  Answer Handle(std::span<const std::byte> request, std::span<std::byte> reply);

  NodeTable& nodes() { return nodes_; }

 private:
  using Handler = base::Result<void> (*)(Session&, WireReader&, Reply&);
  template <auto kMethod>
  static base::Result<void> Call(Session& session, WireReader& in, Reply& out) {
    return (session.*kMethod)(in, out);
  }
  static const Handler kHandlers[];
  base::Result<void> Dispatch(uint16_t type, WireReader& in, Reply& out);

  base::Result<void> Attach(WireReader& in, Reply& out);
  base::Result<void> Walk(WireReader& in, Reply& out);
  base::Result<void> Siblings(WireReader& in, Reply& out);
  base::Result<void> Open(WireReader& in, Reply& out);
  base::Result<void> ReadDir(WireReader& in, Reply& out);
  base::Result<void> ReadLink(WireReader& in, Reply& out);
  base::Result<void> StatFs(WireReader& in, Reply& out);
  base::Result<void> GetAttr(WireReader& in, Reply& out);
  base::Result<void> GetXattr(WireReader& in, Reply& out);
  base::Result<void> ListXattr(WireReader& in, Reply& out);
  base::Result<void> Close(WireReader& in, Reply& out);
  base::Result<void> Fsync(WireReader& in, Reply& out);
  base::Result<void> Create(WireReader& in, Reply& out);
  base::Result<void> Mkdir(WireReader& in, Reply& out);
  base::Result<void> Symlink(WireReader& in, Reply& out);
  base::Result<void> Mknod(WireReader& in, Reply& out);
  base::Result<void> Link(WireReader& in, Reply& out);
  base::Result<void> Unlink(WireReader& in, Reply& out);
  base::Result<void> Rename(WireReader& in, Reply& out);
  base::Result<void> SetAttr(WireReader& in, Reply& out);
  base::Result<void> SetXattr(WireReader& in, Reply& out);
  base::Result<void> RemoveXattr(WireReader& in, Reply& out);

  struct Step {
    NodePin node;
    Attr attr;
  };
  // One component. Takes a reference for the client.
  base::Result<Step> WalkOne(const NodePin& dir, std::string_view name);
  base::Result<std::string> LinkAt(const NodePin& dir, std::string_view name);
  base::Result<Attr> Stat(const NodePin& node);
  // Opens what the node is, or fails: a regular file by its name, a directory
  // by ".", nothing else. Checks afterwards that it is that file.
  base::Result<base::UniqueFd> OpenNode(const NodePin& node, int flags);
  base::Result<base::UniqueFd> OpenForClient(const NodePin& node, OpenMode mode);

  // Write side (session_write.cc).
  struct MakeArgs {
    MakeRequest request;
    NodePin dir;
    base::RefPtr<PathFd> path;
    std::string name;
  };
  base::Result<MakeArgs> ReadMake(WireReader& in);
  // After the file is there: owner, attributes, node, reply.
  base::Result<void> FinishMake(const MakeArgs& args, Reply& out);
  base::Result<NodePin> FindWritable(NodeId id);
  base::Result<NodePin> FindWritableDir(NodeId id);
  base::Result<void> ChangeMode(const NodePin& node, const PathFd& path, uint32_t mode);

  const std::vector<Export> exports_;
  NodeTable nodes_;
};

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_SESSION_H_
