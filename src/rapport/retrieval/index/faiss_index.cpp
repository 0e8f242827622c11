// What librapport_item_index.so offers to the program that opens it: faiss's inverted lists over
// item vectors.
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/utils/Heap.h>
#include <faiss/utils/distances.h>
#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "rapport/base/in_parallel.h"
#include "rapport/retrieval/item_index.h"
#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

using Id = faiss::Index::idx_t;

// Of the items that the bytes put first, so many for each that is asked for are scored exactly:
// the bytes' own order is right but for near neighbours.
constexpr std::int64_t kScoredAgain = 2;
constexpr int kClusteringRounds = 10;
// Vectors that a centre is made of; faiss's own limit of 256 takes four times as long for nothing
// that the recall would show.
constexpr int kVectorsOfCentre = 64;
constexpr double kLeastVectorsOfCentre = 39;  // below which faiss warns of too few

/// A vector taken from all of them changes no order of their products with a query; without it
/// they would lie about few centres, and long lists would be read: trained vectors share a
/// direction, popularity's.
std::vector<float> about_their_mean(const ItemVectors& vectors) {
  const auto width = static_cast<std::size_t>(vectors.width);
  const auto items = static_cast<std::size_t>(vectors.items);
  std::vector<double> mean(width);
  for (std::size_t i = 0; i < items * width; ++i)
    mean[i % width] += static_cast<double>(vectors.vectors[i]) / static_cast<double>(items);
  std::vector<float> centred(items * width);
  for (std::size_t i = 0; i < centred.size(); ++i)
    centred[i] = vectors.vectors[i] - static_cast<float>(mean[i % width]);
  return centred;
}

/// scores[i] = base + weights · bytes of i, for `n` items of `width` bytes.
RAPPORT_VECTORISED
void score_bytes(const std::uint8_t* bytes, std::size_t n, const float* weights, std::size_t width,
                 float base, float* scores) {
  for (std::size_t i = 0; i < n; ++i, bytes += width) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t k = 0; k < width; ++k) sum += weights[k] * static_cast<float>(bytes[k]);
    scores[i] = base + sum;
  }
}

/// Reads lists of bytes. A score is the query's with the list's centre, which comes as `coarse`,
/// plus Σ query_k (least_k + range_k (byte_k + ½) / 255), as faiss's QT_8bit makes bytes.
class ByteScanner final : public faiss::InvertedListScanner {
 public:
  ByteScanner(const faiss::ScalarQuantizer& bytes, bool pairs)
      : InvertedListScanner(pairs), bytes_(bytes), weights_(bytes.d) {
    code_size = bytes.code_size;
    keep_max = true;
  }

  void set_query(const float* query) override {
    const float *const least = bytes_.trained.data(), *const range = least + bytes_.d;
    base_ = 0;
    for (std::size_t k = 0; k < bytes_.d; ++k) {
      weights_[k] = query[k] * range[k] / 255;
      base_ += query[k] * least[k] + weights_[k] / 2;
    }
  }
  void set_list(Id list, float coarse) override {
    list_no = list;
    coarse_ = coarse;
  }
  float distance_to_code(const std::uint8_t* code) const override {
    float score = 0;
    score_bytes(code, 1, weights_.data(), bytes_.d, base_ + coarse_, &score);
    return score;
  }

  std::size_t scan_codes(std::size_t n, const std::uint8_t* codes, const Id* ids, float* best,
                         Id* found, std::size_t k) const override {
    constexpr std::size_t kAtOnce = 256;
    std::array<float, kAtOnce> scores;
    std::size_t updates = 0;
    for (std::size_t begin = 0; begin < n; begin += kAtOnce) {
      const std::size_t count = std::min(kAtOnce, n - begin);
      score_bytes(codes + begin * code_size, count, weights_.data(), bytes_.d, base_ + coarse_,
                  scores.data());
      for (std::size_t i = 0; i < count; ++i) {
        if (!(scores[i] > best[0])) continue;
        const Id id = store_pairs ? (list_no << 32 | static_cast<Id>(begin + i)) : ids[begin + i];
        faiss::minheap_replace_top(k, best, found, scores[i], id);
        ++updates;
      }
    }
    return updates;
  }

 private:
  const faiss::ScalarQuantizer& bytes_;
  std::vector<float> weights_;
  float base_ = 0, coarse_ = 0;
};

/// faiss decodes bytes one by one where it was built for the oldest processors, as Debian's is.
class ByteLists final : public faiss::IndexIVFScalarQuantizer {
 public:
  using IndexIVFScalarQuantizer::IndexIVFScalarQuantizer;

  faiss::InvertedListScanner* get_InvertedListScanner(
      bool pairs, const faiss::IDSelector* /*sel*/) const override {
    return new ByteScanner(sq, pairs);  // faiss takes it
  }
};

class FaissIndex final : public ItemIndex {
 public:
  FaissIndex(const ItemVectors& vectors, std::span<const float> queries,
             const ItemIndexOptions& options)
      : vectors_(vectors),
        nearest_(vectors.width),
        centres_(vectors.width),
        lists_(&nearest_, static_cast<std::size_t>(vectors.width), lists_of(vectors.items),
               faiss::ScalarQuantizer::QT_8bit, faiss::METRIC_INNER_PRODUCT) {
    lists_.cp.niter = kClusteringRounds;
    // faiss would put the centres of products at one length, where no vectors lie: 40 times as many
    // lists had to be read.
    lists_.cp.spherical = false;
    lists_.cp.max_points_per_centroid = kVectorsOfCentre;
    const std::vector<float> centred = about_their_mean(vectors);
    lists_.train(vectors.items, centred.data());
    lists_.add(vectors.items, centred.data());
    centres_.add(nearest_.ntotal, nearest_.get_xb());
    lists_.quantizer = &centres_;
    for (const std::int64_t items : options.depths)
      depths_.push_back(tuned(queries, std::min(items, vectors.items), options.recall));
  }

  void search(const float* query, std::int64_t k, std::vector<ScoredItem>& best) const override {
    omp_set_num_threads(1);  // one query is not worth waking others for
    const auto deep = std::ranges::find_if(depths_, [&](const Depth& d) { return d.items >= k; });
    search(query, k, deep == depths_.end() ? depths_.back().probes : deep->probes, best);
  }

  double recall() const override {
    double least = 1;
    for (const Depth& depth : depths_) least = std::min(least, depth.recall);
    return least;
  }

  std::int64_t bytes() const override {
    const auto items = static_cast<std::size_t>(vectors_.items);
    const auto width = static_cast<std::size_t>(vectors_.width);
    return static_cast<std::int64_t>(items * (lists_.code_size + sizeof(std::int64_t)) +
                                     lists_.nlist * width * sizeof(float));
  }

 private:
  static std::size_t lists_of(std::int64_t items) {
    const double root = 2 * std::sqrt(static_cast<double>(items));
    return static_cast<std::size_t>(
        std::clamp(root, 1.0, std::max(1.0, static_cast<double>(items) / kLeastVectorsOfCentre)));
  }

  void search(const float* query, std::int64_t k, std::size_t probes,
              std::vector<ScoredItem>& best) const {
    best.clear();
    if (k <= 0) return;
    const std::int64_t n = std::min(kScoredAgain * k, vectors_.items);
    std::vector<float> scores(static_cast<std::size_t>(n));
    std::vector<std::int64_t> found(static_cast<std::size_t>(n));
    faiss::SearchParametersIVF parameters;
    parameters.nprobe = probes;
    lists_.search(1, query, n, scores.data(), found.data(), &parameters);
    for (const std::int64_t item : found) {
      if (item < 0) continue;  // fewer in the lists that were read
      const float* const vector = vectors_.vectors + item * vectors_.width;
      const float score =
          faiss::fvec_inner_product(query, vector, static_cast<std::size_t>(vectors_.width));
      if (std::isfinite(score)) best.push_back({static_cast<data::ItemIndex>(item), score});
    }
    std::ranges::sort(best, [](const ScoredItem& a, const ScoredItem& b) {
      return a.score != b.score ? a.score > b.score : a.item < b.item;
    });
    if (best.size() > static_cast<std::size_t>(k)) best.resize(static_cast<std::size_t>(k));
  }

  struct Depth {
    std::int64_t items;  // that are asked for, at most
    std::size_t probes;  // lists that are read for them
    double recall;
  };

  /// More and more lists are read until the sample finds what it should.
  Depth tuned(std::span<const float> queries, std::int64_t items, double recall) const {
    const std::int64_t n = static_cast<std::int64_t>(queries.size()) / vectors_.width;
    std::vector<float> scores(static_cast<std::size_t>(n * items));
    std::vector<std::int64_t> exact(scores.size());
    faiss::float_minheap_array_t heaps{static_cast<std::size_t>(n), static_cast<std::size_t>(items),
                                       exact.data(), scores.data()};
    faiss::knn_inner_product(queries.data(), vectors_.vectors,
                             static_cast<std::size_t>(vectors_.width), static_cast<std::size_t>(n),
                             static_cast<std::size_t>(vectors_.items), &heaps);
    for (std::int64_t q = 0; q < n; ++q)
      std::sort(exact.begin() + q * items, exact.begin() + (q + 1) * items);
    Depth depth{.items = items, .probes = std::min<std::size_t>(4, lists_.nlist), .recall = 1};
    std::vector<ScoredItem> best;
    for (;; depth.probes = std::min(depth.probes + (depth.probes + 1) / 2, lists_.nlist)) {
      std::int64_t hits = 0;
      for (std::int64_t q = 0; q < n; ++q) {
        search(queries.data() + q * vectors_.width, items, depth.probes, best);
        const auto truth = std::span(exact).subspan(static_cast<std::size_t>(q * items),
                                                    static_cast<std::size_t>(items));
        hits += std::ranges::count_if(best, [&](const ScoredItem& scored) {
          return std::ranges::binary_search(truth, std::int64_t{scored.item});
        });
      }
      if (n * items > 0) depth.recall = static_cast<double>(hits) / static_cast<double>(n * items);
      if (depth.recall >= recall || depth.probes == lists_.nlist) return depth;
    }
  }

  ItemVectors vectors_;
  // A vector lies in the list of the nearest centre; read are those with the largest products.
  faiss::IndexFlatL2 nearest_;
  faiss::IndexFlatIP centres_;
  ByteLists lists_;
  std::vector<Depth> depths_;  // by their items
};

Result<std::unique_ptr<ItemIndex>> create(const ItemVectors& vectors,
                                          std::span<const float> queries,
                                          const ItemIndexOptions& options) {
  omp_set_num_threads(static_cast<int>(base::thread_count(options.threads)));
  try {
    return std::make_unique<FaissIndex>(vectors, queries, options);
  } catch (const std::exception& error) {  // faiss's, or no memory
    return fail(ErrorCode::kInternal,
                fmt::format("no index of {} items could be made: {}", vectors.items, error.what()));
  }
}

}  // namespace
}  // namespace rapport::retrieval

extern "C" {
extern const rapport::retrieval::ItemIndexLibrary rapport_item_index_library;
const rapport::retrieval::ItemIndexLibrary rapport_item_index_library{
    .build = rapport::retrieval::kItemIndexBuild, .create = &rapport::retrieval::create};
}
