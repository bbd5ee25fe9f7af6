#include "runsc-cpp/install/containerd.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runsc-cpp/install/toml_edit.h"

namespace runsc {
namespace {

constexpr char kBlock[] =
    "\n# Added by `runsc-cpp install`.\n"
    "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc-cpp]\n"
    "  runtime_type = \"io.containerd.runc.v2\"\n"
    "  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runsc-cpp.options]\n"
    "    BinaryName = \"/usr/local/bin/runsc-cpp\"\n";

// What is hard to skip: brackets and quotes in strings, several lines, comments.
constexpr char kBusy[] =
    "# a [comment] = \"\"\"\n"
    "version = 2\n"
    "root = '/var/lib/\"containerd'\n"
    "imports = [\"a]\", # ] not the end\n"
    "  'b',\n"
    "]\n"
    "text = \"\"\"\n[not.a.table]\n\\\"\"\" \"\"\"\"\n"
    "inline = { a = [1, 2], \"b c\" = \"}\" }\n"
    "\n"
    "[plugins]\n"
    "  [plugins.\"io.containerd.grpc.v1.cri\"]\n"
    "    sandbox_image = \"x\"   # kept\n"
    "  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\r\n"
    "    runtime_type = \"io.containerd.runc.v2\"\r\n"
    "[[array.of.tables]]\n"
    "x = 1.5e3\n"
    "at = 2026-01-02T03:04:05Z";

RuntimeEntry Entry() {
  RuntimeEntry entry;
  entry.name = "runsc-cpp";
  entry.binary = "/usr/local/bin/runsc-cpp";
  return entry;
}

TEST(Containerd, AnEmptyFileBecomesAWholeOne) {
  EXPECT_EQ(*AddToContainerd("", Entry()), absl::StrCat("version = 2\n", kBlock));
  EXPECT_EQ(*AddToContainerd("# only words\n", Entry()), absl::StrCat("# only words\nversion = 2\n", kBlock));
}

TEST(Containerd, OurShim) {
  RuntimeEntry entry = Entry();
  entry.own_shim = true;
  const std::string plain = *AddToContainerd("", entry);
  EXPECT_TRUE(absl::EndsWith(plain, "runtimes.runsc-cpp]\n  runtime_type = \"io.containerd.runsc-cpp.v1\"\n")) << plain;
  entry.shim_options = "/etc/containerd/runsc-cpp.toml";
  const std::string options = *AddToContainerd(plain, entry);
  EXPECT_TRUE(
      absl::EndsWith(options, "runtimes.runsc-cpp.options]\n    ConfigPath = \"/etc/containerd/runsc-cpp.toml\"\n"))
      << options;
  EXPECT_EQ(*AddToContainerd(options, Entry()), absl::StrCat("version = 2\n", kBlock));
}

TEST(Containerd, KeepsAllElse) {
  const auto added = AddToContainerd(kBusy, Entry());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(*added, absl::StrCat(kBusy, "\n", kBlock));
}

TEST(Containerd, TwiceIsOnce) {
  const std::string once = *AddToContainerd(kBusy, Entry());
  EXPECT_EQ(*AddToContainerd(once, Entry()), once);
}

TEST(Containerd, RemovalUndoesIt) {
  EXPECT_EQ(*RemoveFromContainerd(*AddToContainerd(kBusy, Entry()), "runsc-cpp"), absl::StrCat(kBusy, "\n"));
  EXPECT_EQ(*RemoveFromContainerd(kBusy, "runsc-cpp"), kBusy);
  // From the middle, too.
  const std::string more = absl::StrCat("version = 2\n", kBlock, "[after]\nx = 1\n");
  EXPECT_EQ(*RemoveFromContainerd(more, "runsc-cpp"), "version = 2\n[after]\nx = 1\n");
}

TEST(Containerd, AnOldEntryOfThatNameIsReplaced) {
  const std::string old =
      absl::StrCat("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.\"runsc-cpp\"]\n",
                   "runtime_type = \"other\"\n");
  EXPECT_EQ(*AddToContainerd(old, Entry()), absl::StrCat("version = 2\n", kBlock));
}

TEST(Containerd, TheVersionDecidesThePlace) {
  EXPECT_TRUE(absl::StrContains(*AddToContainerd("version = 3\n", Entry()),
                                "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runsc-cpp]\n"));
  EXPECT_TRUE(
      absl::StrContains(*AddToContainerd("root = \"/x\"\n", Entry()), "[plugins.cri.containerd.runtimes.runsc-cpp]\n"));
  EXPECT_EQ(AddToContainerd("version = 9\n", Entry()).status().message(),
            "version = 9 is not known: 1 to 3 are supported");
}

TEST(Containerd, SystemdCgroupIsAnOption) {
  RuntimeEntry entry = Entry();
  entry.systemd_cgroup = true;
  EXPECT_EQ(*AddToContainerd("version = 2\n", entry),
            absl::StrCat("version = 2\n", kBlock, "    SystemdCgroup = true\n"));
}

TEST(Containerd, WhatCannotBeEditedIsRefusedByName) {
  EXPECT_EQ(AddToContainerd("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\nruntimes = {}\n", Entry())
                .status()
                .message(),
            "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes is an inline table or value: write it as "
            "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes] first");
  EXPECT_FALSE(AddToContainerd("version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes]\n"
                               "runsc-cpp.runtime_type = 'x'\n",
                               Entry())
                   .ok());
}

TEST(TomlOutline, ErrorsNameTheLine) {
  const std::pair<const char*, const char*> bad[] = {{"a = 1\nb\n", "line 2: \"=\" is missing"},
                                                     {"a = \"x\n", "line 1: a string does not end"},
                                                     {"a = [1,\n2\n", "line 3: an array or inline table does not end"},
                                                     {"a = '''\n\n", "line 3: a string of several lines does not end"},
                                                     {"[a\n", "line 1: a table's header does not end"},
                                                     {"a = 1 b = 2\n", "line 1: more on a line than one key"},
                                                     {"a = ]\n", "line 1: a bracket that was not opened"},
                                                     {"= 1\n", "line 1: a key is missing"},
                                                     {"a =\n", "line 1: a value is missing"}};
  for (const auto& [text, error] : bad) EXPECT_EQ(TomlOutline::Of(text).status().message(), error) << text;
}

TEST(TomlOutline, AnyTruncationIsHandled) {
  const absl::string_view text = kBusy;
  for (size_t n = 0; n < text.size(); ++n) (void)TomlOutline::Of(text.substr(0, n));
}

}  // namespace
}  // namespace runsc
