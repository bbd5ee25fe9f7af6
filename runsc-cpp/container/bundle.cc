#include "runsc-cpp/container/bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/oci/parse.h"

namespace runsc {
namespace {

absl::StatusOr<std::string> ReadConfigFile(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/config.json");
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("JSON specification file ", path, " not found"));
  }
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  std::string text;
  char buffer[64 << 10];
  ssize_t n;
  while ((n = read(fd.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxStateFile) return absl::InvalidArgumentError(absl::StrCat(path, " is larger than 16 MiB"));
  }
  if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  return text;
}

absl::StatusOr<Bundle> Check(std::string text, const std::string& directory, const RuntimeOptions& runtime) {
  Bundle bundle;
  bundle.text = std::move(text);
  absl::StatusOr<oci::Parsed<oci::Spec>> spec = oci::ParseSpec(bundle.text);
  if (!spec.ok()) return spec.status();
  for (const std::string& path : spec->unknown) runtime.debug(absl::StrCat("config.json: ", path, " is not known"));
  for (const std::string& line : spec->noted) runtime.debug(line);
  bundle.spec = std::move(spec->value);
  std::vector<std::string> warnings;
  absl::StatusOr<oci::ContainerPlan> plan = oci::Lower(bundle.spec, {.bundle = directory}, warnings);
  if (!plan.ok()) return plan.status();
  for (const std::string& line : warnings) runtime.warn(line);
  bundle.plan = *std::move(plan);
  return bundle;
}

}  // namespace

absl::StatusOr<Bundle> ReadBundle(const std::string& directory, const RuntimeOptions& runtime) {
  absl::StatusOr<std::string> text = ReadConfigFile(directory);
  if (!text.ok()) return text.status();
  return Check(*std::move(text), directory, runtime);
}

absl::StatusOr<Bundle> ReadStoredBundle(const RuntimeOptions& runtime, const ContainerRecord& record) {
  absl::StatusOr<std::string> text = runtime.root.ReadFile(record.id(), "config.json");
  if (!text.ok()) return text.status();
  RuntimeOptions quiet;
  quiet.warn = quiet.debug = [](const std::string&) {};  // it was said at create
  return Check(*std::move(text), record.bundle(), quiet);
}

}  // namespace runsc
