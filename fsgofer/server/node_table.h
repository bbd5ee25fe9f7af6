// The files that a connection's client holds handles of.
//
// A node is found by its id, and by its parent and name as long as that name
// is known to lead to it. It may hold an O_PATH descriptor; how many do is
// bounded, the least recently used give theirs up, and PathOf() opens it again
// by one component from the parent, which is checked to be the same file.
#ifndef FSGOFER_SERVER_NODE_TABLE_H_
#define FSGOFER_SERVER_NODE_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "fsgofer/server/host.h"

namespace fsgofer {

// A descriptor that stays open while anyone uses it, though its node may have
// given it up meanwhile.
class PathFd : public base::RefCounted {
 public:
  explicit PathFd(base::UniqueFd fd) : fd_(std::move(fd)) {}
  int get() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

class NodeTable;

struct Node {
  // Constant from creation to death.
  NodeId id = 0;
  uint32_t mount = 0;
  Identity identity;
  uint64_t mount_id = 0;
  bool pseudo = false;
  bool is_root = false;

  // Guarded by the table's lock.
  Node* parent = nullptr;  // null for a root only
  std::string name;
  bool hashed = false;    // parent and name lead here, as far as is known
  uint32_t refs = 0;      // the client's
  uint32_t pins = 0;      // requests at work
  uint32_t children = 0;  // nodes with this parent
  base::RefPtr<PathFd> path;
  Node* lru_prev = nullptr;  // among those with a descriptor, roots excepted
  Node* lru_next = nullptr;
};

// Keeps a node alive for the time of a request.
class NodePin {
 public:
  NodePin() = default;
  NodePin(NodeTable* table, Node* node) : table_(table), node_(node) {}  // takes over a pin
  NodePin(NodePin&& o) noexcept : table_(o.table_), node_(std::exchange(o.node_, nullptr)) {}
  NodePin& operator=(NodePin&& o) noexcept {
    std::swap(table_, o.table_);
    std::swap(node_, o.node_);
    return *this;
  }
  ~NodePin();
  const Node& operator*() const { return *node_; }
  const Node* operator->() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  friend class NodeTable;
  NodeTable* table_ = nullptr;
  Node* node_ = nullptr;
};

class NodeTable {
 public:
  struct Limits {
    size_t nodes = 1 << 18;
    size_t descriptors = 256;
  };
  explicit NodeTable(const Limits& limits);
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  // Errors: EBADF.
  base::Result<NodePin> Find(NodeId id);
  // The root of a mount, with one more reference for the client.
  base::Result<NodePin> AddRoot(uint32_t mount, const Attr& attr, bool pseudo, base::RefPtr<PathFd> path);
  // The node that `name` in `parent` leads to by what `attr` says, with one
  // more reference. `path` may be null. Errors: ENFILE (the table is full).
  base::Result<NodePin> Intern(const NodePin& parent, std::string_view name, const Attr& attr, bool pseudo,
                               base::RefPtr<PathFd> path);
  // The client gives a reference back. Unknown ids and surplus are ignored.
  void Drop(NodeId id);

  // The node's O_PATH descriptor, opened again if need be. Errors: ESTALE.
  base::Result<base::RefPtr<PathFd>> PathOf(const NodePin& node);
  // The same, but only if it is open: null otherwise.
  base::RefPtr<PathFd> OpenPathOf(const NodePin& node);
  // Where the node is found by name. Errors: ESTALE (unlinked, or a root).
  base::Result<std::pair<NodePin, std::string>> PlaceOf(const NodePin& node);

  // After the host has done it.
  void Unlinked(const NodePin& dir, std::string_view name);
  void Renamed(const NodePin& old_dir, std::string_view old_name, const NodePin& new_dir, std::string_view new_name);
  void Exchanged(const NodePin& a_dir, std::string_view a_name, const NodePin& b_dir, std::string_view b_name);

  size_t node_count();
  size_t descriptor_count();

 private:
  friend class NodePin;
  using Mutex = base::RankedMutex<base::LockRank::kLeaf>;
  struct PlaceKey {
    const Node* parent;
    std::string_view name;  // of the node's own string
    bool operator==(const PlaceKey&) const = default;
  };
  struct PlaceHash {
    size_t operator()(const PlaceKey& k) const {
      return std::hash<std::string_view>()(k.name) ^ (std::hash<const Node*>()(k.parent) * 0x9e3779b97f4a7c15);
    }
  };

  Node* FindPlace(const Node* parent, std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Hash(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unhash(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MoveTo(Node* node, Node* parent, std::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsBelow(const Node* node, const Node* ancestor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetPath(Node* node, base::RefPtr<PathFd> path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LruRemove(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LruPushFront(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Evict() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FreeIfUnused(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unpin(Node* node);
  base::RefPtr<PathFd> Touch(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Limits limits_;
  // Rank kLeaf. Held over close(2) of an O_PATH descriptor, which does not
  // block, and over no other host call.
  Mutex mu_;
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  std::unordered_map<NodeId, std::unique_ptr<Node>> by_id_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<PlaceKey, Node*, PlaceHash> by_place_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<uint32_t, Node*> roots_ ABSL_GUARDED_BY(mu_);
  Node lru_ ABSL_GUARDED_BY(mu_);  // head of the ring; most recent first
  size_t open_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace fsgofer

#endif  // FSGOFER_SERVER_NODE_TABLE_H_
