#include "runsc-cpp/oci/lower.h"

#include "runsc-cpp/oci/lowering.h"

namespace runsc::oci {
namespace {

// 1.3 adds properties only, and those of them that would matter are refused by
// name (fields.h); what later ones mean nobody can know.
constexpr uint32_t kNewestMinor = 3;

absl::Status CheckVersion(const LowerContext& context, std::string_view version) {
  absl::Status refusal =
      context.Refuse("ociVersion: ", QuoteJson(version), " is not one of 1.0.0 to 1.", kNewestMinor, ".x");
  // A suffix: 1.0.2-dev, 1.2.0+build
  const std::string_view core = version.substr(0, version.find_first_of("-+"));
  const size_t first = core.find('.');
  const size_t second = first == std::string_view::npos ? first : core.find('.', first + 1);
  if (second == std::string_view::npos) return refusal;
  uint32_t major = 0, minor = 0, patch = 0;
  if (!ParseDecimal(core.substr(0, first), major) || !ParseDecimal(core.substr(first + 1, second - first - 1), minor) ||
      !ParseDecimal(core.substr(second + 1), patch)) {
    return refusal;
  }
  return major == 1 && minor <= kNewestMinor ? absl::OkStatus() : refusal;
}

absl::Status CheckHooks(const LowerContext& context, const std::vector<Hook>& hooks, const char* name) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    if (IsAbsolute(hooks[i].path)) continue;
    return context.Refuse(ItemPath(Cat("hooks.", name), i), ".path: ", QuoteJson(hooks[i].path),
                          " is not an absolute path");
  }
  return absl::OkStatus();
}

absl::Status LowerHooks(const LowerContext& context, const Hooks& hooks, ContainerPlan& to) {
  absl::Status status = CheckHooks(context, hooks.prestart, "prestart");
  status.Update(CheckHooks(context, hooks.create_runtime, "createRuntime"));
  status.Update(CheckHooks(context, hooks.create_container, "createContainer"));
  status.Update(CheckHooks(context, hooks.start_container, "startContainer"));
  status.Update(CheckHooks(context, hooks.poststart, "poststart"));
  status.Update(CheckHooks(context, hooks.poststop, "poststop"));
  to.hooks = hooks;
  return status;
}

absl::Status LowerNames(const LowerContext& context, const Spec& spec, ContainerPlan& to) {
  constexpr size_t kMaxName = 64;  // __NEW_UTS_LEN
  const std::pair<const char*, const std::string*> names[] = {{"hostname", &spec.hostname},
                                                              {"domainname", &spec.domainname}};
  for (const auto& [name, value] : names) {
    if (value->empty()) continue;
    if (value->size() > kMaxName) return context.Refuse(name, ": is longer than ", kMaxName, " bytes");
    if (!to.Namespace(NamespaceKind::kUts).wanted) {
      return context.Refuse(name, ": needs a uts namespace in linux.namespaces");
    }
  }
  to.hostname = spec.hostname;
  to.domainname = spec.domainname;
  return absl::OkStatus();
}

// What has to do with more than one part.
absl::Status CheckWhole(const LowerContext& context, const ContainerPlan& plan) {
  const bool restricts = !plan.masked_paths.empty() || !plan.readonly_paths.empty();
  if (restricts && !plan.Namespace(NamespaceKind::kMount).wanted) {
    return context.Refuse(
        "linux.maskedPaths: maskedPaths and readonlyPaths need a mount namespace in linux.namespaces");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ContainerPlan> Lower(const Spec& spec, const LowerOptions& options, std::vector<std::string>& warnings) {
  const LowerContext context{options.file, warnings};
  ContainerPlan plan;
  absl::Status status = CheckVersion(context, spec.version);
  if (!status.ok()) return status;
  if (!spec.root.has_value()) return context.Refuse("root: is required");
  if (spec.root->path.empty()) return context.Refuse("root.path: must not be empty");
  plan.root = IsAbsolute(spec.root->path) ? spec.root->path : Cat(options.bundle, "/", spec.root->path);
  plan.root_readonly = spec.root->readonly;
  if (spec.process.has_value()) {
    status.Update(LowerProcess(context, *spec.process, "process", plan.process.emplace()));
  }
  status.Update(LowerMounts(context, spec, options.bundle, plan));
  status.Update(LowerLinux(context, spec.linux_config.value_or(Linux()), plan));
  status.Update(LowerNames(context, spec, plan));
  status.Update(CheckWhole(context, plan));
  if (spec.hooks.has_value()) status.Update(LowerHooks(context, *spec.hooks, plan));
  if (!status.ok()) return status;
  return plan;
}

absl::StatusOr<ProcessPlan> LowerProcess(const Process& process, std::string_view file,
                                         std::vector<std::string>& warnings) {
  ProcessPlan plan;
  absl::Status status = LowerProcess(LowerContext{file, warnings}, process, "", plan);
  if (!status.ok()) return status;
  return plan;
}

absl::StatusOr<LinuxResources> LowerResources(const LinuxResources& resources, std::string_view file) {
  std::vector<std::string> warnings;
  LinuxResources result;
  absl::Status status = LowerResources(LowerContext{file, warnings}, resources, "", result);
  if (!status.ok()) return status;
  return result;
}

}  // namespace runsc::oci
