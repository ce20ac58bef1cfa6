/* near: a number is another one, but for a tolerance. */
#ifndef POSLAB_TESTS_NEAR_H
#define POSLAB_TESTS_NEAR_H

/* Fails the running test if they are further apart, or one is no number. */
void near(double got, double expected, double tolerance);

/* Likewise, with a tolerance of `tolerance` (1 + |expected|). */
void near_relative(double got, double expected, double tolerance);

#endif
