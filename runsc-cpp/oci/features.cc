#include "runsc-cpp/oci/features.h"

#include <algorithm>

#include "runsc-cpp/oci/annotations.h"
#include "runsc-cpp/oci/features_report.h"
#include "runsc-cpp/oci/mount_options.h"
#include "runsc-cpp/oci/names.h"
#include "runsc-cpp/oci/state.h"
#include "runsc-cpp/oci/words.h"
#include "runsc-cpp/oci/writer.h"

namespace runsc::oci {

// Not in an anonymous namespace: they are looked up by their arguments.
template <class V>
void Fields(V& v, const CgroupFeatures& s) {
  v.Optional("v1", s.v1);
  v.Optional("v2", s.v2);
  v.Optional("systemd", s.systemd);
  v.Optional("systemdUser", s.systemd_user);
  v.Optional("rdma", s.rdma);
}

template <class V>
void Fields(V& v, const SeccompFeatures& s) {
  v.Optional("enabled", s.enabled);
  v.Optional("actions", s.actions);
  v.Optional("operators", s.operators);
  v.Optional("archs", s.archs);
  v.Optional("knownFlags", s.known_flags);
  v.Optional("supportedFlags", s.supported_flags);
}

template <class V>
void Fields(V& v, const EnabledFeature& s) {
  v.Optional("enabled", s.enabled);
}

template <class V>
void Fields(V& v, const MountExtensions& s) {
  v.Optional("idmap", s.idmap);
}

template <class V>
void Fields(V& v, const LinuxFeatures& s) {
  v.Optional("namespaces", s.namespaces);
  v.Optional("capabilities", s.capabilities);
  v.Optional("cgroup", s.cgroup);
  v.Optional("seccomp", s.seccomp);
  v.Optional("apparmor", s.apparmor);
  v.Optional("selinux", s.selinux);
  v.Optional("intelRdt", s.intel_rdt);
  v.Optional("mountExtensions", s.mount_extensions);
  v.Optional("netDevices", s.net_devices);
}

template <class V>
void Fields(V& v, const Features& s) {
  v.Optional("ociVersionMin", s.oci_version_min);
  v.Optional("ociVersionMax", s.oci_version_max);
  v.Optional("hooks", s.hooks);
  v.Optional("mountOptions", s.mount_options);
  v.Optional("linux", s.linux_features);
  v.Optional("annotations", s.annotations);
  v.Optional("potentiallyUnsafeConfigAnnotations", s.potentially_unsafe_config_annotations);
}

namespace {

template <class Words>
std::vector<std::string> Sorted(const Words& words) {
  std::vector<std::string> out(std::begin(words), std::end(words));
  std::sort(out.begin(), out.end());
  return out;
}

template <class Words>
std::vector<std::string> SortedWithout(const Words& words, std::string_view left_out) {
  std::vector<std::string> out = Sorted(words);
  std::erase(out, left_out);
  return out;
}

SeccompFeatures Seccomp() {
  SeccompFeatures s;
  s.enabled = true;
  s.actions = SortedWithout(kSeccompActions, "SCMP_ACT_NOTIFY");
  s.operators = Sorted(kSeccompOperators);
  s.archs = {"SCMP_ARCH_X86_64"};  // others are taken, and filter nothing that the guest has
  s.known_flags = Sorted(kSeccompFlags);
  s.supported_flags = SortedWithout(kSeccompFlags, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
  return s;
}

}  // namespace

Features OurFeatures(std::string_view version, const CgroupFeatures& cgroup) {
  Features f;
  f.oci_version_min = "1.0.0";
  f.oci_version_max = kSpecVersion;
  f.hooks = {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};
  f.mount_options = KnownMountOptions();
  LinuxFeatures& l = f.linux_features.emplace();
  l.namespaces = SortedWithout(kNamespaceTypes, "time");
  l.capabilities = KnownCapabilities();
  l.cgroup = cgroup;
  l.seccomp = Seccomp();
  l.apparmor = EnabledFeature{false};
  l.selinux = EnabledFeature{false};
  l.intel_rdt = EnabledFeature{false};
  l.mount_extensions = MountExtensions{EnabledFeature{true}};
  l.net_devices = EnabledFeature{false};
  f.annotations = {{"dev.runsc-cpp.version", std::string(version)}};
  f.potentially_unsafe_config_annotations = {std::string(kAnnotationPrefix)};
  return f;
}

std::string FeaturesToJson(const Features& features) { return ToJson(features, "    ") + "\n"; }

}  // namespace runsc::oci
