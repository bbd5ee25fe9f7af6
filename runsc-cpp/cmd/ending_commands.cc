// wait, why: how containers ended.
#include <glob.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/ending.h"

namespace runsc {
namespace {

absl::StatusOr<int> Wait(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const absl::StatusOr<int> code = AwaitContainer(runtime, flags.words()[0]);
  if (code.ok()) Print(absl::StrCat(*code, "\n"));
  return code;
}

std::vector<std::string> Glob(const std::string& pattern) {
  glob_t found = {};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  }
  globfree(&found);
  return paths;
}

// Docker shows the first digits of an id alone. `id` is one, and so no pattern.
std::string WholeId(const std::string& root, const std::string& id) {
  std::set<std::string> names;
  for (const char* folder : {"/", "/.ended/"}) {
    for (const std::string& path : Glob(absl::StrCat(root, folder, id, "*")))
      names.insert(path.substr(path.rfind('/') + 1));
  }
  return names.size() == 1 ? *names.begin() : id;
}

// Where engines have our state directories: a user knows an id, seldom more.
std::vector<std::string> EnginesRoots() {
  std::vector<std::string> roots = {kDefaultRoot, "/run/runc"};
  for (const char* pattern : {"/run/docker/runtime-*/*", "/run/docker/containerd/runc/*", "/run/containerd/runc/*",
                              "/run/containerd/runsc-cpp/*"}) {
    for (std::string& root : Glob(pattern)) roots.push_back(std::move(root));
  }
  return roots;
}

absl::StatusOr<PostMortem> Find(const RuntimeOptions& runtime, const std::string& id) {
  if (absl::Status s = CheckId(id); !s.ok()) return s;
  std::vector<std::string> roots = {runtime.root.path()};
  if (!runtime.root_given) {
    for (std::string& root : EnginesRoots()) roots.push_back(std::move(root));
  }
  for (const std::string& root : roots) {
    RuntimeOptions other = runtime;
    other.root = StateRoot(root);
    absl::StatusOr<PostMortem> end = FindEnd(other, WholeId(root, id));
    if (!absl::IsNotFound(end.status())) return end;
  }
  return absl::NotFoundError("container does not exist, and no post-mortem of it is kept: --root says where to look");
}

absl::StatusOr<int> Why(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const std::string format = flags.Value("format", "text");
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("--format: \"", format, "\" is not text or json"));
  }
  const absl::StatusOr<PostMortem> end = Find(runtime, flags.words()[0]);
  if (!end.ok()) return end.status();
  Print(format == "json" ? WhyJson(*end) : WhyReport(*end));
  return 0;
}

}  // namespace

std::vector<OciCommand> EndingOciCommands() {
  return {{.name = "wait", .flags = {}, .least_words = 1, .most_words = 1, .usage = "ID", .run = Wait},
          {.name = "why",
           .flags = {{"format", "f", FlagKind::kValue}},
           .least_words = 1,
           .most_words = 1,
           .usage = "[--format text|json] ID",
           .run = Why}};
}

}  // namespace runsc
