// SPDX-License-Identifier: Apache-2.0
// Messages, records and views as one line of text, for transcripts and failing tests. Fields that have their default
// value are left out, so that a line says what is special about it.
#pragma once

#include <string>

#include "millrace/model/message.h"
#include "millrace/model/record.h"
#include "millrace/model/slot.h"

namespace millrace::testing {

std::string Print(const Message& message);
std::string Print(const Record& record);
std::string Print(const SlotMessage& message);
std::string Print(const RunView& view);
std::string Print(const TaskView& view);
std::string Print(const WorkerView& view);
std::string Print(const BrokerView& view);
std::string Print(const Payload& payload);

}  // namespace millrace::testing
