// SPDX-License-Identifier: Apache-2.0
// Everything that people write modules with, in one include; millrace/millrace.h adds the programs' Main.
#pragma once

#include "millrace/api/command.h"
#include "millrace/api/context.h"
#include "millrace/api/dependency.h"
#include "millrace/api/failure_status.h"
#include "millrace/api/module.h"
#include "millrace/api/pipeline.h"
#include "millrace/api/registry.h"
#include "millrace/api/value.h"
#include "millrace/base/bytes.h"
#include "millrace/base/status.h"
#include "millrace/base/time.h"
#include "millrace/model/policy.h"
#include "millrace/model/requirements.h"
