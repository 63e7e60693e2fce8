// SPDX-License-Identifier: Apache-2.0
#include "bench/samples.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace millrace::bench {

double Quantile(std::vector<double> values, double part) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const auto index = static_cast<std::size_t>(static_cast<double>(values.size()) * part);
  return values[std::min(index, values.size() - 1)];
}

double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

std::vector<double> Report::Series(const std::string& series) const {
  const auto found = samples_.find(series);
  return found == samples_.end() ? std::vector<double>() : found->second;
}

std::string Report::Json() const {
  nlohmann::ordered_json figures = nlohmann::ordered_json::object();
  nlohmann::ordered_json samples = nlohmann::ordered_json::object();
  for (const auto& [name, values] : samples_) {
    figures[name] = Median(values);
    samples[name] = values;
  }
  nlohmann::ordered_json json = {
      {"case", case_}, {"parameters", parameters_}, {"figures", figures}, {"samples", samples}};
  for (const auto& [name, points] : curves_) json["curves"][name] = points;
  return json.dump(2);
}

}  // namespace millrace::bench
