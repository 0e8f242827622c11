// A second process beside the first, and processes that are killed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "plain_text_codec.h"
#include "rapport/store/sqlite_store.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

/// Two processes; each reads what the other sent.
class Channel {
 public:
  Channel() {
    if (::pipe(ends_) != 0) throw std::runtime_error("no pipe");
  }
  ~Channel() {
    close_reading();
    close_writing();
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  void send(std::int64_t number) {
    if (::write(ends_[1], &number, sizeof number) != sizeof number) ::_exit(3);
  }
  /// Nothing when the other side has gone.
  std::optional<std::int64_t> receive() {
    std::int64_t number = 0;
    if (::read(ends_[0], &number, sizeof number) != sizeof number) return std::nullopt;
    return number;
  }
  void close_reading() { shut(ends_[0]); }
  void close_writing() { shut(ends_[1]); }

 private:
  static void shut(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
  int ends_[2] = {-1, -1};
};

class SqliteProcessesTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Store>> open() {
    return SqliteStore::open(
        {.path = folder_.file("rapport.db"), .index_key = std::string(32, 'k')},
        std::make_shared<PlainTextCodec>(), clock_, random_);
  }

  /// Runs `body` in a child process, which ends with 0 when it returns true. Called while this
  /// process has no store open: SQLite's locks do not survive a fork.
  template <typename Body>
  static pid_t in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body() ? 0 : 1);
    return child;
  }
  static int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  }

  testing::TemporaryDirectory folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
};

Exchange whole_exchange(std::int64_t n) {
  Exchange exchange = sample_exchange("u_1", fmt::format("conv_{}", n % 3), n);
  exchange.facts = {sample_fact("u_1", fmt::format("fact_{}", n))};
  exchange.jobs = {sample_job(fmt::format("job_{}", n))};
  return exchange;
}

TEST_F(SqliteProcessesTest, ACommandWorksWhileTheServerDoes) {
  constexpr std::int64_t kEach = 40;
  Channel to_child;
  const pid_t child = in_child([&] {
    if (!to_child.receive()) return false;
    const auto store = open();
    if (!store) return false;
    for (std::int64_t n = 0; n < kEach; ++n) {
      if (!(*store)->record_exchange(whole_exchange(1'000 + n))) return false;
    }
    return true;
  });
  const auto store = value_of(open());
  ASSERT_TRUE(ok(store->ensure_user("u_1", "default", "sam")));
  to_child.send(1);
  for (std::int64_t n = 0; n < kEach; ++n) {
    ASSERT_TRUE(ok(store->record_exchange(whole_exchange(n))));
  }
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(value_of(store->facts("u_1", true)).size(), 2u * kEach);
}

/// Records exchanges from `first` on and reports each once it is acknowledged, until it is killed.
bool record_until_killed(Store& store, std::int64_t first, Channel& acknowledged) {
  for (std::int64_t n = first;; ++n) {
    if (!store.record_exchange(whole_exchange(n))) return false;
    acknowledged.send(n);
  }
}

/// Every exchange is wholly there or not at all; returns those that are.
std::set<std::int64_t> whole_exchanges(Store& store) {
  std::map<std::int64_t, int> parts;
  const auto count = [&](const std::string& id) {
    ++parts[std::stoll(id.substr(id.find('_') + 1))];
  };
  for (const Conversation& conversation : value_of(store.conversations("u_1", {}))) {
    std::int64_t turns = 0;
    for (Page page{.limit = 1000}; page.offset < conversation.turns; page.offset += 1000) {
      for (const Turn& turn : value_of(store.turns("u_1", conversation.id, page))) {
        count(turn.id);
        ++turns;
      }
    }
    EXPECT_EQ(turns, conversation.turns);
  }
  for (const Fact& fact : value_of(store.facts("u_1", true))) count(fact.id);
  for (Page page{.limit = 1000};; page.offset += 1000) {
    const auto jobs = value_of(store.jobs(page));
    for (const Job& job : jobs) count(job.id);
    if (jobs.size() < 1000) break;
  }
  std::set<std::int64_t> whole;
  for (const auto& [n, found] : parts) {
    const std::string response = fmt::format("resp_{}", n);
    EXPECT_TRUE(ok(store.trace(response)));
    EXPECT_TRUE(ok(store.exposure(response)));
    EXPECT_EQ(found, 4) << "exchange " << n << " is in parts";
    whole.insert(n);
  }
  return whole;
}

TEST_F(SqliteProcessesTest, WhatWasAcknowledgedSurvivesAKilledProcess) {
  constexpr int kRounds = 15;
  { ASSERT_TRUE(ok(value_of(open())->ensure_user("u_1", "default", "sam"))); }
  std::set<std::int64_t> acknowledged;
  for (std::int64_t round = 0; round < kRounds; ++round) {
    Channel from_child;
    const pid_t child = in_child([&] {
      from_child.close_reading();
      const auto store = open();
      return store && record_until_killed(**store, round * 1'000'000, from_child);
    });
    from_child.close_writing();
    // The child goes on while we read, so the kill falls anywhere in its work.
    const std::uint64_t after = 1 + random_.next() % 40;
    for (std::uint64_t i = 0; i < after; ++i) {
      const auto n = from_child.receive();
      ASSERT_TRUE(n) << "the child ended by itself";
      acknowledged.insert(*n);
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    while (const auto n = from_child.receive()) acknowledged.insert(*n);
    EXPECT_TRUE(WIFSIGNALED(wait_for(child)));

    const auto store = value_of(open());
    const std::set<std::int64_t> whole = whole_exchanges(*store);
    EXPECT_TRUE(std::includes(whole.begin(), whole.end(), acknowledged.begin(), acknowledged.end()))
        << "round " << round << ": " << whole.size() << " stored, " << acknowledged.size()
        << " acknowledged";
    // At most one a round can be stored and not yet acknowledged.
    EXPECT_LE(whole.size(), acknowledged.size() + static_cast<std::size_t>(round) + 1);
  }
}

}  // namespace
}  // namespace rapport::store
