// Maps of ids, capabilities over namespaces, limits, and file capabilities.
#include "sentry/vfs/user_namespace.h"

#include "gtest/gtest.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/file_capabilities.h"

namespace sentry {
namespace {

using Which = UserNamespace::Which;

RefPtr<Credentials> Root() {
  RefPtr<Credentials> creds = base::MakeRef<Credentials>();
  creds->permitted = creds->effective = creds->bounding = CapabilitySet::All();
  return creds;
}
RefPtr<Credentials> User(uint32_t uid) {
  RefPtr<Credentials> creds = base::MakeRef<Credentials>();
  creds->uid = creds->euid = creds->suid = creds->fsuid = uid;
  creds->gid = creds->egid = creds->sgid = creds->fsgid = uid;
  return creds;
}
RefPtr<Credentials> Inside(const Credentials& creds, const RefPtr<UserNamespace>& ns) {
  RefPtr<Credentials> inside = base::MakeRef<Credentials>(creds);
  inside->EnterUserNamespace(ns);
  return inside;
}

TEST(IdMap, Translates) {
  const IdMap map = IdMap::Parse("0 1000 10\n 100\t5000 1 \n").value();
  EXPECT_EQ(map.Down(0), 1000u);
  EXPECT_EQ(map.Down(9), 1009u);
  EXPECT_EQ(map.Down(10), kInvalidId);
  EXPECT_EQ(map.Down(100), 5000u);
  EXPECT_EQ(map.Up(1009), 9u);
  EXPECT_EQ(map.Up(999), kInvalidId);
  EXPECT_EQ(map.DownRange(5, 5), 1005u);
  EXPECT_EQ(map.DownRange(5, 6), kInvalidId);
  EXPECT_EQ(IdMap::Identity().Up(kInvalidId), kInvalidId);
  EXPECT_EQ(IdMap::Identity().Down(kInvalidId - 1), kInvalidId - 1);
}

TEST(IdMap, RefusesWhatLinuxDoes) {
  for (const char* bad : {"", "\n", "0", "0 1", "0 1 0", "0 1 1 1", "a 1 1", "0 1 1\n0 2 1", "0 1 2\n5 2 1",
                          "4294967295 0 1", "0 4294967295 1", "1 0 4294967295", "0 1 1\n\n1 2 1"}) {
    EXPECT_TRUE(IdMap::Parse(bad).Is(base::Errno::kEINVAL)) << bad;
  }
  std::string many;
  for (int i = 0; i < 341; ++i) many += std::to_string(i) + " " + std::to_string(i) + " 1\n";
  EXPECT_TRUE(IdMap::Parse(many).Is(base::Errno::kEINVAL));
  many = many.substr(0, many.rfind("340 340"));
  EXPECT_EQ(IdMap::Parse(many)->extents().size(), 340u);
}

TEST(IdMap, GoesThroughTheParents) {
  const IdMap parent = IdMap::Parse("0 1000 10").value();
  EXPECT_EQ(IdMap::Parse("5 2 3")->Through(parent)->Down(6), 1003u);
  EXPECT_TRUE(IdMap::Parse("5 8 3")->Through(parent).Is(base::Errno::kEPERM));
}

TEST(UserNamespaces, WhoseCapabilitiesCount) {
  const RefPtr<Credentials> user = User(1000);
  const RefPtr<UserNamespace> ns = UserNamespace::Create(*user).value();
  const RefPtr<Credentials> inside = Inside(*user, ns);
  constexpr Capability kCap = Capability::kSysAdmin;
  EXPECT_TRUE(inside->HasIn(*ns, kCap));
  EXPECT_FALSE(inside->Has(kCap));
  EXPECT_FALSE(inside->HasIn(*UserNamespace::Initial(), kCap));
  EXPECT_TRUE(user->HasIn(*ns, kCap));  // it made it
  EXPECT_FALSE(User(1001)->HasIn(*ns, kCap));
  EXPECT_TRUE(Root()->HasIn(*ns, kCap));
  EXPECT_FALSE(inside->HasOver(1000, 1000, kCap));  // not mapped yet
  ASSERT_TRUE(ns->SetMap(Which::kUid, "0 1000 1", *inside, *inside).ok());
  EXPECT_TRUE(ns->SetMap(Which::kGid, "0 1000 1", *inside, *inside).Is(base::Errno::kEPERM));
  ASSERT_TRUE(ns->SetSetgroups(false).ok());
  ASSERT_TRUE(ns->SetMap(Which::kGid, "0 1000 1", *inside, *inside).ok());
  EXPECT_TRUE(inside->HasOver(1000, 1000, kCap));
  EXPECT_FALSE(inside->HasOver(0, 1000, kCap));
  EXPECT_EQ(ns->ShownUid(7), kOverflowId);
  EXPECT_FALSE(ns->MaySetgroups());
}

TEST(UserNamespaces, ParentsRootNeedsSetfcap) {
  const RefPtr<Credentials> root = Root();
  root->effective.bits &= ~(uint64_t{1} << static_cast<int>(Capability::kSetfcap));
  const RefPtr<UserNamespace> ns = UserNamespace::Create(*root).value();
  const RefPtr<Credentials> inside = Inside(*root, ns);
  EXPECT_TRUE(ns->SetMap(Which::kUid, "0 0 1", *inside, *inside).Is(base::Errno::kEPERM));
  EXPECT_TRUE(ns->SetMap(Which::kUid, "0 0 1", *Root(), *Root()).ok());
}

TEST(UserNamespaces, LimitsAreCountedAtEachLevel) {
  const RefPtr<UserNamespace> ns = UserNamespace::Create(*Root()).value();
  ns->SetLimit(NamespaceKind::kUts, 1);
  {
    const auto charge = ns->Charge(5, NamespaceKind::kUts);
    ASSERT_TRUE(charge.ok());
    EXPECT_TRUE(ns->Charge(5, NamespaceKind::kUts).Is(base::Errno::kENOSPC));
    EXPECT_TRUE(ns->Charge(6, NamespaceKind::kUts).ok());
  }
  EXPECT_TRUE(ns->Charge(5, NamespaceKind::kUts).ok());
}

TEST(FileCapabilities, KeptAndShown) {
  std::string two(20, '\0');
  two[3] = 2, two[0] = 1, two[4] = 8;
  EXPECT_EQ(ParseFileCapabilities(two)->permitted.bits, 8u);
  EXPECT_TRUE(ParseFileCapabilities(two)->effective);
  EXPECT_TRUE(ParseFileCapabilities(two.substr(0, 19)).Is(base::Errno::kEINVAL));
  EXPECT_EQ(CapabilityXattrToKeep(*Root(), 0, 0, two).value(), two);
  EXPECT_TRUE(CapabilityXattrToKeep(*User(5), 5, 5, two).Is(base::Errno::kEPERM));
  const RefPtr<UserNamespace> ns = UserNamespace::Create(*Root()).value();
  ASSERT_TRUE(ns->SetMap(Which::kUid, "0 100 10", *Root(), *Root()).ok());
  ASSERT_TRUE(ns->SetMap(Which::kGid, "0 100 10", *Root(), *Root()).ok());
  const std::string kept = CapabilityXattrToKeep(*Inside(*Root(), ns), 100, 100, two).value();
  EXPECT_EQ(kept.size(), 24u);
  EXPECT_EQ(ParseFileCapabilities(kept)->root, 100u);
  EXPECT_EQ(CapabilityXattrFor(*ns, kept).value(), two);
  EXPECT_EQ(CapabilityXattrFor(*UserNamespace::Initial(), kept)->size(), 24u);
  EXPECT_FALSE(FileCapabilitiesCount(*ParseFileCapabilities(kept), *UserNamespace::Initial()));
  EXPECT_TRUE(FileCapabilitiesCount(*ParseFileCapabilities(two), *ns));
}

}  // namespace
}  // namespace sentry
