// SPDX-License-Identifier: Apache-2.0
// expect: this module takes another that is not in the pipeline
Pipeline Make() {
#ifdef MISTAKE
  return Pipeline{Build{}};
#else
  return Pipeline{Restore{}, Build{}};
#endif
}
