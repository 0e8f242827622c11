// The conversation log: exchanges, conversations, turns, traces, exposures.
#include <gmock/gmock.h>

#include "store_conformance.h"

namespace rapport::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreConformance, AnExchangeLeavesAllItsParts) {
  const UserId sam = known("sam");
  clock_.advance(1min);
  Exchange exchange = sample_exchange(sam, "conv_1", 0);
  exchange.facts = {sample_fact(sam, "fact_1")};
  const Json settings = {{"default", {{"language", "de"}}}};
  exchange.settings = becomes(settings);
  exchange.jobs = {sample_job("job_1")};
  ASSERT_TRUE(ok(store_->record_exchange(exchange)));
  reopen();

  const UnixMillis now = clock_.now();
  for (Turn& turn : exchange.turns) turn.created = now;
  EXPECT_EQ(as_json(value_of(store_->turns(sam, "conv_1", {}))), as_json(exchange.turns));
  EXPECT_EQ(as_json(value_of(store_->conversation(sam, "conv_1"))), Json({{"id", "conv_1"},
                                                                          {"user", sam},
                                                                          {"name", "dinner"},
                                                                          {"turns", 2},
                                                                          {"created", now},
                                                                          {"updated", now}}));
  EXPECT_EQ(ids(value_of(store_->facts(sam, false))), std::vector<std::string>{"fact_1"});
  EXPECT_EQ(value_of(store_->settings(sam)), settings);
  EXPECT_EQ(ids(value_of(store_->jobs({}))), std::vector<std::string>{"job_1"});
  EXPECT_EQ(value_of(store_->user(sam)).last_seen, now);

  const TraceRecord trace = value_of(store_->trace("resp_0"));
  EXPECT_EQ(trace.response_id, "resp_0");
  EXPECT_EQ(trace.user, sam);
  EXPECT_EQ(trace.conversation, "conv_1");
  EXPECT_EQ(trace.data, exchange.trace->data);
  EXPECT_EQ(trace.created, now);

  const Exposure exposure = value_of(store_->exposure("resp_0"));
  EXPECT_EQ(exposure.response_id, "resp_0");
  EXPECT_EQ(exposure.user, sam);
  EXPECT_EQ(exposure.policy, "style");
  EXPECT_EQ(exposure.arm, "brief");
  EXPECT_EQ(exposure.propensity, 0.25);
  EXPECT_EQ(exposure.created, now);
}

TEST_P(StoreConformance, AConversationGrowsByTheNewTurnsOnly) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  const UnixMillis begun = clock_.now();
  clock_.advance(1min);
  record(sam, "conv_1", 1);

  const Conversation conversation = value_of(store_->conversation(sam, "conv_1"));
  EXPECT_EQ(conversation.turns, 4);
  EXPECT_EQ(conversation.created, begun);
  EXPECT_EQ(conversation.updated, clock_.now());
  EXPECT_THAT(ids(value_of(store_->turns(sam, "conv_1", {}))),
              ElementsAre("turn_0_q", "turn_0_a", "turn_1_q", "turn_1_a"));
  EXPECT_THAT(ids(value_of(store_->turns(sam, "conv_1", {.limit = 2, .offset = 1}))),
              ElementsAre("turn_0_a", "turn_1_q"));
  EXPECT_THAT(value_of(store_->turns(sam, "conv_1", {.offset = 4})), IsEmpty());
}

TEST_P(StoreConformance, ADeletedConversationDoesNotComeBackWithAnAnswerBegunBefore) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  Exchange late = sample_exchange(sam, "conv_1", 1);
  late.conversation.turns = 4;
  late.facts = {sample_fact(sam, "fact_1")};
  ASSERT_TRUE(ok(store_->delete_conversation(sam, "conv_1")));
  EXPECT_TRUE(fails(store_->record_exchange(late), ErrorCode::kNotFound, "deleted"));
  EXPECT_THAT(value_of(store_->conversations(sam, {})), IsEmpty());
  EXPECT_THAT(value_of(store_->facts(sam, true)), IsEmpty());
}

TEST_P(StoreConformance, ATurnIsRecordedOnce) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  EXPECT_TRUE(fails(store_->record_exchange(sample_exchange(sam, "conv_1", 0)),
                    ErrorCode::kConflict, "turn_0_q"));

  // Nothing of the refused exchange stays, not even what came before the turn that repeats.
  Exchange again = sample_exchange(sam, "conv_1", 1);
  again.turns[1].id = "turn_0_a";
  again.facts = {sample_fact(sam, "fact_1")};
  EXPECT_TRUE(fails(store_->record_exchange(again), ErrorCode::kConflict, "turn_0_a"));
  EXPECT_EQ(value_of(store_->conversation(sam, "conv_1")).turns, 2);
  EXPECT_EQ(value_of(store_->turns(sam, "conv_1", {})).size(), 2u);
  EXPECT_THAT(value_of(store_->facts(sam, true)), IsEmpty());
  EXPECT_EQ(value_of(store_->conversation_by_prefix(sam, {"hash_1"})).has_value(), false);
  EXPECT_TRUE(fails(store_->trace("resp_1"), ErrorCode::kNotFound, "resp_1"));
}

TEST_P(StoreConformance, AResponseIsRecordedOnce) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  for (const bool traced : {true, false}) {
    Exchange again;
    again.conversation = {.id = "conv_1", .user = sam};
    if (traced) again.trace = sample_exchange(sam, "conv_1", 0).trace;
    if (!traced) again.exposure = sample_exchange(sam, "conv_1", 0).exposure;
    EXPECT_TRUE(fails(store_->record_exchange(again), ErrorCode::kConflict, "resp_0"));
  }
}

TEST_P(StoreConformance, AnAnswerAskedForAgainSharesItsPosition) {
  const UserId sam = known("sam");
  record(sam, "conv_1", 0);
  Exchange other_answer = sample_exchange(sam, "conv_1", 1);
  other_answer.turns.erase(other_answer.turns.begin());
  other_answer.turns[0].index = 1;
  EXPECT_TRUE(ok(store_->record_exchange(other_answer)));
  EXPECT_THAT(ids(value_of(store_->turns(sam, "conv_1", {}))),
              ElementsAre("turn_0_q", "turn_0_a", "turn_1_a"));
}

TEST_P(StoreConformance, TimesThatAreGivenAreKept) {
  const UserId sam = known("sam");
  Exchange old = sample_exchange(sam, "conv_1", 0);
  old.conversation.created = old.turns[0].created = 1'000;
  old.trace->created = old.exposure->created = 2'000;
  EXPECT_TRUE(ok(store_->record_exchange(old)));
  EXPECT_EQ(value_of(store_->conversation(sam, "conv_1")).created, 1'000);
  EXPECT_EQ(value_of(store_->turns(sam, "conv_1", {}))[0].created, 1'000);
  EXPECT_EQ(value_of(store_->trace("resp_0")).created, 2'000);
  EXPECT_EQ(value_of(store_->exposure("resp_0")).created, 2'000);
}

TEST_P(StoreConformance, AnExchangeNeedsAKnownUser) {
  EXPECT_TRUE(fails(store_->record_exchange(sample_exchange("u_nobody", "conv_1", 0)),
                    ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(fails(store_->trace("resp_0"), ErrorCode::kNotFound));
}

TEST_P(StoreConformance, AnExchangeIsAboutOneConversationOfOneUser) {
  const UserId sam = known("sam"), kim = known("kim");
  struct {
    const char* behaviour;
    void (*spoil)(Exchange&);
    const char* says;
  } cases[] = {
      {"a turn of another user", [](Exchange& e) { e.turns[1].user = "u_kim"; }, "turn_0_a"},
      {"a turn of another conversation", [](Exchange& e) { e.turns[0].conversation = "conv_2"; },
       "turn_0_q"},
      {"a fact of another user", [](Exchange& e) { e.facts = {sample_fact("u_kim", "fact_1")}; },
       "fact_1"},
      {"another user's exposure", [](Exchange& e) { e.exposure->user = "u_kim"; }, "resp_0"},
      {"another user's trace", [](Exchange& e) { e.trace->user = "u_kim"; }, "resp_0"},
      {"a trace of another conversation", [](Exchange& e) { e.trace->conversation = "conv_2"; },
       "resp_0"},
      {"turns without a conversation", [](Exchange& e) { e.conversation.id = ""; }, "conversation"},
      {"a conversation without a user", [](Exchange& e) { e.conversation.user = ""; }, "user"},
  };
  for (const auto& c : cases) {
    Exchange exchange = sample_exchange(sam, "conv_1", 0);
    c.spoil(exchange);
    EXPECT_TRUE(fails(store_->record_exchange(exchange), ErrorCode::kInvalidArgument, c.says))
        << c.behaviour;
  }
  EXPECT_THAT(value_of(store_->conversations(sam, {})), IsEmpty());
  EXPECT_THAT(value_of(store_->conversations(kim, {})), IsEmpty());
}

TEST_P(StoreConformance, AnAnswerThatKeepsNothingOfTheUserStillHasATrace) {
  for (const std::string user : {"u_never_kept", ""}) {
    Exchange exchange;
    exchange.trace = {.response_id = "resp_of_" + user, .user = user, .data = {{"degree", 0}}};
    EXPECT_TRUE(ok(store_->record_exchange(exchange)));
    const TraceRecord trace = value_of(store_->trace("resp_of_" + user));
    EXPECT_EQ(trace.user, user);
    EXPECT_EQ(trace.conversation, "");
    EXPECT_EQ(trace.data, Json({{"degree", 0}}));
  }
  EXPECT_THAT(value_of(store_->users("", {})), IsEmpty());
}

TEST_P(StoreConformance, AConversationIsFoundByName) {
  const UserId sam = known("sam"), kim = known("kim");
  record(sam, "conv_1", 0);
  clock_.advance(1s);
  record(sam, "conv_2", 1);  // the same name: two first requests came at once
  Exchange unnamed = sample_exchange(sam, "conv_3", 2);
  unnamed.conversation.name = "";
  EXPECT_TRUE(ok(store_->record_exchange(unnamed)));
  reopen();

  const auto found = value_of(store_->conversation_by_name(sam, "dinner"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, "conv_1");
  EXPECT_EQ(found->name, "dinner");
  for (const char* other : {"Dinner", "dinner ", "din", ""}) {
    EXPECT_FALSE(value_of(store_->conversation_by_name(sam, other))) << other;
  }
  EXPECT_FALSE(value_of(store_->conversation_by_name(kim, "dinner")));
  EXPECT_FALSE(value_of(store_->conversation_by_name("u_nobody", "dinner")));
}

TEST_P(StoreConformance, AConversationIsFoundByTheFirstKnownPrefix) {
  const UserId sam = known("sam"), kim = known("kim");
  record(sam, "conv_1", 0);
  record(sam, "conv_2", 1);

  const auto by_prefix = [&](const UserId& user, std::vector<std::string> hashes) {
    const auto found = value_of(store_->conversation_by_prefix(user, hashes));
    return found ? found->id : std::string("none");
  };
  EXPECT_EQ(by_prefix(sam, {"hash_1", "hash_0"}), "conv_2");
  EXPECT_EQ(by_prefix(sam, {"hash_9", "hash_0", "hash_1"}), "conv_1");
  EXPECT_EQ(by_prefix(sam, {"hash_9"}), "none");
  EXPECT_EQ(by_prefix(sam, {}), "none");
  EXPECT_EQ(by_prefix(kim, {"hash_0"}), "none");
}

TEST_P(StoreConformance, APrefixSharedByTwoConversationsMeansTheOneLastUpdated) {
  const UserId sam = known("sam");
  for (const std::int64_t n : {0, 1}) {
    Exchange exchange = sample_exchange(sam, "conv_" + std::to_string(n), n);
    exchange.prefix_hashes = {"hash_hello"};
    EXPECT_TRUE(ok(store_->record_exchange(exchange)));
    clock_.advance(1s);
  }
  const auto found = [&] { return value_of(store_->conversation_by_prefix(sam, {"hash_hello"})); };
  EXPECT_EQ(found()->id, "conv_1");
  record(sam, "conv_0", 2);
  EXPECT_EQ(found()->id, "conv_0");
  EXPECT_TRUE(ok(store_->delete_conversation(sam, "conv_0")));
  EXPECT_EQ(found()->id, "conv_1");
}

TEST_P(StoreConformance, AConversationIsFoundByItsResponses) {
  const UserId sam = known("sam"), kim = known("kim");
  record(sam, "conv_1", 0);
  Exchange traced_only = sample_exchange(sam, "conv_1", 1);
  traced_only.turns.clear();
  EXPECT_TRUE(ok(store_->record_exchange(traced_only)));

  for (const char* response : {"resp_0", "resp_1"}) {
    const auto found = value_of(store_->conversation_by_response(sam, response));
    ASSERT_TRUE(found) << response;
    EXPECT_EQ(found->id, "conv_1");
    EXPECT_FALSE(value_of(store_->conversation_by_response(kim, response)));
  }
  // Turns of users have no response: "" must not find those.
  EXPECT_FALSE(value_of(store_->conversation_by_response(sam, "")));
  EXPECT_FALSE(value_of(store_->conversation_by_response(sam, "resp_9")));
}

TEST_P(StoreConformance, ConversationsAreListedNewestFirst) {
  const UserId sam = known("sam");
  for (const std::int64_t n : {0, 1, 2}) {
    record(sam, "conv_" + std::to_string(n), n);
    clock_.advance(1s);
  }
  record(sam, "conv_0", 3);
  EXPECT_THAT(ids(value_of(store_->conversations(sam, {}))),
              ElementsAre("conv_0", "conv_2", "conv_1"));
  EXPECT_THAT(ids(value_of(store_->conversations(sam, {.limit = 1, .offset = 1}))),
              ElementsAre("conv_2"));
}

TEST_P(StoreConformance, AnotherUsersConversationIsAsUnknownAsNone) {
  const UserId sam = known("sam"), kim = known("kim");
  record(sam, "conv_1", 0);
  for (const auto& [user, id] : {std::pair{kim, "conv_1"}, std::pair{sam, "conv_9"}}) {
    EXPECT_TRUE(fails(store_->conversation(user, id), ErrorCode::kNotFound, id));
    EXPECT_TRUE(fails(store_->turns(user, id, {}), ErrorCode::kNotFound, id));
    EXPECT_TRUE(fails(store_->delete_conversation(user, id), ErrorCode::kNotFound, id));
  }
  EXPECT_TRUE(fails(store_->record_exchange(sample_exchange(kim, "conv_1", 1)),
                    ErrorCode::kNotFound, "conv_1"));
  EXPECT_THAT(value_of(store_->conversations(kim, {})), IsEmpty());
  EXPECT_EQ(value_of(store_->turns(sam, "conv_1", {})).size(), 2u);
}

TEST_P(StoreConformance, ADeletedConversationTakesAllThatTellsOfIt) {
  const UserId sam = known("sam");
  Exchange exchange = sample_exchange(sam, "conv_1", 0);
  exchange.facts = {sample_fact(sam, "fact_1")};
  EXPECT_TRUE(ok(store_->record_exchange(exchange)));
  record(sam, "conv_2", 1);
  EXPECT_TRUE(
      ok(store_->add_events({{.id = "evt_0", .user = sam, .kind = "edit", .response_id = "resp_0"},
                             {.id = "evt_1", .user = sam, .kind = "edit", .response_id = "resp_1"},
                             {.id = "evt_2", .user = sam, .kind = "click"}})));

  EXPECT_TRUE(ok(store_->delete_conversation(sam, "conv_1")));
  reopen();
  EXPECT_TRUE(fails(store_->conversation(sam, "conv_1"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails(store_->turns(sam, "conv_1", {}), ErrorCode::kNotFound));
  EXPECT_TRUE(fails(store_->trace("resp_0"), ErrorCode::kNotFound));
  EXPECT_TRUE(fails(store_->exposure("resp_0"), ErrorCode::kNotFound));
  EXPECT_FALSE(value_of(store_->conversation_by_prefix(sam, {"hash_0"})));
  EXPECT_FALSE(value_of(store_->conversation_by_response(sam, "resp_0")));
  EXPECT_TRUE(fails(store_->delete_conversation(sam, "conv_1"), ErrorCode::kNotFound));

  // The name is now that of the other one; what is no part of the conversation stays.
  EXPECT_EQ(value_of(store_->conversation_by_name(sam, "dinner"))->id, "conv_2");
  EXPECT_EQ(value_of(store_->turns(sam, "conv_2", {})).size(), 2u);
  EXPECT_TRUE(ok(store_->trace("resp_1")));
  EXPECT_THAT(ids(value_of(store_->events(sam, {}))), ElementsAre("evt_2", "evt_1"));
  EXPECT_THAT(ids(value_of(store_->facts(sam, false))), ElementsAre("fact_1"));
}

TEST_P(StoreConformance, EventsAreListedNewestFirst) {
  const UserId sam = known("sam"), kim = known("kim");
  Event event{.id = "evt_1",
              .user = sam,
              .kind = "rating",
              .response_id = "resp_0",
              .data = {{"stars", 4}, {"text", "gut — danke"}},
              .created = clock_.now()};
  Event earlier{.id = "evt_2", .user = sam, .kind = "view", .created = clock_.now() - 5};
  Event timeless{.id = "evt_3", .user = sam, .kind = "click"};
  EXPECT_TRUE(ok(store_->add_events({event, earlier, timeless})));
  EXPECT_TRUE(ok(store_->add_events({})));
  reopen();

  timeless.created = clock_.now();
  EXPECT_EQ(as_json(value_of(store_->events(sam, {}))),
            as_json(std::vector{timeless, event, earlier}));
  EXPECT_THAT(ids(value_of(store_->events(sam, {.limit = 1, .offset = 1}))), ElementsAre("evt_1"));
  EXPECT_THAT(value_of(store_->events(kim, {})), IsEmpty());
}

TEST_P(StoreConformance, EventsAreAddedAllOrNone) {
  const UserId sam = known("sam");
  const Event event{.id = "evt_1", .user = sam, .kind = "view"};
  const Event fresh{.id = "evt_2", .user = sam, .kind = "view"};
  EXPECT_TRUE(ok(store_->add_events({event})));
  EXPECT_TRUE(fails(store_->add_events({fresh, event}), ErrorCode::kConflict));
  EXPECT_TRUE(fails(store_->add_events({fresh, {.id = "evt_3", .user = "u_nobody"}}),
                    ErrorCode::kNotFound, "u_nobody"));
  EXPECT_THAT(ids(value_of(store_->events(sam, {}))), ElementsAre("evt_1"));
}

}  // namespace
}  // namespace rapport::store
