# Debian packages by purpose, and their installation. Sourced by tools/dev.

packages_build=(
  bazel-bootstrap g++ python3
  libabsl-dev libgtest-dev libgmock-dev libbenchmark-dev
  libprotobuf-dev protobuf-compiler zlib1g-dev libre2-dev rapidjson-dev
  libunwind-dev liblzma-dev
  libseccomp-dev # assembles the host filters when the project is built
)
# What the workloads run, natively and in the sandbox.
packages_test=(
  bash coreutils findutils grep sed gawk tar gzip xz-utils
  python3 libpython3.11-testsuite gcc g++ libc6-dev make git perl sqlite3 procps patch bsdextrautils
  strace linux-perf # record the sentry's own host calls
)
# A VM with a true KVM (test/qemu), which is skipped without them.
packages_vm=(qemu-system-x86 busybox-static linux-image-cloud-amd64)
# Container engines (test/oci, test/docker, test/cri), which are skipped without them.
packages_engines=(
  docker.io containerd runc podman buildah conmon containernetworking-plugins
  iproute2 iptables busybox-static python3-grpcio python3-protobuf protobuf-compiler
)
packages_lint=(clang clang-format clang-tidy git python3)
packages_bench=(runsc crun) # the peers; skipped where the archive lacks them

# The packages of the named groups that are not installed. One dpkg-query for
# all: this runs on every call.
missing_packages() {
  local group wanted=()
  for group in "$@"; do
    local -n list="packages_$group"
    wanted+=("${list[@]}")
  done
  dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    awk -v wanted="${wanted[*]}" '
      $1 == "installed" { have[$2] = 1 }
      END {
        n = split(wanted, names, " ")
        for (i = 1; i <= n; i++) if (!(names[i] in have) && !seen[names[i]]++) print names[i]
      }'
}

apt_quiet() {
  DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o APT::Install-Recommends=false "$@" </dev/null
}

install_packages() {
  local command="apt-get install --no-install-recommends $*"
  command -v apt-get >/dev/null || die "this needs the packages of Debian 12: $*"
  if [[ $(id -u) -ne 0 ]]; then die "as root, type: apt-get update && $command"; fi
  note "installing: $*"
  local log
  log=$(mktemp)
  if ! { apt_quiet update && apt_quiet install -y "$@"; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  install_packages "${missing[@]}" || die "apt could not install: ${missing[*]}"
}

ensure_packages_if_available() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if [[ ${#missing[@]} -eq 0 ]]; then return; fi
  (install_packages "${missing[@]}") || note "goes on without: ${missing[*]}"
}
