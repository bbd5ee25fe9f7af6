// What is to be done with a network namespace before the netgofer is locked in,
// while it still sees /proc.
#ifndef NETGOFER_SERVER_NAMESPACE_FILES_H_
#define NETGOFER_SERVER_NAMESPACE_FILES_H_

#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace netgofer {

// One a file of proc_files.h; invalid where the host has none.
using NamespaceFiles = std::vector<base::UniqueFd>;

// Opens them for the caller's own network namespace.
NamespaceFiles OpenNamespaceFiles();

// For a fresh namespace, by its owner: `lo` is up, and group `gid` may ping.
base::Result<void> SetUpLoopback(unsigned gid);

}  // namespace netgofer

#endif  // NETGOFER_SERVER_NAMESPACE_FILES_H_
