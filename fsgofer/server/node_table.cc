#include "fsgofer/server/node_table.h"

#include <vector>

namespace fsgofer {
namespace {

using base::Errno;
using base::MutexLock;
using base::RefPtr;
using base::Result;

// How far up a path is opened again. Deeper trees exist only by intent.
constexpr size_t kMaxDepth = 4096;
// How many unlinked nodes one eviction passes over: their descriptor is all
// that still leads to the file.
constexpr int kSpareUnlinked = 16;
constexpr uint32_t kMaxRefs = 1u << 31;

}  // namespace

NodePin::~NodePin() {
  if (node_) table_->Unpin(node_);
}

NodeTable::NodeTable(const Limits& limits) : limits_(limits) { lru_.lru_next = lru_.lru_prev = &lru_; }

NodeTable::~NodeTable() = default;

Result<NodePin> NodeTable::Find(NodeId id) {
  MutexLock lock(mu_);
  auto it = by_id_.find(id);
  // A node that only its children keep is no longer the client's to name.
  if (it == by_id_.end() || it->second->refs == 0) return Errno::kEBADF;
  it->second->pins++;
  return NodePin(this, it->second.get());
}

Result<NodePin> NodeTable::AddRoot(uint32_t mount, const Attr& attr, bool pseudo, RefPtr<PathFd> path) {
  MutexLock lock(mu_);
  Node*& root = roots_[mount];
  if (root == nullptr) {
    auto node = std::make_unique<Node>();
    root = node.get();
    node->id = next_id_++;
    node->mount = mount;
    node->identity = IdentityOf(attr);
    node->mount_id = attr.mount_id;
    node->pseudo = pseudo;
    node->is_root = true;
    node->path = std::move(path);
    by_id_.emplace(node->id, std::move(node));
  }
  if (root->refs >= kMaxRefs) return Errno::kENFILE;
  root->refs++;
  root->pins++;
  return NodePin(this, root);
}

Result<NodePin> NodeTable::Intern(const NodePin& parent, std::string_view name, const Attr& attr, bool pseudo,
                                  RefPtr<PathFd> path) {
  const Identity identity = IdentityOf(attr);
  MutexLock lock(mu_);
  Node* node = FindPlace(parent.node_, name);
  if (node != nullptr && (node->identity != identity || node->mount_id != attr.mount_id || node->pseudo != pseudo)) {
    Unhash(node);  // the host has put another file here
    node = nullptr;
  }
  if (node == nullptr) {
    if (by_id_.size() >= limits_.nodes) return Errno::kENFILE;
    auto fresh = std::make_unique<Node>();
    node = fresh.get();
    node->id = next_id_++;
    node->mount = parent->mount;
    node->identity = identity;
    node->mount_id = attr.mount_id;
    node->pseudo = pseudo;
    node->parent = parent.node_;
    node->parent->children++;
    node->name = name;
    by_id_.emplace(node->id, std::move(fresh));
    Hash(node);
  }
  if (node->refs >= kMaxRefs) return Errno::kENFILE;
  node->refs++;
  node->pins++;
  if (path && !node->path) SetPath(node, std::move(path));
  return NodePin(this, node);
}

void NodeTable::Drop(NodeId id) {
  MutexLock lock(mu_);
  auto it = by_id_.find(id);
  if (it == by_id_.end() || it->second->refs == 0) return;
  it->second->refs--;
  FreeIfUnused(it->second.get());
}

void NodeTable::Unpin(Node* node) {
  MutexLock lock(mu_);
  node->pins--;
  FreeIfUnused(node);
}

// A loop, not a recursion: the client chooses how deep the tree is.
void NodeTable::FreeIfUnused(Node* node) {
  while (node != nullptr && !node->is_root && node->refs == 0 && node->pins == 0 && node->children == 0) {
    Unhash(node);
    if (node->path) {
      LruRemove(node);
      open_--;
    }
    Node* parent = node->parent;
    by_id_.erase(node->id);
    parent->children--;
    node = parent;
  }
}

Node* NodeTable::FindPlace(const Node* parent, std::string_view name) {
  auto it = by_place_.find({parent, name});
  return it == by_place_.end() ? nullptr : it->second;
}

void NodeTable::Hash(Node* node) {
  node->hashed = true;
  by_place_[{node->parent, node->name}] = node;
}

void NodeTable::Unhash(Node* node) {
  if (!node->hashed) return;
  node->hashed = false;
  by_place_.erase({node->parent, node->name});
}

void NodeTable::LruRemove(Node* node) {
  node->lru_prev->lru_next = node->lru_next;
  node->lru_next->lru_prev = node->lru_prev;
  node->lru_prev = node->lru_next = nullptr;
}

void NodeTable::LruPushFront(Node* node) {
  node->lru_prev = &lru_;
  node->lru_next = lru_.lru_next;
  lru_.lru_next->lru_prev = node;
  lru_.lru_next = node;
}

void NodeTable::SetPath(Node* node, RefPtr<PathFd> path) {
  node->path = std::move(path);
  LruPushFront(node);
  open_++;
  Evict();
}

void NodeTable::Evict() {
  int spare = kSpareUnlinked;
  while (open_ > limits_.descriptors) {
    Node* victim = lru_.lru_prev;
    LruRemove(victim);
    if (!victim->hashed && spare-- > 0) {
      LruPushFront(victim);
      continue;
    }
    victim->path.reset();
    open_--;
  }
}

RefPtr<PathFd> NodeTable::Touch(Node* node) {
  if (node->path && !node->is_root) {
    LruRemove(node);
    LruPushFront(node);
  }
  return node->path;
}

RefPtr<PathFd> NodeTable::OpenPathOf(const NodePin& node) {
  MutexLock lock(mu_);
  return Touch(node.node_);
}

Result<RefPtr<PathFd>> NodeTable::PathOf(const NodePin& node) {
  struct Level {
    NodePin pin;
    std::string name;
  };
  std::vector<Level> missing;  // from `node` up to below an open ancestor
  RefPtr<PathFd> path;
  {
    MutexLock lock(mu_);
    for (Node* n = node.node_; !(path = Touch(n)); n = n->parent) {
      if (!n->hashed || missing.size() >= kMaxDepth) break;
      n->pins++;
      missing.push_back({NodePin(this, n), n->name});
    }
  }
  if (!path) return Errno::kESTALE;
  for (; !missing.empty(); missing.pop_back()) {
    const Level& level = missing.back();
    Result<base::UniqueFd> fd = HostOpenPath(path->get(), level.name.c_str());
    if (!fd.ok()) return fd.Is(Errno::kENOENT) || fd.Is(Errno::kENOTDIR) ? Errno::kESTALE : fd.error();
    const Attr attr = TRY(HostStat(fd->get(), ""));
    if (IdentityOf(attr) != level.pin->identity) return Errno::kESTALE;
    path = base::MakeRef<PathFd>(std::move(*fd));
    MutexLock lock(mu_);
    if (!level.pin.node_->path) SetPath(level.pin.node_, path);
  }
  return path;
}

Result<std::pair<NodePin, std::string>> NodeTable::PlaceOf(const NodePin& node) {
  MutexLock lock(mu_);
  Node* n = node.node_;
  if (!n->hashed) return Errno::kESTALE;
  n->parent->pins++;
  return std::pair<NodePin, std::string>(NodePin(this, n->parent), n->name);
}

void NodeTable::Unlinked(const NodePin& dir, std::string_view name) {
  MutexLock lock(mu_);
  if (Node* node = FindPlace(dir.node_, name)) Unhash(node);
}

bool NodeTable::IsBelow(const Node* node, const Node* ancestor) {
  size_t depth = 0;
  for (; node != nullptr; node = node->parent) {
    if (node == ancestor || ++depth > kMaxDepth) return true;
  }
  return false;
}

// The host may have moved directories about, so that the table's idea of the
// tree differs from the tree: never make a loop of parents.
void NodeTable::MoveTo(Node* node, Node* parent, std::string_view name) {
  Unhash(node);
  if (IsBelow(parent, node)) return;
  Node* old_parent = node->parent;
  parent->children++;
  node->parent = parent;
  node->name = name;
  Hash(node);
  old_parent->children--;
  FreeIfUnused(old_parent);
}

void NodeTable::Renamed(const NodePin& old_dir, std::string_view old_name, const NodePin& new_dir,
                        std::string_view new_name) {
  MutexLock lock(mu_);
  Node* moved = FindPlace(old_dir.node_, old_name);
  Node* displaced = FindPlace(new_dir.node_, new_name);
  if (moved != nullptr && moved == displaced) return;
  if (displaced != nullptr) Unhash(displaced);
  if (moved != nullptr) MoveTo(moved, new_dir.node_, new_name);
}

void NodeTable::Exchanged(const NodePin& a_dir, std::string_view a_name, const NodePin& b_dir,
                          std::string_view b_name) {
  MutexLock lock(mu_);
  Node* a = FindPlace(a_dir.node_, a_name);
  Node* b = FindPlace(b_dir.node_, b_name);
  if (a == b) return;
  if (a != nullptr) Unhash(a);
  if (b != nullptr) Unhash(b);
  if (a != nullptr) MoveTo(a, b_dir.node_, b_name);
  if (b != nullptr) MoveTo(b, a_dir.node_, a_name);
}

size_t NodeTable::node_count() {
  MutexLock lock(mu_);
  return by_id_.size();
}

size_t NodeTable::descriptor_count() {
  MutexLock lock(mu_);
  return open_;
}

}  // namespace fsgofer
