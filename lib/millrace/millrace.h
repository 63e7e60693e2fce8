// SPDX-License-Identifier: Apache-2.0
// Everything that people write pipelines with, in one include.
#pragma once

#include "millrace/api/api.h"
#include "millrace/host/main.h"
