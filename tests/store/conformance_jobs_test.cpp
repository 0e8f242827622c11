// Jobs, keys, and many threads at once.
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "store_conformance.h"

namespace rapport::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kObserve = {"observe"};

TEST_P(StoreConformance, AJobIsClaimedOnceAndRemembersItsWork) {
  Job job = sample_job("job_1");
  job.user = known("sam");
  job.status = JobStatus::kDone;  // a new job is queued whatever it says
  job.attempts = 2;
  EXPECT_TRUE(ok(store_->enqueue(job)));
  clock_.advance(1s);
  const UnixMillis enqueued = clock_.now() - 1'000;
  reopen();

  job.status = JobStatus::kRunning;
  job.attempts = 1;
  job.created = enqueued;
  job.updated = clock_.now();
  const auto claimed = value_of(store_->claim_job(kObserve, 60s));
  ASSERT_TRUE(claimed);
  EXPECT_EQ(as_json(*claimed), as_json(job));
  EXPECT_EQ(as_json(value_of(store_->jobs({}))), as_json(std::vector{job}));
  EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
}

TEST_P(StoreConformance, TheOldestDueJobOfTheseKindsIsFirst) {
  const UnixMillis now = clock_.now();
  for (const auto& [id, kind, created, not_before] :
       {std::tuple{"job_young", "observe", now, now}, std::tuple{"job_old", "train", now - 9, now},
        std::tuple{"job_older_other", "erase", now - 20, now},
        std::tuple{"job_oldest_not_due", "observe", now - 30, now + 1'000}}) {
    Job job = sample_job(id, kind);
    job.created = created;
    job.not_before = not_before;
    EXPECT_TRUE(ok(store_->enqueue(job)));
  }
  const auto claim = [&](const std::vector<std::string>& kinds) {
    const auto job = value_of(store_->claim_job(kinds, 60s));
    return job ? job->id : std::string("none");
  };
  EXPECT_EQ(claim({"observe", "train"}), "job_old");
  EXPECT_EQ(claim({"observe", "train"}), "job_young");
  EXPECT_EQ(claim({"observe", "train"}), "none");
  EXPECT_EQ(claim({}), "none");
  clock_.advance(1s);
  EXPECT_EQ(claim({"observe", "train"}), "job_oldest_not_due");
  EXPECT_THAT(ids(value_of(store_->jobs({.limit = 2}))),
              ElementsAre("job_oldest_not_due", "job_older_other"));
}

TEST_P(StoreConformance, AJobWhoseLeaseEndedIsDueAgainUntilItsLastAttempt) {
  Job job = sample_job("job_1");
  job.max_attempts = 2;
  EXPECT_TRUE(ok(store_->enqueue(job)));
  for (const std::int32_t attempt : {1, 2}) {
    const auto claimed = value_of(store_->claim_job(kObserve, 60s));
    ASSERT_TRUE(claimed);
    EXPECT_EQ(claimed->attempts, attempt);
    clock_.advance(59s);
    EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
    clock_.advance(1s);
  }
  EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
  const Job failed = value_of(store_->jobs({})).at(0);
  EXPECT_EQ(failed.status, JobStatus::kFailed);
  EXPECT_EQ(failed.attempts, 2);
  EXPECT_THAT(failed.error, ::testing::HasSubstr("lease"));
}

TEST_P(StoreConformance, AnUpdateOfARunningJobRenewsItsLease) {
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_1"))));
  Job job = *value_of(store_->claim_job(kObserve, 60s));
  clock_.advance(50s);
  job.progress = 0.5;
  EXPECT_TRUE(ok(store_->update_job(job)));
  clock_.advance(50s);
  EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
  EXPECT_EQ(value_of(store_->jobs({}))[0].progress, 0.5);
  clock_.advance(10s);
  EXPECT_TRUE(value_of(store_->claim_job(kObserve, 60s)));
}

TEST_P(StoreConformance, AJobThatWasClaimedAgainIsNoLongerOurs) {
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_1"))));
  Job late = *value_of(store_->claim_job(kObserve, 60s));
  clock_.advance(60s);
  Job current = *value_of(store_->claim_job(kObserve, 60s));
  late.status = JobStatus::kFailed;
  EXPECT_TRUE(fails(store_->update_job(late), ErrorCode::kConflict, "job_1"));
  current.status = JobStatus::kDone;
  EXPECT_TRUE(ok(store_->update_job(current)));
  EXPECT_EQ(value_of(store_->jobs({}))[0].status, JobStatus::kDone);
}

TEST_P(StoreConformance, AJobPutBackIsTriedAgainLaterUntilItsLastAttempt) {
  Job job = sample_job("job_1");
  job.user = known("sam");
  job.max_attempts = 2;
  EXPECT_TRUE(ok(store_->enqueue(job)));
  for (const JobStatus after : {JobStatus::kQueued, JobStatus::kFailed}) {
    auto claimed = value_of(store_->claim_job(kObserve, 60s));
    ASSERT_TRUE(claimed);
    claimed->status = JobStatus::kQueued;
    claimed->error = "no model";
    claimed->not_before = clock_.now() + 5'000;
    EXPECT_TRUE(ok(store_->update_job(*claimed)));
    const Job stored = value_of(store_->jobs({})).at(0);
    EXPECT_EQ(stored.status, after);
    EXPECT_EQ(stored.error, "no model");
    EXPECT_EQ(stored.payload, job.payload);
    EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
    clock_.advance(5s);
  }
  EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
}

TEST_P(StoreConformance, AJobThatIsDoneIsNeverDueAgain) {
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_1"))));
  Job job = *value_of(store_->claim_job(kObserve, 60s));
  job.status = JobStatus::kDone;
  job.progress = 1;
  EXPECT_TRUE(ok(store_->update_job(job)));
  clock_.advance(24h);
  EXPECT_FALSE(value_of(store_->claim_job(kObserve, 60s)));
}

TEST_P(StoreConformance, JobsThatCannotBeAreRefused) {
  Job never = sample_job("job_1");
  never.max_attempts = 0;
  EXPECT_TRUE(fails(store_->enqueue(never), ErrorCode::kInvalidArgument, "job_1"));
  Job nobodys = sample_job("job_1");
  nobodys.user = "u_nobody";
  EXPECT_TRUE(fails(store_->enqueue(nobodys), ErrorCode::kNotFound, "u_nobody"));
  EXPECT_TRUE(ok(store_->enqueue(sample_job("job_1"))));
  EXPECT_TRUE(fails(store_->enqueue(sample_job("job_1")), ErrorCode::kConflict));
  EXPECT_TRUE(fails(store_->update_job(sample_job("job_9")), ErrorCode::kNotFound, "job_9"));
}

TEST_P(StoreConformance, AKeyIsFoundByItsDigest) {
  EXPECT_THAT(value_of(store_->keys()), IsEmpty());
  ApiKey sams{.id = "key_1",
              .digest = "digest_1",
              .label = "Sam's laptop",
              .app = "default",
              .role = KeyRole::kUser,
              .user = "u_sam",
              .user_name = "sam"};
  const ApiKey admin{.id = "key_2",
                     .digest = "digest_2",
                     .label = "operator",
                     .app = "shop",
                     .role = KeyRole::kAdmin,
                     .created = 1'000};
  EXPECT_TRUE(ok(store_->add_key(sams)));
  EXPECT_TRUE(ok(store_->add_key(admin)));
  sams.created = clock_.now();
  reopen();

  EXPECT_EQ(as_json(*value_of(store_->key_by_digest("digest_1"))), as_json(sams));
  EXPECT_EQ(as_json(*value_of(store_->key_by_digest("digest_2"))), as_json(admin));
  EXPECT_FALSE(value_of(store_->key_by_digest("digest_3")));
  EXPECT_EQ(as_json(value_of(store_->keys())), as_json(std::vector{sams, admin}));
}

TEST_P(StoreConformance, ARevokedKeyStaysAndSaysSince) {
  const ApiKey key{.id = "key_1", .digest = "digest_1"};
  EXPECT_TRUE(ok(store_->add_key(key)));
  const UnixMillis revoked = clock_.now();
  EXPECT_TRUE(ok(store_->revoke_key("key_1")));
  clock_.advance(1h);
  EXPECT_TRUE(ok(store_->revoke_key("key_1")));
  EXPECT_EQ(value_of(store_->key_by_digest("digest_1"))->revoked, revoked);
  EXPECT_TRUE(fails(store_->revoke_key("key_9"), ErrorCode::kNotFound, "key_9"));
}

TEST_P(StoreConformance, KeysAreUnique) {
  EXPECT_TRUE(ok(store_->add_key({.id = "key_1", .digest = "digest_1"})));
  EXPECT_TRUE(fails(store_->add_key({.id = "key_1", .digest = "digest_2"}), ErrorCode::kConflict));
  EXPECT_TRUE(fails(store_->add_key({.id = "key_2", .digest = "digest_1"}), ErrorCode::kConflict));
  EXPECT_EQ(value_of(store_->keys()).size(), 1u);
}

TEST_P(StoreConformance, ABackupReplacesNothing) {
  const std::string path = folder_.file("backup");
  EXPECT_TRUE(ok(store_->backup(path)));
  EXPECT_TRUE(fails(store_->backup(path), ErrorCode::kConflict, path));
  EXPECT_TRUE(fails(store_->backup(folder_.file("no/such/folder/backup")), ErrorCode::kIo,
                    "no/such/folder"));
}

TEST_P(StoreConformance, WritersAndReadersAtOnceLoseAndMixNothing) {
  constexpr std::int64_t kWriters = 4, kExchanges = 25;
  for (std::int64_t w = 0; w < kWriters; ++w) known(std::to_string(w));
  std::atomic<std::int64_t> writing = kWriters;
  std::atomic<std::int64_t> faults = 0;

  const auto write = [&](std::int64_t writer) {
    const UserId user = "u_" + std::to_string(writer);
    for (std::int64_t i = 0; i < kExchanges; ++i) {
      if (!store_->record_exchange(
              sample_exchange(user, "conv_" + user, writer * kExchanges + i))) {
        ++faults;
      }
    }
    --writing;
  };
  // A reader sees whole exchanges, and never fewer than before.
  const auto read = [&](std::int64_t writer) {
    const UserId user = "u_" + std::to_string(writer);
    std::size_t seen = 0;
    while (writing > 0) {
      const auto conversation = store_->conversation(user, "conv_" + user);
      if (!conversation) continue;
      const auto turns = store_->turns(user, "conv_" + user, {.limit = 1000});
      if (!turns || turns->size() % 2 != 0 || turns->size() < seen) ++faults;
      if (turns) seen = turns->size();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::int64_t w = 0; w < kWriters; ++w) threads.emplace_back(write, w);
    for (std::int64_t r = 0; r < 3; ++r) threads.emplace_back(read, r);
  }
  EXPECT_EQ(faults, 0);
  for (std::int64_t w = 0; w < kWriters; ++w) {
    const UserId user = "u_" + std::to_string(w);
    const auto turns = value_of(store_->turns(user, "conv_" + user, {.limit = 1000}));
    EXPECT_EQ(turns.size(), 2u * kExchanges);
    for (const Turn& turn : turns) EXPECT_EQ(turn.user, user);
  }
}

TEST_P(StoreConformance, EachJobGoesToOneOfManyWorkers) {
  constexpr std::size_t kJobs = 60;
  for (std::size_t i = 0; i < kJobs; ++i) {
    EXPECT_TRUE(ok(store_->enqueue(sample_job("job_" + std::to_string(i)))));
  }
  std::vector<std::vector<std::string>> claimed(3);
  {
    std::vector<std::jthread> workers;
    for (auto& own : claimed) {
      workers.emplace_back([&] {
        while (true) {
          const auto job = store_->claim_job(kObserve, 60s);
          if (!job || !*job) return;
          own.push_back((*job)->id);
        }
      });
    }
  }
  std::multiset<std::string> all;
  for (const auto& own : claimed) all.insert(own.begin(), own.end());
  EXPECT_EQ(all.size(), kJobs);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), kJobs);
}

TEST_P(StoreConformance, OneUserCreatedByManyThreadsIsOne) {
  std::atomic<int> faults = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const auto user = store_->ensure_user("u_1", "default", "sam");
        if (!user || user->name != "sam") ++faults;
      });
    }
  }
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(value_of(store_->users("", {})).size(), 1u);
}

}  // namespace
}  // namespace rapport::store
