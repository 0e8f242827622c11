#include "rapport/palr/xgboost_ranker.h"

#include <fmt/format.h>
#include <xgboost/c_api.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "rapport/palr/listwise_network.h"

namespace rapport::palr {
namespace {

constexpr const char* kTensor = "xgboost";  // the model as XGBoost writes it, in UBJSON

Result<void> check(int status, std::string_view what) {
  if (status == 0) return {};
  std::string_view reason = XGBGetLastError();
  // Its first line is the message, the rest a stack.
  reason = reason.substr(0, reason.find("\nStack trace"));
  return fail(ErrorCode::kInternal, fmt::format("XGBoost could not {}: {}", what, reason));
}

struct FreeMatrix {
  void operator()(void* handle) const { XGDMatrixFree(handle); }
};
struct FreeBooster {
  void operator()(void* handle) const { XGBoosterFree(handle); }
};
using Matrix = std::unique_ptr<void, FreeMatrix>;
using Booster = std::unique_ptr<void, FreeBooster>;

std::string array_interface(std::span<const float> values, std::int64_t columns) {
  return fmt::format(R"({{"data":[{},true],"shape":[{},{}],"typestr":"<f4","version":3}})",
                     reinterpret_cast<std::uintptr_t>(values.data()),
                     values.size() / static_cast<std::size_t>(columns), columns);
}

Result<Matrix> make_matrix(std::span<const float> values, std::int64_t columns) {
  DMatrixHandle handle = nullptr;
  TRY_VOID(check(XGDMatrixCreateFromDense(array_interface(values, columns).c_str(),
                                          R"({"missing":NaN,"nthread":1})", &handle),
                 "take the features"));
  return Matrix(handle);
}

Result<void> set_options(BoosterHandle booster,
                         std::initializer_list<std::pair<const char*, std::string>> options) {
  for (const auto& [key, value] : options)
    TRY_VOID(check(XGBoosterSetParam(booster, key, value.c_str()), "take its options"));
  return {};
}

/// Raw scores, or with `contributions` what each column adds to them.
Result<std::span<const float>> predict(BoosterHandle booster, DMatrixHandle matrix,
                                       bool contributions, bool training) {
  const std::string how = fmt::format(
      R"({{"type":{},"training":{},"iteration_begin":0,"iteration_end":0,"strict_shape":true}})",
      contributions ? 2 : 1, training);
  bst_ulong const* shape = nullptr;
  bst_ulong dimensions = 0;
  float const* values = nullptr;
  TRY_VOID(
      check(XGBoosterPredictFromDMatrix(booster, matrix, how.c_str(), &shape, &dimensions, &values),
            "score"));
  std::size_t count = 1;
  for (bst_ulong d = 0; d < dimensions; ++d) count *= shape[d];
  return std::span(values, count);
}

class XgboostRanker final : public Ranker {
 public:
  /// Errors: kCorrupt when `bytes` are no model of so many columns.
  static Result<std::unique_ptr<Ranker>> create(std::string bytes, std::int64_t columns) {
    const auto corrupt = [](const Error& error) {
      return fail(ErrorCode::kCorrupt, error.message);
    };
    BoosterHandle handle = nullptr;
    TRY_VOID(check(XGBoosterCreate(nullptr, 0, &handle), "begin"));
    Booster booster(handle);
    if (const auto loaded = check(XGBoosterLoadModelFromBuffer(handle, bytes.data(), bytes.size()),
                                  "read its model");
        !loaded)
      return corrupt(loaded.error());
    bst_ulong expected = 0;
    TRY_VOID(check(XGBoosterGetNumFeature(handle, &expected), "count its columns"));
    if (expected != static_cast<bst_ulong>(columns))
      return fail(ErrorCode::kCorrupt,
                  fmt::format("the trees read {} columns instead of {}", expected, columns));
    TRY_VOID(set_options(handle, {{"nthread", "1"}, {"verbosity", "0"}}));
    auto ranker = std::make_unique<XgboostRanker>(std::move(booster), std::move(bytes), columns);
    // XGBoost sets itself up at the first call; after that, scoring changes nothing in it.
    const std::vector<float> row(static_cast<std::size_t>(columns));
    float score = 0;
    if (const auto scored = ranker->score(row, {&score, 1}); !scored)
      return corrupt(scored.error());
    return ranker;
  }

  XgboostRanker(Booster booster, std::string bytes, std::int64_t columns)
      : Ranker(columns), booster_(std::move(booster)), bytes_(std::move(bytes)) {}

  std::string_view kind() const override { return "xgboost"; }

 private:
  Result<void> do_score(std::span<const float> rows, std::span<float> scores) const override {
    bst_ulong const* shape = nullptr;
    bst_ulong dimensions = 0;
    float const* values = nullptr;
    TRY_VOID(
        check(XGBoosterPredictFromDense(booster_.get(), array_interface(rows, columns()).c_str(),
                                        R"({"type":1,"training":false,"iteration_begin":0,)"
                                        R"("iteration_end":0,"strict_shape":true,"missing":NaN,)"
                                        R"("cache_id":0})",
                                        nullptr, &shape, &dimensions, &values),
              "score"));
    std::copy_n(values, scores.size(), scores.data());
    return {};
  }

  Result<void> do_contributions(std::span<const float> rows,
                                std::span<float> contributions) const override {
    TRY(const Matrix matrix, make_matrix(rows, columns()));
    // It remembers what it has predicted of a matrix.
    const std::scoped_lock lock(mutex_);
    TRY(const auto values, predict(booster_.get(), matrix.get(), true, false));
    std::copy_n(values.data(), contributions.size(), contributions.data());
    return {};
  }

  void do_save(base::SafetensorsWriter& writer) const override {
    writer.add_bytes(kTensor, "U8", {static_cast<std::int64_t>(bytes_.size())}, bytes_);
  }

  Booster booster_;
  std::string bytes_;
  mutable std::mutex mutex_;
};

class XgboostTrainer final : public RankerTrainer {
 public:
  static Result<std::unique_ptr<RankerTrainer>> create(const RankingLists& learned,
                                                       const RankingLists& measured,
                                                       const TreeOptions& options,
                                                       std::uint64_t seed) {
    auto trainer = std::make_unique<XgboostTrainer>(learned, options.objective == "ndcg");
    TRY_VOID(trainer->take(measured));
    TRY_VOID(trainer->begin(options, seed));
    return trainer;
  }

  XgboostTrainer(const RankingLists& learned, bool by_ndcg) : by_ndcg_(by_ndcg) {
    std::vector<std::size_t> taught;
    for (std::size_t list = 0; list < learned.size(); ++list)
      if (learned.targets[list] >= 0) taught.push_back(list);
    lists_ = learned.subset(taught);
  }

  Result<void> advance() override {
    ++round_;
    if (by_ndcg_)
      return check(XGBoosterUpdateOneIter(booster_.get(), round_, learned_.get()), "grow a tree");
    // What XGBoost remembers of its predictions, each thread has to itself: they are brought up to
    // date here, by the thread that grows the next tree.
    TRY(const auto scores, predict(booster_.get(), learned_.get(), false, true));
    // d/ds of -log softmax: p - [target]; second derivatives of it alone, as trees take them.
    gradient_.assign(scores.begin(), scores.end());
    second_.resize(gradient_.size());
    for (std::size_t list = 0; list < lists_.size(); ++list) {
      const auto begin = static_cast<std::size_t>(lists_.offsets[list]);
      const auto target = static_cast<std::size_t>(lists_.targets[list]);
      const auto own =
          std::span(gradient_).subspan(begin, static_cast<std::size_t>(lists_.candidates(list)));
      softmax(own, target);
      for (std::size_t i = 0; i < own.size(); ++i)
        second_[begin + i] = std::max(1e-12f, own[i] * (1 - own[i]));
      own[target] -= 1;
    }
    return check(XGBoosterBoostOneIter(booster_.get(), learned_.get(), gradient_.data(),
                                       second_.data(), gradient_.size()),
                 "grow a tree");
  }

  Result<void> score_measured(std::span<float> scores) override {
    if (scores.empty()) return {};
    TRY(const auto values, predict(booster_.get(), measured_.get(), false, false));
    std::copy_n(values.data(), scores.size(), scores.data());
    return {};
  }

  Result<std::unique_ptr<Ranker>> ranker() const override {
    bst_ulong length = 0;
    char const* bytes = nullptr;
    TRY_VOID(
        check(XGBoosterSaveModelToBuffer(booster_.get(), R"({"format":"ubj"})", &length, &bytes),
              "write its model"));
    return XgboostRanker::create(std::string(bytes, length), lists_.columns);
  }

 private:
  Result<void> take(const RankingLists& measured) {
    TRY(learned_, make_matrix(lists_.values, lists_.columns));
    std::vector<float> labels(static_cast<std::size_t>(lists_.candidates()));
    std::vector<unsigned> groups;
    for (std::size_t list = 0; list < lists_.size(); ++list) {
      labels[static_cast<std::size_t>(lists_.offsets[list] + lists_.targets[list])] = 1;
      groups.push_back(static_cast<unsigned>(lists_.candidates(list)));
    }
    TRY_VOID(check(XGDMatrixSetFloatInfo(learned_.get(), "label", labels.data(), labels.size()),
                   "take the labels"));
    TRY_VOID(check(XGDMatrixSetUIntInfo(learned_.get(), "group", groups.data(), groups.size()),
                   "take the users"));
    if (measured.candidates() == 0) return {};
    TRY(measured_, make_matrix(measured.values, measured.columns));
    return {};
  }

  Result<void> begin(const TreeOptions& options, std::uint64_t seed) {
    std::vector<DMatrixHandle> known = {learned_.get()};
    if (measured_) known.push_back(measured_.get());
    BoosterHandle handle = nullptr;
    TRY_VOID(check(XGBoosterCreate(known.data(), known.size(), &handle), "begin"));
    booster_.reset(handle);
    return set_options(handle, {{"booster", "gbtree"},
                                {"tree_method", "hist"},
                                {"objective", "rank:ndcg"},
                                {"base_score", "0"},
                                // It would look for this in what the thread that made it knows.
                                {"num_feature", fmt::format("{}", lists_.columns)},
                                {"nthread", "1"},
                                {"verbosity", "0"},
                                {"seed", fmt::format("{}", seed % 0x7fffffff)},
                                // Its lots are a thread's own otherwise, and ours change.
                                {"seed_per_iteration", "1"},
                                {"max_depth", fmt::format("{}", options.depth)},
                                {"eta", fmt::format("{}", options.shrinkage)},
                                {"min_child_weight", fmt::format("{}", options.min_weight)},
                                {"subsample", fmt::format("{}", options.rows_share)},
                                {"colsample_bytree", fmt::format("{}", options.columns_share)},
                                {"lambda", fmt::format("{}", options.l2)}});
  }

  const bool by_ndcg_;
  RankingLists lists_;  // those with their target
  Matrix learned_, measured_;
  Booster booster_;
  int round_ = 0;
  std::vector<float> gradient_, second_;
};

}  // namespace

Result<std::unique_ptr<RankerTrainer>> train_xgboost(const RankingLists& learned,
                                                     const RankingLists& measured,
                                                     const RankerOptions& options,
                                                     std::uint64_t seed) {
  return XgboostTrainer::create(learned, measured, options.trees, seed);
}

Result<std::unique_ptr<Ranker>> load_xgboost(const base::Safetensors& file, std::int64_t columns) {
  TRY(std::string bytes, file.read_text(kTensor));
  return XgboostRanker::create(std::move(bytes), columns);
}

}  // namespace rapport::palr
