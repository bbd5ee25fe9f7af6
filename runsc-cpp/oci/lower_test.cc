#include "runsc-cpp/oci/lower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runsc-cpp/oci/parse.h"
#include "runsc-cpp/oci/spec_template.h"
#include "runsc-cpp/oci/test_json.h"

namespace runsc::oci {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class LowerTest : public testing::Test {
 protected:
  ContainerPlan Plan() {
    warnings_.clear();
    const auto plan = Lower(spec_, {"/bundle", "config.json"}, warnings_);
    EXPECT_TRUE(plan.ok()) << plan.status().ToString();
    return plan.ok() ? *plan : ContainerPlan();
  }
  std::string Refusal() {
    std::string text(Lower(spec_, {"/bundle", "config.json"}, warnings_).status().message());
    EXPECT_TRUE(text.empty() || text.starts_with("config.json: ")) << text;
    return text;
  }
  Linux& linux_config() { return *spec_.linux_config; }
  Process& process() { return *spec_.process; }
  void RemoveNamespace(const std::string& type) {
    std::erase_if(linux_config().namespaces, [&](const LinuxNamespace& n) { return n.type == type; });
  }

  Spec spec_ = TemplateSpec();
  std::vector<std::string> warnings_;
};

TEST_F(LowerTest, TheTemplatesAreValid) {
  EXPECT_EQ(Plan().root, "/bundle/rootfs");
  EXPECT_THAT(warnings_, IsEmpty());
  spec_ = RootlessTemplateSpec(1000, 1000);
  EXPECT_TRUE(Plan().Namespace(NamespaceKind::kUser).wanted);
}

TEST_F(LowerTest, WhatEnginesWriteIsHonoured) {
  for (const char* name :
       {"docker.json", "cri.json", "ctr.json", "podman.json", "buildah.json", "buildkit.json", "full.json"}) {
    spec_ = ParseSpec(ReadTestFile(name))->value;
    EXPECT_FALSE(Plan().process->argv.empty()) << name;
  }
}

TEST_F(LowerTest, Versions) {
  for (const char* good : {"1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.1.0", "1.2.1", "1.2.0+build", "1.3.0"}) {
    spec_.version = good;
    EXPECT_EQ(Refusal(), "") << good;
  }
  for (const char* bad : {"", "1", "1.2", "1.2.", "1.2.x", "0.9.0", "1.4.0", "2.0.0", "-1.0.0", "1.0.0.0", " 1.0.0"}) {
    spec_.version = bad;
    EXPECT_THAT(Refusal(), HasSubstr("ociVersion: ")) << bad;
  }
}

TEST_F(LowerTest, RootAndProcessMustBeThere) {
  spec_.root->path = "/abs";
  EXPECT_EQ(Plan().root, "/abs");
  spec_.root->path = "";
  EXPECT_THAT(Refusal(), HasSubstr("root.path: must not be empty"));
  spec_.root.reset();
  EXPECT_THAT(Refusal(), HasSubstr("root: is required"));
  spec_ = TemplateSpec();
  spec_.process.reset();
  EXPECT_FALSE(Plan().process.has_value());  // create says more of it
}

TEST_F(LowerTest, Program) {
  process().args.clear();
  EXPECT_THAT(Refusal(), HasSubstr("process.args: must not be empty"));
  process().args = {""};
  EXPECT_THAT(Refusal(), HasSubstr("process.args[0]"));
  process().args = {"sh"};
  process().env = {"A=", "B"};
  EXPECT_THAT(Refusal(), HasSubstr("process.env[1]: \"B\" is not NAME=VALUE"));
  process().env = {"=B"};
  EXPECT_THAT(Refusal(), HasSubstr("process.env[0]"));
  process().env.clear();
  process().cwd = "tmp";
  EXPECT_THAT(Refusal(), HasSubstr("process.cwd: \"tmp\" is not an absolute path"));
}

TEST_F(LowerTest, UserAndConsole) {
  EXPECT_EQ(Plan().process->umask, 022u);
  process().user = {5, 6, 077, {7, 8}};
  process().console_size = Box{24, 80};
  const ProcessPlan plan = *Plan().process;
  EXPECT_THAT(std::vector({plan.uid, plan.gid, plan.umask}), ElementsAre(5u, 6u, 077u));
  EXPECT_THAT(plan.groups, ElementsAre(7u, 8u));
  EXPECT_EQ(plan.rows, 24);
  EXPECT_EQ(plan.columns, 80);
  process().terminal = false;
  EXPECT_EQ(Plan().process->rows, 0);
  process().user.additional_gids.resize(65537);
  EXPECT_THAT(Refusal(), HasSubstr("process.user.additionalGids: more than 65536"));
}

TEST_F(LowerTest, Capabilities) {
  LinuxCapabilities& caps = *process().capabilities;
  caps.bounding = {"CAP_CHOWN", "CAP_CHECKPOINT_RESTORE", "CAP_OF_TOMORROW"};
  EXPECT_EQ(Plan().process->capabilities->bounding, 1u | uint64_t{1} << 40);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("process.capabilities.bounding[2]: \"CAP_OF_TOMORROW\"")));
  caps = {};
  caps.permitted = caps.ambient = {"CAP_KILL"};
  EXPECT_EQ(Plan().process->capabilities->ambient, 0u);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("process.capabilities.ambient")));
  caps.inheritable = {"CAP_KILL"};
  EXPECT_EQ(Plan().process->capabilities->ambient, 1u << 5);
  caps.effective = {"CAP_CHOWN"};
  EXPECT_THAT(Refusal(), HasSubstr("process.capabilities.effective: has more than .permitted"));
  process().capabilities.reset();
  EXPECT_FALSE(Plan().process->capabilities.has_value());
}

TEST_F(LowerTest, Rlimits) {
  process().rlimits = {{"RLIMIT_RTTIME", UINT64_MAX, 0}};
  EXPECT_EQ(Plan().process->rlimits[0].resource, RLIMIT_RTTIME);
  EXPECT_EQ(Plan().process->rlimits[0].hard, UINT64_MAX);
  process().rlimits = {{"RLIMIT_NOFILE", 1, 2}};
  EXPECT_THAT(Refusal(), HasSubstr("process.rlimits[0].soft: 2 is above the hard limit, 1"));
  process().rlimits = {{"RLIMIT_NOFILE", 2, 1}, {"RLIMIT_NOFILE", 2, 1}};
  EXPECT_THAT(Refusal(), HasSubstr("process.rlimits[1].type: \"RLIMIT_NOFILE\" is there twice"));
  process().rlimits = {{"NOFILE", 2, 1}};
  EXPECT_THAT(Refusal(), HasSubstr("process.rlimits[0].type: \"NOFILE\" is not a limit"));
}

TEST_F(LowerTest, Scheduling) {
  Scheduler& s = process().scheduler.emplace();
  s.policy = "SCHED_RR";
  EXPECT_THAT(Refusal(), HasSubstr("process.scheduler.priority: must be 1 to 99 with SCHED_RR"));
  s.priority = 7;
  s.flags = {"SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"};
  EXPECT_EQ(Plan().process->scheduler->policy, 2u);
  EXPECT_EQ(Plan().process->scheduler->flags, 3u);
  s.policy = "SCHED_OTHER";
  EXPECT_THAT(Refusal(), HasSubstr("process.scheduler.priority: must be 0 with SCHED_OTHER"));
  s.priority = 0;
  s.period = 1;
  EXPECT_THAT(Refusal(), HasSubstr("SCHED_DEADLINE only"));
  s.period = 0;
  s.policy = "SCHED_ISO";
  EXPECT_THAT(Refusal(), HasSubstr("process.scheduler.policy: Linux does not implement SCHED_ISO"));
  process().scheduler.reset();
  process().io_priority = IOPriority{"IOPRIO_CLASS_IDLE", 7};
  EXPECT_EQ(Plan().process->io_priority, 3 << 13 | 7);
  process().exec_cpu_affinity = ExecCPUAffinity{"", "0-2,4,2"};
  EXPECT_THAT(Plan().process->final_cpus, ElementsAre(0u, 1u, 2u, 4u));
  for (const char* bad : {"-", "1-", "2-1", "a", "0,", ",0", "0-99999", "1 ", "4294967296"}) {
    process().exec_cpu_affinity = ExecCPUAffinity{bad, ""};
    EXPECT_THAT(Refusal(), HasSubstr("process.execCPUAffinity.initial: ")) << bad;
  }
}

TEST_F(LowerTest, Mounts) {
  Mount bind;
  bind.destination = "data";
  bind.type = "none";
  bind.source = "vol";
  bind.options = {"rbind", "ro", "rslave"};
  spec_.mounts = {bind};
  const MountPlan plan = Plan().mounts[0];
  EXPECT_EQ(plan.destination, "/data");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("mounts[0].destination: \"data\" is not absolute")));
  EXPECT_EQ(plan.type, "bind");
  EXPECT_EQ(plan.source, "/bundle/vol");
  EXPECT_EQ(plan.options.flags, uint64_t{MS_BIND | MS_REC | MS_RDONLY});
  spec_.mounts[0].options = {"bind", "size=1"};
  EXPECT_THAT(Refusal(), HasSubstr("mounts[0].options: \"size=1\" has no meaning for a bind mount"));
  spec_.mounts[0].options = {"bind"};
  spec_.mounts[0].source = "";
  EXPECT_THAT(Refusal(), HasSubstr("mounts[0].source"));
  spec_.mounts[0].type = "bind";
  spec_.mounts[0].options.clear();
  spec_.mounts[0].source = "/vol";
  EXPECT_EQ(Plan().mounts[0].options.flags, uint64_t{MS_BIND});
  spec_.mounts[0].type = "ext4";
  EXPECT_THAT(Refusal(), HasSubstr("mounts[0].type: \"ext4\" is not one of bind, proc, sysfs, tmpfs"));
  spec_.mounts[0].type = "proc";
  spec_.mounts[0].options = {"tmpcopyup"};
  EXPECT_THAT(Refusal(), HasSubstr("tmpcopyup"));
  spec_.mounts[0].destination = "";
  EXPECT_THAT(Refusal(), HasSubstr("mounts[0].destination: must not be empty"));
}

TEST_F(LowerTest, MappedMounts) {
  Mount& mount = spec_.mounts.emplace_back();
  mount = {"/data", "bind", "/vol", {"idmap"}, {}, {}};
  const std::string at = "mounts[" + std::to_string(spec_.mounts.size() - 1) + "]";
  EXPECT_THAT(Refusal(), HasSubstr(at + ".options: \"idmap\" needs"));
  mount.uid_mappings = {{0, 1000, 1}};
  EXPECT_THAT(Refusal(), HasSubstr(at + ": has only one of"));
  mount.gid_mappings = {{0, 1000, 1}};
  EXPECT_EQ(Plan().mounts.back().uid_mappings[0].host_id, 1000u);
  mount.options.clear();
  EXPECT_TRUE(Plan().mounts.back().options.idmap);
  mount.uid_mappings[0].size = 0;
  EXPECT_THAT(Refusal(), HasSubstr(at + ".uidMappings[0].size: must not be 0"));
  mount.uid_mappings[0].size = 1;
  mount.type = "tmpfs";
  EXPECT_THAT(Refusal(), HasSubstr(at + ": only a bind mount"));
}

TEST_F(LowerTest, Namespaces) {
  linux_config().namespaces.push_back({"pid", ""});
  EXPECT_THAT(Refusal(), HasSubstr("linux.namespaces[5].type: \"pid\" is there twice"));
  linux_config().namespaces[5] = {"cgroup", "proc/1"};
  EXPECT_THAT(Refusal(), HasSubstr("linux.namespaces[5].path: \"proc/1\" is not an absolute path"));
  linux_config().namespaces[5] = {"time", ""};
  EXPECT_THAT(Refusal(), HasSubstr("linux.namespaces[5].type: there are no time namespaces"));
  linux_config().namespaces[5] = {"cgroup", "/proc/1/ns/cgroup"};
  EXPECT_EQ(Plan().Namespace(NamespaceKind::kCgroup).path, "/proc/1/ns/cgroup");
  RemoveNamespace("pid");
  Plan();
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("linux.namespaces: no pid namespace")));
  RemoveNamespace("mount");
  EXPECT_THAT(Refusal(), HasSubstr("linux.maskedPaths: "));
}

TEST_F(LowerTest, NamesNeedAUtsNamespace) {
  spec_.domainname = std::string(65, 'd');
  EXPECT_THAT(Refusal(), HasSubstr("domainname: is longer than 64 bytes"));
  spec_.domainname = "d";
  EXPECT_EQ(Plan().domainname, "d");
  RemoveNamespace("uts");
  EXPECT_THAT(Refusal(), HasSubstr("hostname: needs a uts namespace"));
  spec_.hostname = "";
  EXPECT_THAT(Refusal(), HasSubstr("domainname: needs a uts namespace"));
}

TEST_F(LowerTest, IdMappings) {
  linux_config().uid_mappings = {{0, 1000, 10}};
  EXPECT_THAT(Refusal(), HasSubstr("linux.uidMappings: need a user namespace"));
  linux_config().namespaces.push_back({"user", ""});
  EXPECT_THAT(Refusal(), HasSubstr("linux.uidMappings: a new user namespace needs"));
  linux_config().gid_mappings = {{0, 1000, 10}, {9, 5000, 1}};
  EXPECT_THAT(Refusal(), HasSubstr("linux.gidMappings[1]: overlaps linux.gidMappings[0]"));
  linux_config().gid_mappings = {{0, 1000, 10}, {10, UINT32_MAX, 1}};
  EXPECT_THAT(Refusal(), HasSubstr("linux.gidMappings[1].size: 1 goes beyond the last id"));
  linux_config().gid_mappings = {{0, 0, UINT32_MAX}};
  EXPECT_EQ(Plan().gid_mappings.size(), 1u);
  linux_config().gid_mappings.resize(341);
  EXPECT_THAT(Refusal(), HasSubstr("linux.gidMappings: has more than 340 items"));
}

TEST_F(LowerTest, Devices) {
  EXPECT_EQ(Plan().devices.size(), 6u);
  LinuxDevice fuse;
  fuse = {"/dev/fuse", "u", 10, 229, 020666, 5, {}};
  LinuxDevice null = fuse;
  null.path = "/dev/null";
  linux_config().devices = {fuse, null};
  const auto devices = Plan().devices;
  EXPECT_EQ(devices.size(), 7u);
  EXPECT_EQ(devices[0].mode, uint32_t{S_IFCHR | 0666});
  EXPECT_EQ(devices[0].uid, 5u);
  EXPECT_EQ(devices[1].minor, 229u);
  linux_config().devices[0].type = "p";
  EXPECT_EQ(Plan().devices[0].mode, uint32_t{S_IFIFO | 0666});
  linux_config().devices[0].path = "dev/fuse";
  EXPECT_THAT(Refusal(), HasSubstr("linux.devices[0].path: \"dev/fuse\" is not an absolute path"));
}

TEST_F(LowerTest, PathsAreAbsolute) {
  linux_config().masked_paths[1] = "proc";
  EXPECT_THAT(Refusal(), HasSubstr("linux.maskedPaths[1]: \"proc\" is not an absolute path"));
  linux_config().masked_paths.clear();
  linux_config().readonly_paths = {""};
  EXPECT_THAT(Refusal(), HasSubstr("linux.readonlyPaths[0]"));
  linux_config().readonly_paths.clear();
  spec_.hooks.emplace().poststop = {Hook{"hook", {}, {}, {}}};
  EXPECT_THAT(Refusal(), HasSubstr("hooks.poststop[0].path: \"hook\" is not an absolute path"));
}

TEST_F(LowerTest, SysctlsOfTheContainersNamespacesOnly) {
  const auto lowered = [&](const char* name) {
    linux_config().sysctl = {{name, "1"}};
    const auto plan = Lower(spec_, {"/bundle", "config.json"}, warnings_);
    if (!plan.ok()) return std::string(plan.status().message());
    return (plan->sysctls.empty() ? plan->network_sysctls : plan->sysctls)[0].first;
  };
  EXPECT_EQ(lowered("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  EXPECT_EQ(lowered("net/ipv4/conf/eth0.100/rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
  EXPECT_EQ(lowered("net.ipv4.conf.eth0/100.rp_filter"), "net/ipv4/conf/eth0.100/rp_filter");
  EXPECT_EQ(lowered("fs.mqueue.msg_max"), "fs/mqueue/msg_max");
  EXPECT_EQ(lowered("kernel/shmmax"), "kernel/shmmax");
  EXPECT_EQ(lowered("kernel.domainname"), "kernel/domainname");
  EXPECT_THAT(lowered("kernel.hostname"),
              HasSubstr(R"(linux.sysctl["kernel.hostname"]: is not allowed as it conflicts)"));
  EXPECT_THAT(lowered("kernel.panic"), HasSubstr("is not in a separate kernel namespace; allowed are net.*"));
  EXPECT_THAT(lowered("vm.swappiness"), HasSubstr("is not in a separate kernel namespace"));
  for (const char* bad :
       {"", ".", "net..x", "net/../kernel/panic", "net.", "/net/x", "net/./x", "net.//.kernel.panic"}) {
    EXPECT_THAT(lowered(bad), HasSubstr("is not the name of a sysctl")) << bad;
  }
  RemoveNamespace("network");
  EXPECT_THAT(lowered("net.core.somaxconn"), HasSubstr("not allowed in host network namespace"));
  RemoveNamespace("ipc");
  EXPECT_THAT(lowered("kernel.sem"), HasSubstr("not allowed in the hosts ipc namespace"));
}

TEST_F(LowerTest, SeccompAndPersonality) {
  linux_config().seccomp.emplace().default_action = "SCMP_ACT_ALLOW";
  EXPECT_FALSE(Plan().seccomp.instructions.empty());
  linux_config().seccomp->default_action = "SCMP_ACT_NOTIFY";
  EXPECT_THAT(Refusal(), HasSubstr("linux.seccomp: \"SCMP_ACT_NOTIFY\" is refused"));
  linux_config().seccomp.reset();
  linux_config().personality = LinuxPersonality{"LINUX32"};
  EXPECT_EQ(Plan().personality, 8u);
}

TEST_F(LowerTest, Resources) {
  LinuxResources& resources = *linux_config().resources;
  resources.devices[0].access = "rwx";
  EXPECT_THAT(Refusal(), HasSubstr("linux.resources.devices[0].access: \"rwx\" is not made of r, w and m"));
  resources.devices.clear();
  resources.memory.emplace().swappiness = UINT64_MAX;
  EXPECT_FALSE(Plan().resources.memory->swappiness.has_value());
  resources.memory->swappiness = 201;
  EXPECT_THAT(Refusal(), HasSubstr("linux.resources.memory.swappiness: 201"));
  resources.memory->swappiness = 200;
  resources.unified = {{"../memory.max", "max"}};
  EXPECT_THAT(Refusal(), HasSubstr(R"(linux.resources.unified["../memory.max"]: is not the name of a file)"));
  EXPECT_THAT(LowerResources(resources, "resources").status().message(), HasSubstr("resources: unified["));
}

TEST_F(LowerTest, TheProcessOfExec) {
  process().cwd = "";
  EXPECT_EQ(LowerProcess(process(), "process.json", warnings_).status().message(),
            "process.json: cwd: \"\" is not an absolute path");
  process().cwd = "/";
  EXPECT_EQ(LowerProcess(process(), "process.json", warnings_)->argv[0], "sh");
}

}  // namespace
}  // namespace runsc::oci
