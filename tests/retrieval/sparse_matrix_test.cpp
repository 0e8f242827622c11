#include "rapport/retrieval/sparse_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "testing/temporary_directory.h"

namespace rapport::retrieval {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Dense = std::vector<std::vector<float>>;

SparseMatrix sparse(const Dense& rows, std::int64_t columns) {
  SparseMatrix matrix{.columns = columns};
  for (const auto& row : rows) append_largest(row, columns, matrix);
  return matrix;
}

Dense dense(const SparseMatrix& matrix) {
  Dense rows(static_cast<std::size_t>(matrix.rows()),
             std::vector<float>(static_cast<std::size_t>(matrix.columns)));
  for (std::int64_t i = 0; i < matrix.rows(); ++i) {
    for (std::size_t k = 0; k < matrix.row_indices(i).size(); ++k)
      rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(matrix.row_indices(i)[k])] +=
          matrix.row_values(i)[k];
  }
  return rows;
}

RC_GTEST_PROP(SparseMatrixLaws, TransposingMovesEachEntryAndTwiceIsNothing, ()) {
  const auto columns = *rc::gen::inRange<std::size_t>(1, 7);
  const auto rows = *rc::gen::container<Dense>(rc::gen::container<std::vector<float>>(
      columns, rc::gen::map(rc::gen::inRange(-2, 3), [](int v) { return static_cast<float>(v); })));
  const SparseMatrix matrix = sparse(rows, static_cast<std::int64_t>(columns));
  RC_ASSERT(dense(matrix) == rows);
  const Dense transposed = dense(matrix.transposed());
  RC_ASSERT(transposed.size() == columns);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < columns; ++j) RC_ASSERT(transposed[j][i] == rows[i][j]);
  RC_ASSERT(dense(matrix.transposed().transposed()) == rows);
}

TEST(SparseMatrix, KeepsTheEntriesFarthestFromZeroAndNeverMore) {
  const std::vector<float> row = {0.5f, -3, 0, 2, -0.5f, 1};
  SparseMatrix matrix{.columns = 6};
  append_largest(row, 2, matrix);
  append_largest(row, 4, matrix);
  append_largest(row, 6, matrix);
  append_largest(row, 99, matrix);
  EXPECT_THAT(matrix.row_indices(0), ElementsAre(1, 3));
  EXPECT_THAT(matrix.row_values(0), ElementsAre(-3, 2));
  EXPECT_THAT(matrix.row_indices(1), AnyOf(ElementsAre(0, 1, 3, 5), ElementsAre(1, 3, 4, 5)));
  EXPECT_THAT(matrix.row_indices(2), ElementsAre(0, 1, 3, 4, 5)) << "zeros are not kept";
  EXPECT_THAT(matrix.row_indices(3), ElementsAre(0, 1, 3, 4, 5));
}

RC_GTEST_PROP(AppendLargest, KeepsTheLargestOfWhateverColumnsItIsTold, ()) {
  const auto row = *rc::gen::container<std::vector<float>>(
      20, rc::gen::map(rc::gen::inRange(-3, 4), [](int v) { return static_cast<float>(v); }));
  const auto most = *rc::gen::inRange<std::int64_t>(1, 25);
  std::vector<std::int32_t> columns;  // those that are not zero, in any order
  for (std::int32_t i = 19; i >= 0; --i)
    if (row[static_cast<std::size_t>(i)] != 0) columns.push_back(i);
  SparseMatrix matrix{.columns = 20};
  append_largest(row, most, matrix);
  append_largest(row, columns, most, matrix);
  const auto kept = matrix.row_indices(0);
  RC_ASSERT(std::ranges::equal(kept, matrix.row_indices(1)));
  RC_ASSERT(std::ranges::equal(matrix.row_values(0), matrix.row_values(1)));
  RC_ASSERT(static_cast<std::int64_t>(kept.size()) ==
            std::min(most, static_cast<std::int64_t>(columns.size())));
  RC_ASSERT(std::ranges::is_sorted(kept));
  float least = 99;
  for (const float value : matrix.row_values(0)) least = std::min(least, std::abs(value));
  for (const std::int32_t column : columns) {
    if (std::ranges::find(kept, column) == kept.end())
      RC_ASSERT(std::abs(row[static_cast<std::size_t>(column)]) <= least);
  }
}

/// Numbers follow the order in which the data name the items: nothing may follow from that.
TEST(AppendLargest, OfManyAlikeTakesNotThoseOfTheLowestNumbers) {
  const std::vector<float> row(1000, 2.0f);
  SparseMatrix matrix{.columns = 1000};
  append_largest(row, 100, matrix);
  ASSERT_EQ(matrix.indices.size(), 100u);
  double mean = 0;
  for (const std::int32_t column : matrix.indices) mean += column / 100.0;
  EXPECT_NEAR(mean, 500, 100);
  EXPECT_EQ(std::ranges::count(matrix.indices, 0), 0) << "a tenth of them has what the first has";
}

class SparseMatrixFile : public ::testing::Test {
 protected:
  Result<SparseMatrix> through_a_file(const SparseMatrix& matrix, std::int64_t rows,
                                      std::int64_t columns) {
    base::SafetensorsWriter writer;
    matrix.save(writer, "b");
    EXPECT_TRUE(writer.write(path_));
    return SparseMatrix::read(base::Safetensors::open(path_).value(), "b", rows, columns);
  }

  rapport::testing::TemporaryDirectory folder_;
  const std::filesystem::path path_ = folder_.path() / "weights.safetensors";
  const Dense rows_ = {{0, 1.5f, 0}, {0, 0, 0}, {-1, 0, 2}, {0, 0, 4}};
};

TEST_F(SparseMatrixFile, GivesBackWhatWasSaved) {
  const auto read = through_a_file(sparse(rows_, 3), 4, 3);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->columns, 3);
  EXPECT_EQ(dense(*read), rows_);
}

TEST_F(SparseMatrixFile, RefusesWhatWouldReadBeyondOrCannotBeRanked) {
  struct Case {
    const char* what;
    std::function<void(SparseMatrix&)> harm;
    const char* says;
  };
  for (const Case& c :
       {Case{"below", [](SparseMatrix& m) { m.indices[1] = -1; }, "row 2"},
        Case{"beyond", [](SparseMatrix& m) { m.indices[2] = 3; }, "row 2"},
        Case{"beyond, alone", [](SparseMatrix& m) { m.indices[0] = 3; }, "row 0"},
        Case{"twice", [](SparseMatrix& m) { m.indices[1] = 2; }, "row 2"},
        Case{"falling", [](SparseMatrix& m) { std::swap(m.indices[1], m.indices[2]); }, "row 2"},
        Case{"not a number",
             [](SparseMatrix& m) { m.values[3] = std::numeric_limits<float>::quiet_NaN(); },
             "b.values holds a number that is none"},
        Case{"infinite",
             [](SparseMatrix& m) { m.values[0] = std::numeric_limits<float>::infinity(); },
             "b.values holds a number that is none"},
        Case{"a longer row",
             [](SparseMatrix& m) {
               m.offsets = {0, 4, 4, 4, 4};
             },
             "4 entries in a row of 3"},
        Case{"a negative row",
             [](SparseMatrix& m) {
               m.offsets = {0, 2, 1, 3, 4};
             },
             "-1 entries"},
        Case{"fewer entries",
             [](SparseMatrix& m) {
               m.offsets = {0, 1, 1, 3, 3};
             },
             "b.columns"},
        Case{"another number of rows", [](SparseMatrix& m) { m.end_row(); }, "b.row_sizes"}}) {
    SparseMatrix matrix = sparse(rows_, 3);
    c.harm(matrix);
    const auto read = through_a_file(matrix, 4, 3);
    ASSERT_FALSE(read) << c.what;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt) << c.what;
    EXPECT_THAT(read.error().message, HasSubstr(c.says)) << c.what;
  }
}

}  // namespace
}  // namespace rapport::retrieval
