#include "rapport/retrieval/training_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace rapport::retrieval {
namespace {

constexpr double kWidth = 720, kHeight = 360;
constexpr double kLeft = 64, kRight = 64, kTop = 40, kBottom = 44;
constexpr const char* kLossColour = "#8a6d3b";
constexpr const char* kValidationColour = "#1f6feb";

struct Point {
  double epoch, value;
};

/// From a value of the data to a place on the picture.
struct Axis {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

Axis axis(const std::vector<Point>& points, double from, double to) {
  if (points.empty()) return {0, 1, from, to};
  const auto [low, high] = std::ranges::minmax(points, {}, &Point::value);
  const double margin = std::max(1e-9, 0.05 * (high.value - low.value));
  return {low.value - margin, high.value + margin, from, to};
}

std::string line(const std::vector<Point>& points, const Axis& x, const Axis& y,
                 const char* colour) {
  std::string path;
  for (const Point& point : points)
    path +=
        fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.epoch), y(point.value));
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path,
                     colour);
}

std::string ticks(const Axis& y, double at, const char* anchor, const char* colour) {
  std::string marks;
  for (int i = 0; i <= 4; ++i) {
    const double value = y.low + (y.high - y.low) * i / 4;
    marks += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" fill=\"{}\">{:.4g}</text>\n", at,
        y(value) + 4, anchor, colour, value);
  }
  return marks;
}

}  // namespace

std::string training_curves(const Json& curve) {
  std::vector<Point> loss, validation;
  for (const Json& entry : curve) {
    const auto epoch = entry.value("epoch", 0.0);
    loss.push_back({epoch, entry.value("loss", 0.0)});
    if (entry.contains("validation_ndcg@10"))
      validation.push_back({epoch, entry["validation_ndcg@10"].get<double>()});
  }
  const double last = loss.empty() ? 1 : std::max(2.0, loss.back().epoch);
  const Axis x{1, last, kLeft, kWidth - kRight};
  const Axis loss_axis = axis(loss, kHeight - kBottom, kTop);
  const Axis validation_axis = axis(validation, kHeight - kBottom, kTop);

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"22\" fill=\"{3}\">training loss</text>\n"
      "<text x=\"{4}\" y=\"22\" text-anchor=\"end\" fill=\"{5}\">validation NDCG@10</text>\n",
      kWidth, kHeight, kLeft, kLossColour, kWidth - kRight, kValidationColour);
  svg += fmt::format(
      "<path d=\"M{0} {1} V{2} H{3} V{1}\" fill=\"none\" stroke=\"#ccc\"/>\n"
      "<text x=\"{0}\" y=\"{4}\">epoch 1</text>\n"
      "<text x=\"{3}\" y=\"{4}\" text-anchor=\"end\">{5:.0f}</text>\n",
      kLeft, kTop, kHeight - kBottom, kWidth - kRight, kHeight - kBottom + 18, last);
  svg += ticks(loss_axis, kLeft - 6, "end", kLossColour);
  svg += line(loss, x, loss_axis, kLossColour);
  if (!validation.empty()) {
    svg += ticks(validation_axis, kWidth - kRight + 6, "start", kValidationColour);
    svg += line(validation, x, validation_axis, kValidationColour);
    const Point best = *std::ranges::max_element(validation, {}, &Point::value);
    svg += fmt::format(
        "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"4\" fill=\"{2}\"/>\n"
        "<text x=\"{3}\" y=\"{4}\" text-anchor=\"middle\" fill=\"{2}\">best {5:.4f} at epoch "
        "{6:.0f}</text>\n",
        x(best.epoch), validation_axis(best.value), kValidationColour, kWidth / 2, kHeight - 8,
        best.value, best.epoch);
  }
  return svg + "</svg>\n";
}

}  // namespace rapport::retrieval
