// The features structure of the OCI runtime specification 1.2 (features.md):
// what `runsc-cpp features` tells an engine.
#ifndef RUNSC_CPP_OCI_FEATURES_H_
#define RUNSC_CPP_OCI_FEATURES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace runsc::oci {

struct CgroupFeatures {
  std::optional<bool> v1, v2, systemd, systemd_user, rdma;
};

struct SeccompFeatures {
  std::optional<bool> enabled;
  std::vector<std::string> actions;
  std::vector<std::string> operators;
  std::vector<std::string> archs;
  std::vector<std::string> known_flags;
  std::vector<std::string> supported_flags;
};

// apparmor, selinux, intelRdt, netDevices and mountExtensions.idmap.
struct EnabledFeature {
  std::optional<bool> enabled;
};

struct MountExtensions {
  std::optional<EnabledFeature> idmap;
};

struct LinuxFeatures {
  std::vector<std::string> namespaces;
  std::vector<std::string> capabilities;
  std::optional<CgroupFeatures> cgroup;
  std::optional<SeccompFeatures> seccomp;
  std::optional<EnabledFeature> apparmor;
  std::optional<EnabledFeature> selinux;
  std::optional<EnabledFeature> intel_rdt;
  std::optional<MountExtensions> mount_extensions;
  std::optional<EnabledFeature> net_devices;
};

struct Features {
  std::string oci_version_min;
  std::string oci_version_max;
  std::vector<std::string> hooks;
  std::vector<std::string> mount_options;
  std::optional<LinuxFeatures> linux_features;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> potentially_unsafe_config_annotations;
};

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_FEATURES_H_
