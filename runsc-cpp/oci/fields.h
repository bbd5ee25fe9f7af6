// Which properties each object of config.json has, what they may hold, and
// whether we honour them: the one table from which reader, writer and the list
// of properties (properties.h) are made. A visitor has:
//   Required(name, member, rule)  must be there
//   Always(name, member, rule)    may be absent (then zero); always written
//   Optional(name, member, rule)  may be absent; written unless empty
//   Noted(name, member, note)     as Optional, without the effect that its name promises
//   Refused(name, why)            an error unless absent, null, false, 0 or empty
#ifndef RUNSC_CPP_OCI_FIELDS_H_
#define RUNSC_CPP_OCI_FIELDS_H_

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "runsc-cpp/oci/spec.h"
#include "runsc-cpp/oci/words.h"

namespace runsc::oci {

// What a value, or each item of an array, may be besides what its type says.
struct Rule {
  std::span<const std::string_view> words;
  int64_t least = INT64_MIN;
  int64_t most = INT64_MAX;
};
constexpr Rule OneOf(std::span<const std::string_view> words) { return {.words = words}; }
constexpr Rule Within(int64_t least, int64_t most) { return {.words = {}, .least = least, .most = most}; }

template <class T, class S>
concept Is = std::same_as<std::remove_const_t<T>, S>;

// --- Process ---

template <class V>
void Fields(V& v, Is<Box> auto& s) {
  v.Always("height", s.height, Within(0, UINT16_MAX));
  v.Always("width", s.width, Within(0, UINT16_MAX));
}

template <class V>
void Fields(V& v, Is<User> auto& s) {
  v.Always("uid", s.uid);
  v.Always("gid", s.gid);
  v.Optional("umask", s.umask, Within(0, 0777));
  v.Optional("additionalGids", s.additional_gids);
  v.Refused("username", "users of Windows; use uid and gid");
}

template <class V>
void Fields(V& v, Is<LinuxCapabilities> auto& s) {
  v.Optional("bounding", s.bounding);
  v.Optional("effective", s.effective);
  v.Optional("inheritable", s.inheritable);
  v.Optional("permitted", s.permitted);
  v.Optional("ambient", s.ambient);
}

template <class V>
void Fields(V& v, Is<PosixRlimit> auto& s) {
  v.Required("type", s.type);
  v.Required("hard", s.hard);
  v.Required("soft", s.soft);
}

template <class V>
void Fields(V& v, Is<Scheduler> auto& s) {
  v.Required("policy", s.policy, OneOf(kSchedulerPolicies));
  v.Optional("nice", s.nice, Within(-20, 19));
  v.Optional("priority", s.priority, Within(0, 99));
  v.Optional("flags", s.flags, OneOf(kSchedulerFlags));
  v.Optional("runtime", s.runtime);
  v.Optional("deadline", s.deadline);
  v.Optional("period", s.period);
}

template <class V>
void Fields(V& v, Is<IOPriority> auto& s) {
  v.Required("class", s.io_class, OneOf(kIoClasses));
  v.Always("priority", s.priority, Within(0, 7));
}

template <class V>
void Fields(V& v, Is<ExecCPUAffinity> auto& s) {
  v.Optional("initial", s.initial);
  v.Optional("final", s.final);
}

template <class V>
void Fields(V& v, Is<Process> auto& s) {
  v.Optional("terminal", s.terminal);
  v.Optional("consoleSize", s.console_size);
  v.Always("user", s.user);
  v.Optional("args", s.args);
  v.Refused("commandLine", "only for Windows; use args");
  v.Optional("env", s.env);
  v.Required("cwd", s.cwd);
  v.Optional("capabilities", s.capabilities);
  v.Optional("rlimits", s.rlimits);
  v.Optional("noNewPrivileges", s.no_new_privileges);
  v.Noted("apparmorProfile", s.apparmor_profile, "the guest makes no host system call that a profile would see");
  v.Optional("oomScoreAdj", s.oom_score_adj, Within(-1000, 1000));
  v.Optional("scheduler", s.scheduler);
  v.Noted("selinuxLabel", s.selinux_label, "the guest makes no host system call that a label would confine");
  v.Optional("ioPriority", s.io_priority);
  v.Optional("execCPUAffinity", s.exec_cpu_affinity);
}

// --- Root, mounts, hooks ---

template <class V>
void Fields(V& v, Is<Root> auto& s) {
  v.Required("path", s.path);
  v.Optional("readonly", s.readonly);
}

template <class V>
void Fields(V& v, Is<LinuxIDMapping> auto& s) {
  v.Required("containerID", s.container_id);
  v.Required("hostID", s.host_id);
  v.Required("size", s.size);
}

template <class V>
void Fields(V& v, Is<Mount> auto& s) {
  v.Required("destination", s.destination);
  v.Optional("type", s.type);
  v.Optional("source", s.source);
  v.Optional("options", s.options);
  v.Optional("uidMappings", s.uid_mappings);
  v.Optional("gidMappings", s.gid_mappings);
}

template <class V>
void Fields(V& v, Is<Hook> auto& s) {
  v.Required("path", s.path);
  v.Optional("args", s.args);
  v.Optional("env", s.env);
  v.Optional("timeout", s.timeout, Within(1, INT32_MAX));
}

template <class V>
void Fields(V& v, Is<Hooks> auto& s) {
  v.Optional("prestart", s.prestart);
  v.Optional("createRuntime", s.create_runtime);
  v.Optional("createContainer", s.create_container);
  v.Optional("startContainer", s.start_container);
  v.Optional("poststart", s.poststart);
  v.Optional("poststop", s.poststop);
}

// --- Linux ---

template <class V>
void Fields(V& v, Is<LinuxNamespace> auto& s) {
  v.Required("type", s.type, OneOf(kNamespaceTypes));
  v.Optional("path", s.path);
}

template <class V>
void Fields(V& v, Is<LinuxDevice> auto& s) {
  v.Required("path", s.path);
  v.Required("type", s.type, OneOf(kDeviceTypes));
  v.Always("major", s.major, Within(0, 0xfff));
  v.Always("minor", s.minor, Within(0, 0xfffff));
  v.Optional("fileMode", s.file_mode);
  v.Optional("uid", s.uid);
  v.Optional("gid", s.gid);
}

template <class V>
void Fields(V& v, Is<LinuxSeccompArg> auto& s) {
  v.Required("index", s.index, Within(0, 5));
  v.Required("value", s.value);
  v.Optional("valueTwo", s.value_two);
  v.Required("op", s.op, OneOf(kSeccompOperators));
}

template <class V>
void Fields(V& v, Is<LinuxSyscall> auto& s) {
  v.Required("names", s.names);
  v.Required("action", s.action, OneOf(kSeccompActions));
  v.Optional("errnoRet", s.errno_ret, Within(0, 4095));
  v.Optional("args", s.args);
}

template <class V>
void Fields(V& v, Is<LinuxSeccomp> auto& s) {
  v.Required("defaultAction", s.default_action, OneOf(kSeccompDefaultActions));
  v.Optional("defaultErrnoRet", s.default_errno_ret, Within(0, 4095));
  v.Optional("architectures", s.architectures, OneOf(kSeccompArchs));
  v.Optional("flags", s.flags, OneOf(kSeccompFlags));
  v.Refused("listenerPath", "no seccomp agent is served; remove SCMP_ACT_NOTIFY from the profile");
  v.Refused("listenerMetadata", "no seccomp agent is served");
  v.Optional("syscalls", s.syscalls);
}

template <class V>
void Fields(V& v, Is<LinuxPersonality> auto& s) {
  v.Required("domain", s.domain, OneOf(kPersonalityDomains));
  v.Refused("flags", "no flag is specified; runc ignores them, too");
}

template <class V>
void Fields(V& v, Is<Linux> auto& s) {
  v.Optional("uidMappings", s.uid_mappings);
  v.Optional("gidMappings", s.gid_mappings);
  v.Optional("sysctl", s.sysctl);
  v.Optional("resources", s.resources);
  v.Optional("cgroupsPath", s.cgroups_path);
  v.Optional("namespaces", s.namespaces);
  v.Optional("devices", s.devices);
  v.Refused("netDevices", "host network devices are not moved into a sandbox");
  v.Optional("seccomp", s.seccomp);
  v.Optional("rootfsPropagation", s.rootfs_propagation, OneOf(kPropagations));
  v.Optional("maskedPaths", s.masked_paths);
  v.Optional("readonlyPaths", s.readonly_paths);
  v.Noted("mountLabel", s.mount_label, "the guest's mounts are not the host's, so host labels do not apply");
  v.Refused("intelRdt", "cache and bandwidth classes are not set by this runtime");
  v.Refused("memoryPolicy", "NUMA policies of the host are not set by this runtime");
  v.Optional("personality", s.personality);
  v.Refused("timeOffsets", "there are no time namespaces");
}

// --- The whole ---

template <class V>
void Fields(V& v, Is<Spec> auto& s) {
  v.Required("ociVersion", s.version);
  v.Optional("process", s.process);
  v.Optional("root", s.root);
  v.Optional("hostname", s.hostname);
  v.Optional("domainname", s.domainname);
  v.Optional("mounts", s.mounts);
  v.Optional("hooks", s.hooks);
  v.Optional("annotations", s.annotations);
  v.Optional("linux", s.linux_config);
  v.Refused("solaris", "only Linux containers are run");
  v.Refused("windows", "only Linux containers are run");
  v.Refused("vm", "only Linux containers are run, without a virtual machine image");
  v.Refused("zos", "only Linux containers are run");
  v.Refused("freebsd", "only Linux containers are run");
}

}  // namespace runsc::oci

#endif  // RUNSC_CPP_OCI_FIELDS_H_
