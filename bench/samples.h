// SPDX-License-Identifier: Apache-2.0
// What a case has measured: series with one value for each round, medians of which are its figures, as JSON.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace millrace::bench {

// The value at this part of the sorted ones; NaN (null in JSON) counts for nothing, and is what there is of no values.
double Quantile(std::vector<double> values, double part);
double Median(std::vector<double> values);

// The name of a series ends in its unit (_per_second, _us, _ms, _seconds, _bytes, _ratio), by which whoever compares
// two reports knows which way is better.
class Report {
 public:
  explicit Report(std::string name) : case_(std::move(name)) {}

  void Parameter(const std::string& name, nlohmann::ordered_json value) { parameters_[name] = std::move(value); }
  void Add(const std::string& series, double value) { samples_[series].push_back(value); }
  // A point of a curve, for the page only.
  void Point(const std::string& curve, double x, double y) { curves_[curve].emplace_back(x, y); }
  std::vector<double> Series(const std::string& series) const;

  std::string Json() const;

 private:
  std::string case_;
  nlohmann::ordered_json parameters_ = nlohmann::ordered_json::object();
  std::map<std::string, std::vector<double>> samples_;
  std::map<std::string, std::vector<std::pair<double, double>>> curves_;
};

}  // namespace millrace::bench
