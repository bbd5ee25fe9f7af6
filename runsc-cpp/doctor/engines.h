// Container engines of this host: which are there, whether they know the runtime, and a container through each.
#ifndef RUNSC_CPP_DOCTOR_ENGINES_H_
#define RUNSC_CPP_DOCTOR_ENGINES_H_

#include <string>

#include "runsc-cpp/doctor/finding.h"

namespace runsc {

struct DoctorPlaces {
  std::string binary;  // ours: what engines are to call
  std::string runtime_name = "runsc-cpp";
  std::string docker_config = "/etc/docker/daemon.json";
  std::string docker_socket = "/var/run/docker.sock";
  std::string containerd_config = "/etc/containerd/config.toml";
  std::string containerd_socket = "/run/containerd/containerd.sock";
  std::string temporary = "/tmp";
};

// Runs `--version` by a container of the runtime itself.
Findings TryRuntime(const DoctorPlaces& places);
Findings LookAtDocker(const DoctorPlaces& places);
Findings LookAtContainerd(const DoctorPlaces& places);
Findings LookAtPodman(const DoctorPlaces& places);
Findings LookAtBuildah(const DoctorPlaces& places);

}  // namespace runsc

#endif  // RUNSC_CPP_DOCTOR_ENGINES_H_
