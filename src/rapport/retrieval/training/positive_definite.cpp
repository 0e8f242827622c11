#include "rapport/retrieval/training/positive_definite.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cassert>
#include <vector>

namespace rapport::retrieval {
namespace {

/// Large enough that a product of tiles runs at the processor's speed, small enough that the last
/// tiles still keep all cores busy.
constexpr std::int64_t kTile = 512;
/// Columns of X that are solved for together.
constexpr std::int64_t kColumns = 256;

/// OpenBLAS on one thread while it lives: tiles are spread over the cores already, and libtorch's
/// own setting does not reach an OpenBLAS with threads of its own. Without OpenBLAS it does
/// nothing.
class OneThreadEach {
 public:
  OneThreadEach() {
    at::set_num_threads(1);
    auto* const get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
    set_ = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
    if (get == nullptr || set_ == nullptr) return;
    before_ = get();
    set_(1);
  }
  ~OneThreadEach() {
    if (before_ > 0) set_(before_);
  }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  void (*set_)(int) = nullptr;
  int before_ = 0;
};

class Solver {
 public:
  Solver(std::span<float> a, std::span<float> c, std::int64_t n, TrainingThreads& threads,
         const Solving& solving)
      : a_(a.data()),
        c_(c.data()),
        n_(n),
        columns_(static_cast<std::int64_t>(c.size()) / n),
        tiles_((n + kTile - 1) / kTile),
        threads_(threads),
        solving_(solving) {}

  /// A becomes its Cholesky factor, but for the tiles of the diagonal: their inverses are kept.
  Result<void> factorise() {
    for (std::int64_t k = 0; k < tiles_; ++k) {
      const auto [factor, fault] = at::linalg_cholesky_ex(of_a(k, k));
      if (fault.item<int>() != 0)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("the matrix of {} × {} items is singular in single precision: "
                                "raise lambda",
                                n_, n_),
                    "lambda");
      inverses_.push_back(at::linalg_solve_triangular(factor, at::eye(factor.size(0), at::kFloat),
                                                      /*upper=*/false));
      const std::int64_t below = tiles_ - k - 1;
      threads_.each(below, [&](std::int64_t i) {
        const at::Tensor tile = of_a(k + 1 + i, k);
        tile.copy_(at::mm(tile, inverses_.back().t()));
      });
      threads_.each(below * (below + 1) / 2, [&](std::int64_t task) {
        std::int64_t row = 0;  // the task's place in the lower half, row by row
        while ((row + 1) * (row + 2) / 2 <= task) ++row;
        const std::int64_t i = k + 1 + row, j = k + 1 + task - row * (row + 1) / 2;
        of_a(i, j).addmm_(of_a(i, k), of_a(j, k).t(), 1, -1);
      });
      // A share of the third of n³ that is left shrinks with the cube of what is left.
      const double left = static_cast<double>(below) / static_cast<double>(tiles_);
      TRY_VOID(step(kFactorShare * (1 - left * left * left)));
    }
    return {};
  }

  /// C becomes L⁻ᵀ·(L⁻¹·C), block by block of its columns.
  Result<void> substitute() {
    return threads_.over_in_rounds(
        columns_, kColumns, step_within(solving_.step, kFactorShare, 1),
        [&](std::int64_t begin, std::int64_t end) { substitute(begin, end - begin); });
  }

 private:
  static constexpr double kFactorShare = 1.0 / 7;  // of n³/3 + 2n³ operations

  Result<void> step(double done) const {
    return solving_.step ? solving_.step(done) : Result<void>{};
  }

  static at::Tensor view(float* data, std::int64_t stride, std::int64_t row, std::int64_t rows,
                         std::int64_t column, std::int64_t columns) {
    return at::from_blob(data + row * stride + column, {rows, columns}, {stride, 1}, at::kFloat);
  }
  std::int64_t begin(std::int64_t tile) const { return std::min(n_, tile * kTile); }
  /// Tiles [i, i_end) × [j, j_end) of A.
  at::Tensor of_a(std::int64_t i, std::int64_t i_end, std::int64_t j, std::int64_t j_end) const {
    return view(a_, n_, begin(i), begin(i_end) - begin(i), begin(j), begin(j_end) - begin(j));
  }
  at::Tensor of_a(std::int64_t i, std::int64_t j) const { return of_a(i, i + 1, j, j + 1); }

  void substitute(std::int64_t column, std::int64_t columns) const {
    const auto rows_of_c = [&](std::int64_t tile, std::int64_t end) {
      return view(c_, columns_, begin(tile), begin(end) - begin(tile), column, columns);
    };
    // The identity's columns are zero above the block, and so is what they become.
    const std::int64_t first = solving_.invert ? column / kTile : 0;
    for (std::int64_t k = first; k < tiles_; ++k) {
      at::Tensor own = rows_of_c(k, k + 1);
      if (k > first) own.addmm_(of_a(k, k + 1, first, k), rows_of_c(first, k), 1, -1);
      own.copy_(at::mm(inverses_[static_cast<std::size_t>(k)], own));
    }
    for (std::int64_t k = tiles_ - 1; k >= 0; --k) {
      at::Tensor own = rows_of_c(k, k + 1);
      if (k + 1 < tiles_)
        own.addmm_(of_a(k + 1, tiles_, k, k + 1).t(), rows_of_c(k + 1, tiles_), 1, -1);
      own.copy_(at::mm(inverses_[static_cast<std::size_t>(k)].t(), own));
    }
  }

  float* a_;
  float* c_;
  std::int64_t n_, columns_, tiles_;
  TrainingThreads& threads_;
  const Solving& solving_;
  std::vector<at::Tensor> inverses_;  // of the factor's tiles on the diagonal
};

}  // namespace

Result<void> solve_positive_definite(std::span<float> a, std::span<float> c, std::int64_t n,
                                     TrainingThreads& threads, const Solving& solving) {
  assert(a.size() == static_cast<std::size_t>(n * n));
  assert(n > 0 && c.size() % static_cast<std::size_t>(n) == 0);
  const OneThreadEach one_thread_each;
  if (solving.invert) {
    assert(c.size() == a.size());
    std::ranges::fill(c, 0.0f);
    for (std::int64_t i = 0; i < n; ++i) c[static_cast<std::size_t>(i * (n + 1))] = 1;
  }
  Solver solver(a, c, n, threads, solving);
  TRY_VOID(solver.factorise());
  return solver.substitute();
}

}  // namespace rapport::retrieval
