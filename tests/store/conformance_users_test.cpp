// Users, settings, facts.
#include <gmock/gmock.h>

#include <thread>

#include "store_conformance.h"

namespace rapport::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreConformance, AUserIsCreatedOnceAndFoundAgain) {
  const User created = value_of(store_->ensure_user("u_1", "shop", "Zoë"));
  EXPECT_EQ(as_json(created), Json({{"id", "u_1"},
                                    {"app", "shop"},
                                    {"name", "Zoë"},
                                    {"created", clock_.now()},
                                    {"last_seen", clock_.now()}}));
  clock_.advance(1h);
  reopen();
  EXPECT_EQ(as_json(value_of(store_->ensure_user("u_1", "shop", "Zoë"))), as_json(created));
  EXPECT_EQ(as_json(value_of(store_->user("u_1"))), as_json(created));
}

TEST_P(StoreConformance, UsersAreListedByAppLastSeenFirst) {
  for (const char* name : {"ann", "bob", "cid"}) {
    clock_.advance(1s);
    EXPECT_TRUE(ok(store_->ensure_user(std::string("u_") + name, "default", name)));
  }
  EXPECT_TRUE(ok(store_->ensure_user("u_shop", "shop", "ann")));
  clock_.advance(1s);
  record("u_ann", "conv_1", 0);

  EXPECT_THAT(ids(value_of(store_->users("default", {}))), ElementsAre("u_ann", "u_cid", "u_bob"));
  EXPECT_THAT(ids(value_of(store_->users("shop", {}))), ElementsAre("u_shop"));
  EXPECT_THAT(ids(value_of(store_->users("other", {}))), IsEmpty());
  EXPECT_EQ(value_of(store_->users("", {})).size(), 4u);
  EXPECT_THAT(ids(value_of(store_->users("default", {.limit = 1, .offset = 1}))),
              ElementsAre("u_cid"));
}

TEST_P(StoreConformance, SettingsAreWhatTheyWereLastChangedTo) {
  const UserId sam = known("sam");
  EXPECT_EQ(value_of(store_->settings(sam)), Json::object());
  EXPECT_EQ(value_of(store_->settings("u_nobody")), Json::object());

  // The order of an application's own object is kept.
  const Json second = {{"work", {{"tone", "formal"}}}, {"default", {{"language", "español"}}}};
  EXPECT_TRUE(ok(store_->change_settings(sam, becomes({{"default", {{"tone", "warm"}}}}))));
  EXPECT_EQ(value_of(store_->change_settings(sam, becomes(second))), second);
  reopen();
  EXPECT_EQ(value_of(store_->settings(sam)).dump(), second.dump());
  EXPECT_EQ(value_of(store_->settings(known("kim"))), Json::object());
}

TEST_P(StoreConformance, SettingsAreAnObjectOfAKnownUser) {
  EXPECT_TRUE(
      fails(store_->change_settings("u_nobody", becomes({})), ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(fails(store_->change_settings(known("sam"), becomes(Json::array())),
                    ErrorCode::kInvalidArgument, "array"));
}

TEST_P(StoreConformance, OfTwoChangesOfSettingsAtOnceNeitherIsLost) {
  const UserId sam = known("sam");
  constexpr int kEach = 50;
  {
    std::vector<std::jthread> threads;
    for (const char* key : {"a", "b", "c", "d"}) {
      threads.emplace_back([&, key] {
        for (int i = 0; i < kEach; ++i) {
          EXPECT_TRUE(ok(store_->change_settings(sam, [&](const Json& stored) -> Result<Json> {
            Json more = stored;
            more[key] = more.value(key, 0) + 1;
            return more;
          })));
        }
      });
    }
  }
  const Json settings = value_of(store_->settings(sam));
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_EQ(settings.value(key, 0), kEach) << key;
}

TEST_P(StoreConformance, AChangeOfSettingsThatFailsWritesNothing) {
  const UserId sam = known("sam");
  EXPECT_TRUE(ok(store_->change_settings(sam, becomes({{"tone", "warm"}}))));
  EXPECT_TRUE(fails(store_->change_settings(sam,
                                            [](const Json&) -> Result<Json> {
                                              return fail(ErrorCode::kInvalidArgument, "no such");
                                            }),
                    ErrorCode::kInvalidArgument, "no such"));
  EXPECT_EQ(value_of(store_->settings(sam)), (Json{{"tone", "warm"}}));
}

TEST_P(StoreConformance, AFactComesBackAsItWasPut) {
  Fact fact = sample_fact(known("sam"), "fact_1");
  EXPECT_TRUE(ok(store_->put_facts({fact})));
  reopen();
  fact.updated = clock_.now();
  EXPECT_EQ(as_json(value_of(store_->fact("u_sam", "fact_1"))), as_json(fact));
  EXPECT_EQ(as_json(value_of(store_->facts("u_sam", true))), as_json(std::vector{fact}));
}

TEST_P(StoreConformance, AFactWithoutTimesHoldsFromNow) {
  EXPECT_TRUE(ok(store_->put_facts({{.id = "fact_1", .user = known("sam"), .text = "likes tea"}})));
  const Fact stored = value_of(store_->fact("u_sam", "fact_1"));
  EXPECT_EQ(stored.created, clock_.now());
  EXPECT_EQ(stored.valid_from, clock_.now());
  EXPECT_EQ(stored.valid_to, std::nullopt);
}

TEST_P(StoreConformance, PuttingAFactAgainChangesItAndKeepsItsBirth) {
  const UserId sam = known("sam");
  Fact fact = sample_fact(sam, "fact_1");
  EXPECT_TRUE(ok(store_->put_facts({fact})));
  clock_.advance(1min);
  Fact changed = fact;
  changed.text = "I eat fish now";
  changed.value = "pescatarian";
  changed.status = FactStatus::kSuperseded;
  changed.valid_to = std::nullopt;
  changed.created = clock_.now();
  EXPECT_TRUE(ok(store_->put_facts({changed})));

  changed.created = fact.created;
  changed.updated = clock_.now();
  EXPECT_EQ(as_json(value_of(store_->facts(sam, true))), as_json(std::vector{changed}));
}

TEST_P(StoreConformance, FactsAreListedOldestFirstAndInactiveOnesOnRequest) {
  const UserId sam = known("sam");
  std::vector<Fact> facts;
  for (const auto& [id, age, status] : {std::tuple{"fact_young", 1, FactStatus::kActive},
                                        std::tuple{"fact_old", 9, FactStatus::kActive},
                                        std::tuple{"fact_gone", 5, FactStatus::kSuperseded},
                                        std::tuple{"fact_doubted", 4, FactStatus::kDisputed},
                                        std::tuple{"fact_twin", 1, FactStatus::kActive}}) {
    facts.push_back(sample_fact(sam, id));
    facts.back().status = status;
    facts.back().created -= age;
  }
  EXPECT_TRUE(ok(store_->put_facts(facts)));
  EXPECT_THAT(ids(value_of(store_->facts(sam, false))),
              ElementsAre("fact_old", "fact_young", "fact_twin"));
  EXPECT_THAT(ids(value_of(store_->facts(sam, true))),
              ElementsAre("fact_old", "fact_gone", "fact_doubted", "fact_young", "fact_twin"));
}

TEST_P(StoreConformance, PuttingFactsIsAllOrNothing) {
  const UserId sam = known("sam");
  EXPECT_TRUE(
      fails(store_->put_facts({sample_fact(sam, "fact_1"), sample_fact("u_nobody", "fact_2")}),
            ErrorCode::kNotFound, "u_nobody"));
  EXPECT_THAT(value_of(store_->facts(sam, true)), IsEmpty());
}

TEST_P(StoreConformance, AForgottenFactIsABareRow) {
  const UserId sam = known("sam");
  EXPECT_TRUE(ok(store_->put_facts({sample_fact(sam, "fact_1"), sample_fact(sam, "fact_2")})));
  clock_.advance(1min);
  EXPECT_TRUE(ok(store_->forget_fact(sam, "fact_1")));
  EXPECT_TRUE(ok(store_->forget_fact(sam, "fact_1")));

  Fact bare = sample_fact(sam, "fact_1");
  bare.text = bare.attribute = bare.value = bare.evidence = "";
  bare.status = FactStatus::kForgotten;
  bare.updated = clock_.now();
  EXPECT_EQ(as_json(value_of(store_->fact(sam, "fact_1"))), as_json(bare));
  EXPECT_THAT(ids(value_of(store_->facts(sam, false))), ElementsAre("fact_2"));
}

TEST_P(StoreConformance, WorkBegunBeforeCannotBringAForgottenFactBack) {
  const UserId sam = known("sam");
  const Fact before = sample_fact(sam, "fact_1");
  EXPECT_TRUE(ok(store_->put_facts({before})));
  EXPECT_TRUE(ok(store_->forget_fact(sam, "fact_1")));

  EXPECT_TRUE(ok(store_->put_facts({before, sample_fact(sam, "fact_2")})));
  Exchange exchange = sample_exchange(sam, "conv_1", 0);
  exchange.facts = {before};
  EXPECT_TRUE(ok(store_->record_exchange(exchange)));

  EXPECT_EQ(value_of(store_->fact(sam, "fact_1")).text, "");
  EXPECT_EQ(value_of(store_->fact(sam, "fact_1")).status, FactStatus::kForgotten);
  EXPECT_THAT(ids(value_of(store_->facts(sam, false))), ElementsAre("fact_2"));
}

TEST_P(StoreConformance, AnotherUsersFactIsAsUnknownAsNone) {
  const UserId sam = known("sam"), kim = known("kim");
  const Fact own = sample_fact(sam, "fact_1");
  EXPECT_TRUE(ok(store_->put_facts({own})));

  EXPECT_TRUE(fails(store_->fact(kim, "fact_1"), ErrorCode::kNotFound, "fact_1"));
  EXPECT_TRUE(fails(store_->forget_fact(kim, "fact_1"), ErrorCode::kNotFound, "fact_1"));
  EXPECT_THAT(value_of(store_->facts(kim, true)), IsEmpty());
  Fact stolen = own;
  stolen.user = kim;
  stolen.text = "mine now";
  EXPECT_TRUE(fails(store_->put_facts({stolen}), ErrorCode::kConflict, "fact_1"));
  EXPECT_EQ(value_of(store_->fact(sam, "fact_1")).text, own.text);
}

TEST_P(StoreConformance, UnknownUsersAndFactsAreNotFound) {
  const UserId sam = known("sam");
  EXPECT_TRUE(fails(store_->user("u_nobody"), ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(fails(store_->facts("u_nobody", true), ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(fails(store_->fact(sam, "fact_9"), ErrorCode::kNotFound, "fact_9"));
  EXPECT_TRUE(fails(store_->forget_fact(sam, "fact_9"), ErrorCode::kNotFound, "fact_9"));
  EXPECT_TRUE(fails(store_->conversations("u_nobody", {}), ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(fails(store_->events("u_nobody", {}), ErrorCode::kNotFound, "u_nobody"));
}

TEST_P(StoreConformance, APageOutsideItsBoundsNamesTheBound) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  const std::pair<Page, const char*> cases[] = {
      {{.limit = 0}, "limit"}, {{.limit = 1001}, "limit"}, {{.offset = -1}, "offset"}};
  for (const auto& [page, bound] : cases) {
    EXPECT_TRUE(fails(store_->users("", page), ErrorCode::kInvalidArgument, bound));
    EXPECT_TRUE(fails(store_->conversations(sam, page), ErrorCode::kInvalidArgument, bound));
    EXPECT_TRUE(fails(store_->turns(sam, "conv_1", page), ErrorCode::kInvalidArgument, bound));
    EXPECT_TRUE(fails(store_->events(sam, page), ErrorCode::kInvalidArgument, bound));
    EXPECT_TRUE(fails(store_->jobs(page), ErrorCode::kInvalidArgument, bound));
    EXPECT_EQ(store_->jobs(page).error().param, bound);
  }
}

TEST_P(StoreConformance, AnyBytesComeBackAsTheyWere) {
  // Quotes that would end SQL, a NUL in the middle, ill-formed UTF-8, a megabyte.
  const std::string texts[] = {"'; DROP TABLE users; --", std::string("a\0b", 3), "\xff\xfe",
                               std::string(1 << 20, 'x')};
  std::vector<Fact> facts;
  for (const std::string& text : texts) {
    facts.push_back(sample_fact(known("sam"), "fact_" + std::to_string(facts.size())));
    facts.back().text = facts.back().value = text;
  }
  EXPECT_TRUE(ok(store_->put_facts(facts)));
  for (const Fact& fact : facts) {
    const Fact stored = value_of(store_->fact("u_sam", fact.id));
    EXPECT_TRUE(stored.text == fact.text && stored.value == fact.value) << fact.id;
  }
}

}  // namespace
}  // namespace rapport::store
