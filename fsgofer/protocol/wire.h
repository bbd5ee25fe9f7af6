// The messages between the sentry and the gofer, as they stand on the wire.
//
// A request is a RequestHeader, one fixed-layout struct, then length-prefixed
// names; a reply likewise. Values are in host byte order: both ends are one
// binary.
#ifndef FSGOFER_PROTOCOL_WIRE_H_
#define FSGOFER_PROTOCOL_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace fsgofer {

// A file that the server knows, for this connection. Never 0, never reused.
using NodeId = uint64_t;

inline constexpr uint32_t kMagic = 0x72666732;    // "2gfr": also the version
inline constexpr size_t kMaxPayload = 66 * 1024;  // an xattr of 64 KiB with its name and structs
inline constexpr size_t kMaxWalkNames = 16;
inline constexpr size_t kMaxSiblings = 64;             // names of one directory in one message
inline constexpr size_t kMaxNameLength = 255;          // NAME_MAX
inline constexpr size_t kMaxSymlinkLength = 4095;      // PATH_MAX without its NUL
inline constexpr size_t kMaxXattrName = 255;           // XATTR_NAME_MAX
inline constexpr size_t kMaxXattrSize = 64 * 1024;     // XATTR_SIZE_MAX
inline constexpr size_t kMaxCloseBatch = 4096;         // nodes in one close message
inline constexpr size_t kMaxReadDirBytes = 64 * 1024;  // payload of one batch
inline constexpr uint32_t kUnchangedId = 0xffffffff;   // uid, gid: leave as the host makes it

enum class MessageType : uint16_t {
  kAttach = 1,
  kWalk,
  kSiblings,
  kOpen,
  kReadDir,
  kReadLink,
  kStatFs,
  kGetAttr,
  kGetXattr,
  kListXattr,
  kClose,
  kFsync,
  // From here on: EROFS on a read-only mount.
  kCreate,
  kMkdir,
  kSymlink,
  kMknod,
  kLink,
  kUnlink,
  kRename,
  kSetAttr,
  kSetXattr,
  kRemoveXattr,
  kCount,
};

enum class OpenMode : uint32_t { kNone = 0, kReadOnly = 1, kWriteOnly = 2, kReadWrite = 3 };

inline constexpr uint32_t kOpenTruncate = 1;     // OpenRequest::flags
inline constexpr uint32_t kRenameNoReplace = 1;  // RENAME_NOREPLACE
inline constexpr uint32_t kRenameExchange = 2;   // RENAME_EXCHANGE
inline constexpr uint32_t kXattrCreate = 1;      // XATTR_CREATE
inline constexpr uint32_t kXattrReplace = 2;     // XATTR_REPLACE
inline constexpr uint32_t kUnlinkDirectory = 1;  // UnlinkRequest::flags: rmdir

// SetAttrRequest::valid.
inline constexpr uint32_t kSetMode = 1 << 0;
inline constexpr uint32_t kSetUid = 1 << 1;
inline constexpr uint32_t kSetGid = 1 << 2;
inline constexpr uint32_t kSetSize = 1 << 3;
inline constexpr uint32_t kSetAtime = 1 << 4;
inline constexpr uint32_t kSetMtime = 1 << 5;
inline constexpr uint32_t kSetAtimeNow = 1 << 6;
inline constexpr uint32_t kSetMtimeNow = 1 << 7;
inline constexpr uint32_t kSetAllBits = (1 << 8) - 1;

// Attr::flags.
inline constexpr uint32_t kAttrHasBirthTime = 1 << 0;
// The file lies on one of the host's pseudo file systems (proc, sysfs, ...):
// a directory shows no entries, a file can't be opened.
inline constexpr uint32_t kAttrPseudo = 1 << 1;

struct RequestHeader {
  uint32_t magic;
  uint32_t sequence;
  uint16_t type;  // MessageType
  uint16_t reserved;
  uint32_t cpu;  // where the client runs and waits: a hint for the server's thread
};
static_assert(sizeof(RequestHeader) == 16);

struct ReplyHeader {
  uint32_t magic;
  uint32_t sequence;  // of the request
  int32_t error;      // 0, or a Linux error number; then nothing follows
  uint32_t fd_count;  // 0 or 1: one is waiting in the channel's socket
};
static_assert(sizeof(ReplyHeader) == 16);

struct WireTime {
  int64_t seconds;
  uint32_t nanoseconds;
  uint32_t reserved;
};
static_assert(sizeof(WireTime) == 16);

// Analogous to Linux's struct statx.
struct Attr {
  uint64_t ino;
  uint64_t size;
  uint64_t blocks;
  uint64_t mount_id;  // of the host: a change on a walk is a mount crossed
  uint32_t mode;
  uint32_t nlink;
  uint32_t uid;
  uint32_t gid;
  uint32_t block_size;
  uint32_t dev_major;
  uint32_t dev_minor;
  uint32_t rdev_major;
  uint32_t rdev_minor;
  uint32_t flags;
  WireTime atime;
  WireTime mtime;
  WireTime ctime;
  WireTime btime;
};
static_assert(sizeof(Attr) == 136);

// A node and its attributes. Every NodeAttr that the server answers with is
// one reference to the node; one Close entry gives one back.
struct NodeAttr {
  NodeId node;
  Attr attr;
};
static_assert(sizeof(NodeAttr) == 144);

struct AttachRequest {
  uint32_t mount;  // index in the server's list
  uint32_t reserved;
};
static_assert(sizeof(AttachRequest) == 8);
// Reply: NodeAttr.

struct WalkRequest {
  NodeId dir;
  uint32_t name_count;  // then so many names
  uint32_t open_mode;   // OpenMode: of the last node, if it is a regular file
};
static_assert(sizeof(WalkRequest) == 16);

struct WalkReply {
  uint32_t step_count;  // then so many NodeAttr
  int32_t stop_error;   // why the walk ended early: 0 at its end or at a symlink
  int32_t open_error;
  uint32_t target_length;  // then the target of the symlink that ended the walk
};
static_assert(sizeof(WalkReply) == 16);

struct SiblingsRequest {
  NodeId dir;
  uint32_t name_count;  // then so many names
  uint32_t reserved;
};
static_assert(sizeof(SiblingsRequest) == 16);

// One for each name, in their order.
struct SiblingReply {
  int32_t error;  // then `found` is zeros
  uint32_t reserved;
  NodeAttr found;
};
static_assert(sizeof(SiblingReply) == 152);

struct OpenRequest {
  NodeId node;
  uint32_t mode;  // OpenMode
  uint32_t flags;
};
static_assert(sizeof(OpenRequest) == 16);
// Reply: Attr of the open file, and its descriptor.

struct ReadDirRequest {
  NodeId node;
  uint64_t cookie;  // 0, or next_cookie of the last entry seen
  uint32_t max_bytes;
  uint32_t reserved;
};
static_assert(sizeof(ReadDirRequest) == 24);

struct ReadDirReply {
  uint32_t entry_count;
  uint32_t at_end;
  uint64_t next_cookie;  // where the next batch starts
};
static_assert(sizeof(ReadDirReply) == 16);

struct DirEntryHeader {
  uint64_t ino;
  uint64_t next_cookie;
  uint8_t type;  // DT_*
  uint8_t name_length;
  uint16_t reserved;
  uint32_t reserved2;
};
static_assert(sizeof(DirEntryHeader) == 24);

// kReadLink (reply: the target), kStatFs (StatFsReply), kGetAttr (Attr),
// kListXattr (names, each with its NUL), kFsync (nothing).
struct NodeRequest {
  NodeId node;
};
static_assert(sizeof(NodeRequest) == 8);

// Analogous to Linux's struct statfs.
struct StatFsReply {
  uint64_t type;
  uint64_t block_size;
  uint64_t blocks;
  uint64_t blocks_free;
  uint64_t blocks_available;
  uint64_t files;
  uint64_t files_free;
  uint64_t name_length;
  uint64_t fragment_size;
};
static_assert(sizeof(StatFsReply) == 72);

// kGetXattr (reply: the value), kRemoveXattr: then the name.
struct XattrRequest {
  NodeId node;
};
static_assert(sizeof(XattrRequest) == 8);

struct SetXattrRequest {
  NodeId node;
  uint32_t flags;
  uint32_t value_length;  // then the name, then the value
};
static_assert(sizeof(SetXattrRequest) == 16);

struct CloseRequest {
  uint32_t count;  // then so many NodeId
  uint32_t reserved;
};
static_assert(sizeof(CloseRequest) == 8);

// kCreate, kMkdir, kMknod: then the name; kSymlink: then name and target.
// Reply: NodeAttr, and for kCreate with an open mode the descriptor.
struct MakeRequest {
  NodeId dir;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t open_mode;
  uint32_t rdev_major;  // kMknod of a device; else 0
  uint32_t rdev_minor;
};
static_assert(sizeof(MakeRequest) == 32);

struct LinkRequest {
  NodeId node;
  NodeId dir;  // then the new name; reply: NodeAttr
};
static_assert(sizeof(LinkRequest) == 16);

struct UnlinkRequest {
  NodeId dir;
  uint32_t flags;  // then the name
  uint32_t reserved;
};
static_assert(sizeof(UnlinkRequest) == 16);

struct RenameRequest {
  NodeId old_dir;
  NodeId new_dir;
  uint32_t flags;  // then the old name and the new one
  uint32_t reserved;
};
static_assert(sizeof(RenameRequest) == 24);

struct SetAttrRequest {
  NodeId node;
  uint64_t size;
  uint32_t valid;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  WireTime atime;
  WireTime mtime;  // reply: Attr
};
static_assert(sizeof(SetAttrRequest) == 64);

template <typename T>
concept WireStruct =
    std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && std::has_unique_object_representations_v<T>;

static_assert(WireStruct<RequestHeader> && WireStruct<ReplyHeader> && WireStruct<NodeAttr> && WireStruct<WalkReply> &&
              WireStruct<SiblingReply> && WireStruct<DirEntryHeader> && WireStruct<SetAttrRequest> &&
              WireStruct<MakeRequest>);

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_WIRE_H_
