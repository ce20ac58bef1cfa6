/* near: comparison of numbers with a tolerance. */
#ifndef POSLAB_TESTS_NEAR_H
#define POSLAB_TESTS_NEAR_H

/* Fails the running test if the numbers differ by more than the tolerance, or one is NaN. */
void near(double got, double expected, double tolerance);

/* The same with the tolerance `tolerance` (1 + |expected|). */
void near_relative(double got, double expected, double tolerance);

#endif
