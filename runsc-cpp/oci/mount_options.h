// The words of a mount's options, as runc reads them.
#ifndef RUNSC_CPP_OCI_MOUNT_OPTIONS_H_
#define RUNSC_CPP_OCI_MOUNT_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace runsc::oci {

struct MountOptions {
  uint64_t flags = 0;                 // MS_*, propagation left out
  uint64_t cleared = 0;               // MS_* that a word took away ("rw", "exec")
  std::vector<uint64_t> propagation;  // MS_SHARED, MS_SLAVE ..., each perhaps with MS_REC; in order
  uint64_t recursive_set = 0;         // MOUNT_ATTR_*: "rro" ...
  uint64_t recursive_clear = 0;       // "rrw" ...
  bool copy_up = false;               // "tmpcopyup"
  bool idmap = false, recursive_idmap = false;
  std::string data;  // what is left, with commas: for the file system
};

MountOptions ParseMountOptions(const std::vector<std::string>& options);

// The MS_* of a propagation word; 0 for any other.
uint64_t PropagationFlags(std::string_view word);

// All words, sorted: for `features`.
std::vector<std::string> KnownMountOptions();

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_MOUNT_OPTIONS_H_
