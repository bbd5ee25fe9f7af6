#include "runsc-cpp/doctor/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/doctor/program.h"
#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/oci/spec_template.h"
#include "runsc-cpp/postmortem/post_mortem.h"

namespace runsc {

TrialFolder::TrialFolder(const std::string& parent) {
  std::string name = absl::StrCat(parent, "/runsc-cpp-doctor-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    status_ = absl::ErrnoToStatus(errno, absl::StrCat("make a folder in ", parent));
    return;
  }
  path_ = name;
  if (mkdir(rootfs().c_str(), 0755) != 0) status_ = absl::ErrnoToStatus(errno, "mkdir rootfs");
  const base::UniqueFd point(open(absl::StrCat(rootfs(), kGuestBinary).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
  if (status_.ok() && !point.valid()) status_ = absl::ErrnoToStatus(errno, "make a mount point");
}

// Only what is known to be there: nothing is followed, and what is strange stays.
TrialFolder::~TrialFolder() {
  if (path_.empty()) return;
  unlink(absl::StrCat(rootfs(), kGuestBinary).c_str());  // the mount point
  for (const char* folder : {"/proc", "/dev", "/sys", "/run", "/etc", ""}) {
    rmdir(absl::StrCat(rootfs(), folder).c_str());
  }
  unlink(absl::StrCat(state(), "/", kEndedFolder, "/", TrialName()).c_str());
  for (const char* folder : {"/.sandboxes", "/.ended", ""}) rmdir(absl::StrCat(state(), folder).c_str());
  unlink(absl::StrCat(path_, "/config.json").c_str());
  rmdir(path_.c_str());
}

absl::Status TrialFolder::WriteConfig(const std::string& binary) const {
  oci::Spec spec = oci::TemplateSpec();
  spec.root->path = rootfs();
  spec.process->terminal = false;
  spec.process->args = {kGuestBinary, "--version"};
  oci::Mount mount;
  mount.destination = kGuestBinary;
  mount.type = "bind";
  mount.source = binary;
  mount.options = {"bind", "ro"};
  // Its own /dev, or the standard devices would have to be made in the root.
  std::erase_if(spec.mounts, [](const oci::Mount& m) { return m.destination != "/dev"; });
  spec.mounts.push_back(mount);
  const std::string text = oci::SpecToJson(spec);
  const base::UniqueFd fd(
      open(absl::StrCat(path_, "/config.json").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (fd.valid() && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "write config.json");
}

std::string TrialName() { return absl::StrCat("runsc-cpp-doctor-", getpid()); }

Finding Try(const std::string& what, const std::vector<std::string>& argv, const std::string& fix) {
  const absl::StatusOr<Said> said = RunProgram(argv, kTrialMs);
  if (!said.ok()) return {Health::kBad, absl::StrCat(what, " failed: ", said.status().message()), fix};
  if (said->code == 0 && absl::StrContains(said->text, kExpected)) return {Health::kGood, absl::StrCat(what, " works")};
  const std::string words = LastLine(said->text);
  return {Health::kBad, absl::StrCat(what, " failed, code ", said->code, words.empty() ? "" : ": ", words), fix};
}

}  // namespace runsc
