#include "sentry/vfs/context.h"

#include <utility>

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace sentry {

// Here and not in the header, where Mount and Dentry are incomplete.
Path::Path() = default;
Path::Path(RefPtr<Mount> m, RefPtr<Dentry> d) : mount(std::move(m)), dentry(std::move(d)) {}
Path::Path(const Path&) = default;
Path::Path(Path&&) noexcept = default;
Path& Path::operator=(const Path&) = default;
Path& Path::operator=(Path&&) noexcept = default;
Path::~Path() = default;

}  // namespace sentry
