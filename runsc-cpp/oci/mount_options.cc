#include "runsc-cpp/oci/mount_options.h"

#include <linux/mount.h>

#include <algorithm>

namespace runsc::oci {
namespace {

// linux/mount.h of the build host may be older than these.
constexpr uint64_t kNoSymFollow = 256;             // MS_NOSYMFOLLOW
constexpr uint64_t kAttrNoSymFollow = 0x00200000;  // MOUNT_ATTR_NOSYMFOLLOW

enum class Effect { kSet, kClear, kPropagation, kRecursiveSet, kRecursiveClear, kCopyUp, kIdmap, kRecursiveIdmap };

struct Word {
  std::string_view word;
  Effect effect;
  uint64_t flags;
};

constexpr Word kWords[] = {
    {"async", Effect::kClear, MS_SYNCHRONOUS},
    {"atime", Effect::kClear, MS_NOATIME},
    {"bind", Effect::kSet, MS_BIND},
    {"defaults", Effect::kSet, 0},
    {"dev", Effect::kClear, MS_NODEV},
    {"diratime", Effect::kClear, MS_NODIRATIME},
    {"dirsync", Effect::kSet, MS_DIRSYNC},
    {"exec", Effect::kClear, MS_NOEXEC},
    {"idmap", Effect::kIdmap, 0},
    {"iversion", Effect::kSet, MS_I_VERSION},
    {"lazytime", Effect::kSet, MS_LAZYTIME},
    {"loud", Effect::kClear, MS_SILENT},
    {"mand", Effect::kSet, MS_MANDLOCK},
    {"noatime", Effect::kSet, MS_NOATIME},
    {"nodev", Effect::kSet, MS_NODEV},
    {"nodiratime", Effect::kSet, MS_NODIRATIME},
    {"noexec", Effect::kSet, MS_NOEXEC},
    {"noiversion", Effect::kClear, MS_I_VERSION},
    {"nolazytime", Effect::kClear, MS_LAZYTIME},
    {"nomand", Effect::kClear, MS_MANDLOCK},
    {"norelatime", Effect::kClear, MS_RELATIME},
    {"nostrictatime", Effect::kClear, MS_STRICTATIME},
    {"nosuid", Effect::kSet, MS_NOSUID},
    {"nosymfollow", Effect::kSet, kNoSymFollow},
    {"private", Effect::kPropagation, MS_PRIVATE},
    {"ratime", Effect::kRecursiveClear, MOUNT_ATTR_NOATIME},
    {"rbind", Effect::kSet, MS_BIND | MS_REC},
    {"rdev", Effect::kRecursiveClear, MOUNT_ATTR_NODEV},
    {"rdiratime", Effect::kRecursiveClear, MOUNT_ATTR_NODIRATIME},
    {"relatime", Effect::kSet, MS_RELATIME},
    {"remount", Effect::kSet, MS_REMOUNT},
    {"rexec", Effect::kRecursiveClear, MOUNT_ATTR_NOEXEC},
    {"ridmap", Effect::kRecursiveIdmap, 0},
    {"rnoatime", Effect::kRecursiveSet, MOUNT_ATTR_NOATIME},
    {"rnodev", Effect::kRecursiveSet, MOUNT_ATTR_NODEV},
    {"rnodiratime", Effect::kRecursiveSet, MOUNT_ATTR_NODIRATIME},
    {"rnoexec", Effect::kRecursiveSet, MOUNT_ATTR_NOEXEC},
    {"rnorelatime", Effect::kRecursiveClear, MOUNT_ATTR_RELATIME},
    {"rnostrictatime", Effect::kRecursiveClear, MOUNT_ATTR_STRICTATIME},
    {"rnosuid", Effect::kRecursiveSet, MOUNT_ATTR_NOSUID},
    {"rnosymfollow", Effect::kRecursiveSet, kAttrNoSymFollow},
    {"ro", Effect::kSet, MS_RDONLY},
    {"rprivate", Effect::kPropagation, MS_PRIVATE | MS_REC},
    {"rrelatime", Effect::kRecursiveSet, MOUNT_ATTR_RELATIME},
    {"rro", Effect::kRecursiveSet, MOUNT_ATTR_RDONLY},
    {"rrw", Effect::kRecursiveClear, MOUNT_ATTR_RDONLY},
    {"rshared", Effect::kPropagation, MS_SHARED | MS_REC},
    {"rslave", Effect::kPropagation, MS_SLAVE | MS_REC},
    {"rstrictatime", Effect::kRecursiveSet, MOUNT_ATTR_STRICTATIME},
    {"rsuid", Effect::kRecursiveClear, MOUNT_ATTR_NOSUID},
    {"rsymfollow", Effect::kRecursiveClear, kAttrNoSymFollow},
    {"runbindable", Effect::kPropagation, MS_UNBINDABLE | MS_REC},
    {"rw", Effect::kClear, MS_RDONLY},
    {"shared", Effect::kPropagation, MS_SHARED},
    {"silent", Effect::kSet, MS_SILENT},
    {"slave", Effect::kPropagation, MS_SLAVE},
    {"strictatime", Effect::kSet, MS_STRICTATIME},
    {"suid", Effect::kClear, MS_NOSUID},
    {"symfollow", Effect::kClear, kNoSymFollow},
    {"sync", Effect::kSet, MS_SYNCHRONOUS},
    {"tmpcopyup", Effect::kCopyUp, 0},
    {"unbindable", Effect::kPropagation, MS_UNBINDABLE},
};

const Word* Find(std::string_view word) {
  const Word* found = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) { return w.word == word; });
  return found == std::end(kWords) ? nullptr : found;
}

void Apply(const Word& word, MountOptions& to) {
  switch (word.effect) {
    case Effect::kSet:
      to.flags |= word.flags;
      to.cleared &= ~word.flags;
      break;
    case Effect::kClear:
      to.flags &= ~word.flags;
      to.cleared |= word.flags;
      break;
    case Effect::kPropagation:
      to.propagation.push_back(word.flags);
      break;
    case Effect::kRecursiveSet:
      to.recursive_set |= word.flags;
      to.recursive_clear &= ~word.flags;
      // mount_setattr(2): a time setting is set only with the whole mask cleared.
      if ((word.flags & MOUNT_ATTR__ATIME) == word.flags) to.recursive_clear |= MOUNT_ATTR__ATIME;
      break;
    case Effect::kRecursiveClear:
      to.recursive_clear |= word.flags;
      to.recursive_set &= ~word.flags;
      break;
    case Effect::kCopyUp:
      to.copy_up = true;
      break;
    case Effect::kIdmap:
      to.idmap = true;
      to.recursive_idmap = false;
      break;
    case Effect::kRecursiveIdmap:
      to.idmap = to.recursive_idmap = true;
      break;
  }
}

}  // namespace

MountOptions ParseMountOptions(const std::vector<std::string>& options) {
  MountOptions result;
  for (const std::string& option : options) {
    if (const Word* word = Find(option)) {
      Apply(*word, result);
      continue;
    }
    if (!result.data.empty()) result.data += ',';
    result.data += option;
  }
  return result;
}

uint64_t PropagationFlags(std::string_view word) {
  const Word* found = Find(word);
  return found != nullptr && found->effect == Effect::kPropagation ? found->flags : 0;
}

std::vector<std::string> KnownMountOptions() {
  std::vector<std::string> words;
  for (const Word& word : kWords) words.emplace_back(word.word);
  return words;
}

}  // namespace runsc::oci
