// The file system "devpts" (man 4 pts) and the devices that belong to it.
#ifndef SENTRY_FS_DEVPTS_DEVPTS_H_
#define SENTRY_FS_DEVPTS_DEVPTS_H_

#include <optional>
#include <string_view>

#include "sentry/abi/tty.h"
#include "sentry/vfs/dentry.h"

namespace sentry {

struct DevptsMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
// The kernel's ids; none: those of who opens a pair.
struct DevptsOptions {
  std::optional<uint32_t> uid, gid = 5;  // of the slaves: tty
  uint32_t mode = 0620;
  uint32_t ptmx_mode = 0666;
  int32_t max = 1 << 20;
  bool operator==(const DevptsOptions&) const = default;
};
// Options text of mount(2): uid=, gid=, mode=, ptmxmode=, max=, newinstance, with Linux's
// defaults; ids are those of `mounter`. EINVAL: any other.
Result<DevptsOptions> ParseDevptsOptions(std::string_view text, const Credentials& mounter);
// A new instance. The first one also serves ptmx nodes outside of any.
DevptsMount NewDevpts(const DevptsOptions& options = {});

// Makes /dev/tty (5,0), /dev/ptmx (5,2) and the slaves (136,N) open-able. Once,
// before the first task.
void RegisterTtyDevices();

// A pair that boot makes for `do` with a terminal: the slave is the guest's
// standard streams, the master goes to a TtyBridge. `mount`: where the instance
// is mounted; the slave is unlocked.
struct PtyPair {
  RefPtr<FileDescription> master, slave;
};
Result<PtyPair> OpenPtyPair(const VfsContext& ctx, const RefPtr<Mount>& mount);

// ioctl(TIOCGPTPEER): the slave of `master`, opened with `flags`. The system
// call layer gives it a descriptor. ENOTTY: not a master.
Result<RefPtr<FileDescription>> OpenPtyPeer(const VfsContext& ctx, const RefPtr<FileDescription>& master,
                                            uint32_t flags);

// For the runtime outside, which forwards its own terminal's size. ENOTTY.
Result<void> SetWindowSize(const RefPtr<FileDescription>& end, const abi::Winsize& size);

// Makes an open slave the controlling terminal of the caller's session (boot,
// for the first process, whose ctx.job is given).
Result<void> MakeControlling(const VfsContext& ctx, const RefPtr<FileDescription>& slave);

}  // namespace sentry

#endif  // SENTRY_FS_DEVPTS_DEVPTS_H_
