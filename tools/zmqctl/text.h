// SPDX-License-Identifier: Apache-2.0
// Answers as text for people, and the few JSON forms that only zmqctl prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "millrace/host/console.h"
#include "millrace/model/message.h"

namespace millrace::zmqctl {

std::string BrokerText(const BrokerView& broker, const host::Console& console);
// "linux x86_64; cmake 3.25.1, g++ 12.2.0; tags gpu"
std::string OfferText(const Offer& offer);
// Grouped: the task's name stands above its lines whenever another task printed before.
std::string LogText(const LogLine& line, std::string& last_task, const host::Console& console);
std::string LogLineJson(const LogLine& line);
std::string LinesJson(const std::vector<std::string>& lines);
std::int64_t UnixMsNow();

}  // namespace millrace::zmqctl
