// A home with data sets and models, and who looks after them.
#pragma once

#include <fstream>

#include "rapport/engine/curator.h"
#include "recommend_fixture.h"

namespace rapport::engine {

class CuratorTest : public RecommendTest {
 protected:
  CuratorTest() { slot_.put(nullptr); }

  Curator curator(RecommendOptions options) {
    return Curator(std::move(options),
                   {.datasets = home_.path() / "datasets",
                    .retrievers = home_.path() / "retrievers",
                    .rankers = home_.path() / "rankers",
                    .demo = demo_},
                   *store_, slot_, language_model_, clock_);
  }
  std::filesystem::path dataset(const std::string& name) const {
    return home_.path() / "datasets" / name;
  }
  void save_films() {
    std::filesystem::create_directories(home_.path() / "datasets");
    const auto saved = testing::film_dataset()->save(dataset("films"));
    ASSERT_TRUE(saved) << saved.error().message;
  }
  std::vector<store::Job> jobs() { return *store_->jobs({}); }
  /// Runs the queued job of this kind as a runner would, once.
  Result<void> run(Curator& curator, const char* kind) {
    const auto job = store_->claim_job({kind}, std::chrono::seconds(60));
    if (!job || !*job) return fail(ErrorCode::kNotFound, "no such job is queued");
    struct Context final : JobContext {
      void progress(double share) override { last = share; }
      std::stop_token stop_token() const override { return {}; }
      double last = 0;
    } context;
    store::Job claimed = **job;
    const auto done = curator.work().at(kind)(claimed, context);
    progress_ = context.last;
    claimed.status = done ? store::JobStatus::kDone : store::JobStatus::kFailed;
    EXPECT_TRUE(store_->update_job(claimed));
    return done;
  }
  /// RecBole files of twenty users with the films above.
  void write_demo() {
    demo_ = home_.path() / "demo";
    std::filesystem::create_directories(demo_);
    std::ofstream interactions(demo_ / "ml-100k.inter");
    interactions << "user_id:token\titem_id:token\trating:float\ttimestamp:float\n";
    for (int user = 1; user <= 20; ++user) {
      for (int i = 0; i < 8; ++i) {
        interactions << user << '\t' << (user + 5 * i) % 12 + 1 << "\t4\t" << 1000 + i << '\n';
      }
    }
    std::ofstream items(demo_ / "ml-100k.item");
    items << "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n";
    for (const data::Item& film : testing::films()) {
      items << film.id << '\t' << film.title << '\t' << *film.year << '\t'
            << film.categories.front() << '\n';
    }
  }

  std::filesystem::path demo_;
  language::EmbeddedModel* language_model_ = nullptr;
  double progress_ = 0;
};

}  // namespace rapport::engine
