// /proc/cpuinfo from CPUID, one block for each CPU the sandbox may use.
#include <cpuid.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/proc_rows.h"

namespace sentry {
namespace {

struct Leaf {
  uint32_t r[4] = {};  // eax, ebx, ecx, edx
};

Leaf Cpuid(uint32_t leaf, uint32_t sub = 0) {
  Leaf out;
  if (!__get_cpuid_count(leaf, sub, &out.r[0], &out.r[1], &out.r[2], &out.r[3])) return Leaf{};
  return out;
}

// Where Linux finds a flag: a leaf's register, bit by bit; null: not shown.
struct FlagWord {
  uint32_t leaf, sub;
  int reg;
  const char* names[32];
};

// In the order Linux prints them. AMX is left out (frames would not hold it).
constexpr FlagWord kFlags[] = {
    {1, 0, 3, {"fpu",  "vme",  "de",   "pse", "tsc",  "msr", "pae",   "mce", "cx8",     "apic",  nullptr,
               "sep",  "mtrr", "pge",  "mca", "cmov", "pat", "pse36", "pn",  "clflush", nullptr, "dts",
               "acpi", "mmx",  "fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",    "pbe"}},
    {0x80000001, 0, 3, {nullptr, nullptr,    nullptr,   nullptr,   nullptr, nullptr, nullptr,    nullptr,
                        nullptr, nullptr,    nullptr,   "syscall", nullptr, nullptr, nullptr,    nullptr,
                        nullptr, nullptr,    nullptr,   "mp",      "nx",    nullptr, "mmxext",   nullptr,
                        nullptr, "fxsr_opt", "pdpe1gb", "rdtscp",  nullptr, "lm",    "3dnowext", "3dnow"}},
    {1, 0, 2, {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
               nullptr,  nullptr,     "est",    "tm2",     "ssse3",
               "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
               "pdcm",   nullptr,     "pcid",   "dca",     "sse4_1",
               "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
               "aes",    "xsave",     nullptr,  "avx",     "f16c",
               "rdrand", "hypervisor"}},
    {0x80000001, 0, 2, {"lahf_lm", "cmp_legacy",  nullptr,         "extapic", "cr8_legacy", "abm",
                        "sse4a",   "misalignsse", "3dnowprefetch", "osvw",    "ibs",        "xop",
                        "skinit",  "wdt",         nullptr,         "lwp",     "fma4",       "tce",
                        nullptr,   "nodeid_msr",  nullptr,         "tbm",     "topoext"}},
    {7, 0, 1, {"fsgsbase", "tsc_adjust", nullptr,    "bmi1",     "hle",      "avx2",       nullptr,    "smep",
               "bmi2",     "erms",       "invpcid",  "rtm",      "cqm",      nullptr,      "mpx",      "rdt_a",
               "avx512f",  "avx512dq",   "rdseed",   "adx",      "smap",     "avx512ifma", nullptr,    "clflushopt",
               "clwb",     "intel_pt",   "avx512pf", "avx512er", "avx512cd", "sha_ni",     "avx512bw", "avx512vl"}},
    {0xd, 1, 0, {"xsaveopt", "xsavec", "xgetbv1", "xsaves"}},
    {7, 1, 0, {nullptr, nullptr, nullptr, nullptr, "avx_vnni", "avx512_bf16"}},
    {7, 0, 2, {nullptr,      "avx512vbmi",   "umip",          "pku",      "ospke",
               "waitpkg",    "avx512_vbmi2", nullptr,         "gfni",     "vaes",
               "vpclmulqdq", "avx512_vnni",  "avx512_bitalg", "tme",      "avx512_vpopcntdq",
               nullptr,      "la57",         nullptr,         nullptr,    nullptr,
               nullptr,      nullptr,        "rdpid",         nullptr,    "bus_lock_detect",
               "cldemote",   nullptr,        "movdiri",       "movdir64b"}},
    {7, 0, 3, {nullptr,         nullptr,    "avx512_4vnniw",
               "avx512_4fmaps", "fsrm",     nullptr,
               nullptr,         nullptr,    "avx512_vp2intersect",
               nullptr,         "md_clear", nullptr,
               nullptr,         nullptr,    "serialize",
               nullptr,         "tsxldtrk", nullptr,
               nullptr,         "arch_lbr", nullptr,
               nullptr,         nullptr,    "avx512_fp16"}},
};

std::string FlagsText() {
  std::string out;
  for (const FlagWord& word : kFlags) {
    const uint32_t bits = Cpuid(word.leaf, word.sub).r[word.reg];
    for (int i = 0; i < 32; ++i) {
      if ((bits >> i & 1) && word.names[i] != nullptr) absl::StrAppend(&out, out.empty() ? "" : " ", word.names[i]);
    }
  }
  return out;
}

std::string VendorText() {
  const Leaf zero = Cpuid(0);
  char vendor[13] = {};
  memcpy(vendor, &zero.r[1], 4);
  memcpy(vendor + 4, &zero.r[3], 4);
  memcpy(vendor + 8, &zero.r[2], 4);
  return vendor;
}

std::string BrandText() {
  char brand[49] = {};
  if (Cpuid(0x80000000).r[0] < 0x80000004) return "unknown";
  for (uint32_t i = 0; i < 3; ++i) {
    const Leaf leaf = Cpuid(0x80000002 + i);
    memcpy(brand + 16 * i, leaf.r, 16);
  }
  std::string text = brand;
  text.erase(0, text.find_first_not_of(' '));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// What is the same in each block, behind "processor".
std::string BuildCommonText(size_t cpus) {
  const uint32_t signature = Cpuid(1).r[0];
  uint32_t family = signature >> 8 & 0xf;
  uint32_t model = signature >> 4 & 0xf;
  if (family == 0xf) family += signature >> 20 & 0xff;
  if (family >= 6) model |= (signature >> 16 & 0xf) << 4;
  std::string out =
      absl::StrFormat("vendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
                      VendorText(), family, model, BrandText(), signature & 0xf);
  const uint32_t mhz = Cpuid(0).r[0] >= 0x16 ? Cpuid(0x16).r[0] & 0xffff : 0;
  if (mhz != 0) absl::StrAppendFormat(&out, "cpu MHz\t\t: %u.000\n", mhz);
  // CPUs are whole cores of one socket: how they share the host's is not told.
  absl::StrAppendFormat(&out, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %%CORE%%\ncpu cores\t: %u\n", cpus, cpus);
  absl::StrAppendFormat(&out, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t: %s\n",
                        Cpuid(0).r[0], FlagsText());
  const uint32_t sizes = Cpuid(0x80000008).r[0];
  absl::StrAppendFormat(&out, "clflush size\t: %u\naddress sizes\t: %u bits physical, %u bits virtual\n",
                        (Cpuid(1).r[1] >> 8 & 0xff) * 8, sizes & 0xff, sizes >> 8 & 0xff);
  return out;
}

}  // namespace

Result<std::string> CpuInfoText(const ProcRequest& r) {
  const size_t cpus = r.view.System(r.ctx).cpus.size();
  const std::string common = BuildCommonText(cpus);
  const size_t hole = common.find("%CORE%");
  std::string out;
  for (size_t i = 0; i < cpus; ++i) {
    absl::StrAppend(&out, "processor\t: ", i, "\n", common.substr(0, hole), i, common.substr(hole + 6), "\n");
  }
  return out;
}

}  // namespace sentry
