// The file system "sysfs" (man 5 sysfs): what of Linux's device model is true in a sandbox.
#ifndef SENTRY_FS_SYS_SYS_FS_H_
#define SENTRY_FS_SYS_SYS_FS_H_

#include <memory>

#include "sentry/vfs/dentry.h"

namespace sentry {

class NetDevices;
class SysView;

struct SysMount {
  RefPtr<FileSystem> fs;
  RefPtr<Dentry> root;
};
SysMount NewSysFs(std::shared_ptr<SysView> view, std::shared_ptr<NetDevices> net);

}  // namespace sentry

#endif  // SENTRY_FS_SYS_SYS_FS_H_
