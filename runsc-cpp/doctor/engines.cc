#include "runsc-cpp/doctor/engines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/unique_fd.h"
#include "runsc-cpp/doctor/program.h"
#include "runsc-cpp/doctor/trial.h"
#include "runsc-cpp/install/containerd.h"
#include "runsc-cpp/install/docker.h"

namespace runsc {
namespace {

constexpr int kAskMs = 10'000;
constexpr size_t kMostConfig = 1 << 20;

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// "docker: Docker version 20.10.24, ..." or nothing, if the program is not there.
std::optional<Finding> Version(const std::string& name) {
  const std::string path = FindProgram(name);
  if (path.empty()) return std::nullopt;
  const absl::StatusOr<Said> said = RunProgram({path, "--version"}, kAskMs);
  if (!said.ok()) return Finding{Health::kBad, std::string(said.status().message()), absl::StrCat(path, " --version")};
  return Finding{Health::kGood, absl::StrCat(name, ": ", FirstLine(said->text))};
}

bool Answers(const std::string& socket_path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return false;
  memcpy(address.sun_path, socket_path.data(), socket_path.size());
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return fd.valid() && connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

std::string ReadConfig(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(kMostConfig, '\0');
  const ssize_t n = fd.valid() ? read(fd.get(), text.data(), text.size()) : 0;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// Taking the runtime out would change the file: it is in it. An error: the file can't be read as what it is.
Finding Registered(const char* engine, const std::string& file, const std::string& text,
                   const absl::StatusOr<std::string>& without, const DoctorPlaces& places, Health missing,
                   const char* restart) {
  const std::string fix = absl::StrCat(places.binary, " install --", engine, "=", file, " && ", restart);
  if (!without.ok()) {
    return {Health::kBad, absl::StrCat(file, ": ", without.status().message()), absl::StrCat("mend ", file)};
  }
  if (*without == text) return {missing, absl::StrCat(engine, " does not know ", places.runtime_name), fix};
  return {Health::kGood, absl::StrCat(places.runtime_name, " is in ", file)};
}

// By a client that answers.
Finding TryDocker(const DoctorPlaces& places, const std::string& client, const std::string& host) {
  const absl::StatusOr<Said> images = RunProgram({client, host, "images", "--quiet", "--no-trunc"}, kAskMs);
  const std::string image = images.ok() && images->code == 0 ? FirstLine(images->text) : "";
  if (image.empty()) {
    return {Health::kNote, "no container was tried by docker: it has no image", "docker pull busybox"};
  }
  return Try(
      "a container by docker",
      {client, host, "run", "--rm", "--pull=never", absl::StrCat("--runtime=", places.runtime_name), "--network=none",
       "--user=0", absl::StrCat("--name=", TrialName()),
       absl::StrCat("--volume=", places.binary, ":", kGuestBinary, ":ro"), absl::StrCat("--entrypoint=", kGuestBinary),
       image, "--version"},
      absl::StrCat("docker run --runtime=", places.runtime_name, " IMAGE true, then: ", places.binary, " why ID"));
}

bool Knows(const DoctorPlaces& places, const std::string& client, const std::string& host) {
  const absl::StatusOr<Said> known =
      RunProgram({client, host, "info", "--format", "{{range $name, $runtime := .Runtimes}}{{$name}} {{end}}"}, kAskMs);
  return known.ok() &&
         absl::StrContains(absl::StrCat(" ", FirstLine(known->text)), absl::StrCat(" ", places.runtime_name, " "));
}

}  // namespace

Findings TryRuntime(const DoctorPlaces& places) {
  const TrialFolder folder(places.temporary);
  absl::Status ready = folder.status();
  if (ready.ok()) ready = folder.WriteConfig(places.binary);
  if (!ready.ok()) return {{Health::kBad, std::string(ready.message()), absl::StrCat("df ", places.temporary)}};
  return {Try("a container by runsc-cpp itself",
              {places.binary, "--root", folder.state(), "run", "--bundle", folder.bundle(), TrialName()},
              absl::StrCat(places.binary, " do --log-level debug -- true  (tells the step that fails)"))};
}

Findings LookAtDocker(const DoctorPlaces& places) {
  Findings found;
  const std::string client = FindProgram("docker");
  const std::optional<Finding> version = Version(client.empty() ? "dockerd" : "docker");
  if (!version) return {{Health::kNote, "docker is not here"}};
  found.push_back(*version);
  const bool runs = Answers(places.docker_socket);
  const std::string text = ReadConfig(places.docker_config);
  const absl::StatusOr<std::string> without = RemoveFromDocker(text, places.docker_config, places.runtime_name);
  // Where it is the default runtime it can't be taken out, but is there.
  found.push_back(absl::IsFailedPrecondition(without.status())
                      ? Finding{Health::kGood, absl::StrCat(places.runtime_name, " is docker's default runtime")}
                      : Registered("docker", places.docker_config, text, without, places,
                                   runs ? Health::kBad : Health::kNote, "systemctl reload docker"));
  if (client.empty() || !runs) {
    found.push_back({Health::kNote, absl::StrCat("dockerd does not run: nobody answers at ", places.docker_socket)});
    return found;
  }
  const std::string host = absl::StrCat("--host=unix://", places.docker_socket);
  if (Knows(places, client, host)) {
    found.push_back(TryDocker(places, client, host));
  } else if (found.back().health == Health::kGood) {
    found.push_back(
        {Health::kBad,
         absl::StrCat("dockerd has not read ", places.docker_config, " since ", places.runtime_name, " is in it"),
         "systemctl reload docker"});
  }
  return found;
}

Findings LookAtContainerd(const DoctorPlaces& places) {
  const std::optional<Finding> version = Version("containerd");
  if (!version) return {{Health::kNote, "containerd is not here"}};
  Findings found = {*version};
  const bool runs = Answers(places.containerd_socket);
  const std::string text = ReadConfig(places.containerd_config);
  // As Docker's packages leave it: then nobody but Docker uses it.
  const bool for_cri = !absl::StrContains(text, "disabled_plugins = [\"cri\"]");
  found.push_back(Registered("containerd", places.containerd_config, text,
                             RemoveFromContainerd(text, places.runtime_name), places,
                             runs && for_cri ? Health::kBad : Health::kNote, "systemctl restart containerd"));
  const std::string client = FindProgram("ctr");
  if (client.empty() || !runs) {
    found.push_back(
        {Health::kNote, absl::StrCat("containerd does not run: nobody answers at ", places.containerd_socket)});
    return found;
  }
  const TrialFolder folder(places.temporary);
  if (!folder.status().ok()) return found;
  found.push_back(
      Try("a container by containerd",
          {client, "--address", places.containerd_socket, "run", "--rm", "--rootfs", "--runc-binary", places.binary,
           "--mount", absl::StrCat("type=bind,src=", places.binary, ",dst=", kGuestBinary, ",options=rbind:ro"),
           folder.rootfs(), TrialName(), kGuestBinary, "--version"},
          absl::StrCat("journalctl -u containerd; ", places.binary, " why ", TrialName())));
  return found;
}

Findings LookAtPodman(const DoctorPlaces& places) {
  const std::optional<Finding> version = Version("podman");
  if (!version) return {{Health::kNote, "podman is not here"}};
  Findings found = {*version};
  if (access("/var/lib/containers/storage", F_OK) != 0) {
    found.push_back(
        {Health::kNote, "no container was tried by podman: it has not been used here, and would make its storage"});
    return found;
  }
  const TrialFolder folder(places.temporary);
  if (!folder.status().ok()) return found;
  found.push_back(
      Try("a container by podman",
          {FindProgram("podman"), "--runtime", places.binary, "run", "--rm", "--network=none",
           absl::StrCat("--name=", TrialName()), absl::StrCat("--volume=", places.binary, ":", kGuestBinary, ":ro"),
           "--rootfs", folder.rootfs(), kGuestBinary, "--version"},
          absl::StrCat("podman --log-level=debug --runtime ", places.binary, " run --rm IMAGE true")));
  return found;
}

Findings LookAtBuildah(const DoctorPlaces& places) {
  const std::optional<Finding> version = Version("buildah");
  if (!version) return {{Health::kNote, "buildah is not here"}};
  return {*version,
          {Health::kNote, absl::StrCat("buildah takes the runtime by its flag: buildah --runtime ", places.binary,
                                       " run ...; no daemon of it runs")}};
}

}  // namespace runsc
