#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/oci/features_report.h"
#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/oci/spec_template.h"

namespace runsc {
namespace {

constexpr char kConfigName[] = "config.json";

struct SpecFlags {
  std::string bundle;
  bool rootless = false;
};

// As runc takes them: -b DIR, --bundle DIR, --bundle=DIR, one dash or two.
std::optional<SpecFlags> ParseFlags(int argc, char** argv) {
  SpecFlags flags;
  for (int i = 0; i < argc; ++i) {
    std::string_view word = argv[i];
    if (!word.starts_with('-')) return std::nullopt;
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (name == "rootless" && equals == std::string_view::npos) {
      flags.rootless = true;
    } else if ((name == "bundle" || name == "b") && equals != std::string_view::npos) {
      flags.bundle = word.substr(equals + 1);
    } else if ((name == "bundle" || name == "b") && i + 1 < argc) {
      flags.bundle = argv[++i];
    } else {
      return std::nullopt;
    }
  }
  return flags;
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// runc's own failures end with 1.
int FailSpec(const std::string& text) {
  Fail("spec", text);
  return 1;
}

}  // namespace

int SpecCommand(int argc, char** argv) {
  const std::optional<SpecFlags> flags = ParseFlags(argc, argv);
  if (!flags.has_value()) return FailSpec("usage: runsc-cpp spec [--bundle DIR] [--rootless]");
  if (!flags->bundle.empty() && chdir(flags->bundle.c_str()) != 0) {
    return FailSpec("can't enter " + flags->bundle + ": " + strerror(errno));
  }
  const oci::Spec spec = flags->rootless ? oci::RootlessTemplateSpec(geteuid(), getegid()) : oci::TemplateSpec();
  const base::UniqueFd file(open(kConfigName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.valid()) {
    if (errno == EEXIST) return FailSpec(std::string("File ") + kConfigName + " exists. Remove it first");
    return FailSpec(std::string("can't create ") + kConfigName + ": " + strerror(errno));
  }
  if (WriteAll(file.get(), oci::SpecToJson(spec))) return 0;
  const int error = errno;
  unlink(kConfigName);
  return FailSpec(std::string("can't write ") + kConfigName + ": " + strerror(error));
}

int FeaturesCommand(int argc, char**) {
  if (argc != 0) return Fail("features", "usage: runsc-cpp features");
  const oci::CgroupFeatures cgroup{.v1 = true, .v2 = true, .systemd = true, .systemd_user = true, .rdma = true};
  Print(oci::FeaturesToJson(oci::OurFeatures(kVersion, cgroup)));
  return 0;
}

}  // namespace runsc
