// What encryption and erasure cost where somebody waits: opening a home with the keys of 10,000
// users, sealing and opening the texts of one request, erasing a user with 10,000 turns among
// others.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "figures.h"
#include "rapport/engine/erasure.h"
#include "rapport/store/encrypting_codec.h"
#include "rapport/store/home_store.h"

namespace rapport {
namespace {

constexpr int kUsers = 10'000;
constexpr int kTurns = 10'000;  // of the user who is erased
constexpr int kOthers = 100;    // users with 100 turns each beside
constexpr int kRounds = 5;

template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message);
    std::exit(1);
  }
  return *std::move(result);
}
void must(Result<void> result) {
  if (result) return;
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// In one transaction: each by itself costs the flush of a disk.
void make_keys(const std::filesystem::path& home, const store::KeyRing& ring,
               base::Random& random) {
  const auto raw = must(store::sqlite::Connection::open(store::user_keys_of(home).string(),
                                                        store::sqlite::Access::kReadWrite, 1'000));
  must(raw->transaction([&]() -> Result<void> {
    for (int user = 0; user < kUsers; ++user) {
      const std::string id = fmt::format("u_{:026}", user);
      TRY(auto insert, raw->prepare("INSERT INTO keys (user, wrapped, created) VALUES (?, ?, 0)"));
      insert.bind(id).bind_bytes(store::seal_box(ring.home_key(),
                                                 store::SecretKey::make(random).bytes(),
                                                 store::joined({"user key", id}), random));
      TRY_VOID(insert.run());
    }
    return {};
  }));
}

void talk(store::Store& store, const store::UserId& user, int turns) {
  must(store.ensure_user(user, "default", "name of " + user));
  for (int n = 0; n < turns / 2; ++n) {
    const std::string conversation = fmt::format("conv_{}_{}", user, n / 50);
    const std::string response = fmt::format("chatcmpl-{}_{}", user, n);
    const auto turn = [&](const char* role, int at, std::size_t size) {
      return store::Turn{.id = fmt::format("turn_{}_{}", user, 2 * n + at),
                         .conversation = conversation,
                         .user = user,
                         .index = 2 * (n % 50) + at,
                         .role = role,
                         .content = std::string(size, 'x'),
                         .response_id = at == 1 ? response : ""};
    };
    must(store.record_exchange(
        {.conversation = {.id = conversation, .user = user},
         .turns = {turn("user", 0, 120), turn("assistant", 1, 1'000)},
         .prefix_hashes = {fmt::format("{:064}", n)},
         .exposure = store::Exposure{.response_id = response, .user = user, .policy = "none"},
         .trace = store::TraceRecord{.response_id = response,
                                     .user = user,
                                     .conversation = conversation,
                                     .data = {{"prompt", std::string(2'000, 't')}}},
         .jobs = {{.id = fmt::format("job_{}_{}", user, n), .kind = "observe", .user = user}}}));
  }
}

int run(bool json) {
  std::string pattern = (std::filesystem::temp_directory_path() / "rapport-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const std::filesystem::path home = pattern;
  bench::Figures figures;
  {
    base::SystemClock clock;
    base::SystemRandom random;
    make_keys(home, must(store::HomeStore::open(home, {}, clock, random)).keys, random);
    std::vector<double> opened;
    for (int round = 0; round < kRounds; ++round) {
      opened.push_back(
          milliseconds([&] { (void)must(store::HomeStore::open(home, {}, clock, random)); }));
    }
    figures.add("a home with 10,000 users' keys opened (bar: at most 1000)", median(opened), "ms");

    const auto opened_home = must(store::HomeStore::open(home, {}, clock, random));
    const store::EncryptingCodec codec(*opened_home.user_keys, random);
    const std::string texts[] = {std::string(120, 'q'),
                                 std::string(1'000, 'a'),
                                 std::string(2'000, 't'),
                                 "{}",
                                 "vegetarian",
                                 "Sam"};
    std::vector<double> sealed;
    for (int n = 0; n < 2'000; ++n) {
      const std::string user = fmt::format("u_{:026}", n % kUsers);
      sealed.push_back(milliseconds([&] {
        for (const std::string& text : texts) {
          const store::FieldPlace place{user, "turns", "turn_1", "content"};
          (void)must(codec.open(place, must(codec.seal(place, text))));
        }
      }));
    }
    figures.add("six texts of a request sealed and opened", median(sealed) * 1e3, "us");

    const engine::PersonalData data = engine::personal_data_of(home);
    engine::Eraser eraser(*opened_home.store, *opened_home.user_keys, data, home, clock);
    for (int other = 0; other < kOthers; ++other) {
      talk(*opened_home.store, fmt::format("u_other{}", other), 100);
    }
    std::vector<double> erased;
    for (int round = 0; round < kRounds; ++round) {
      talk(*opened_home.store, "u_erased", kTurns);
      erased.push_back(milliseconds([&] { (void)must(eraser.erase("u_erased")); }));
    }
    figures.add("a user with 10,000 turns erased (bar: at most 1000)", median(erased), "ms");
    figures.add("the slowest of 5", *std::max_element(erased.begin(), erased.end()), "ms");
  }
  std::filesystem::remove_all(home);
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  return rapport::run(argc > 1 && std::string(argv[1]) == "--json");
}
