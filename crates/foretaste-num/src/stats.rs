//! Tests and what holds when there are many of them.
//!
//! Everything here is a pure function of numbers. A p-value that cannot be computed, because a parameter is out
//! of range or not a number, is `f64::NAN` for single tests; the procedures for many p-values treat NaN as 1, that
//! is as no evidence.

mod draws;
mod many;
mod samples;
mod special;
mod tails;

pub use draws::monte_carlo;
pub use many::{
    adjust_bh, adjust_by, cauchy_combination, reject_bh, reject_by, simes, storey_pi0, true_discoveries,
};
pub(crate) use samples::usual;
pub use samples::{KsTest, auc, g_test, ks_two_sample, mad, median, median_in_place, moments};
pub use special::{
    beta_inc, chi2_sf, gamma_p, gamma_q, ln_choose, ln_gamma, normal_cdf, normal_quantile, normal_sf,
    student_sf,
};
pub use tails::{
    Tail, binomial_sf, fisher_exact, hypergeometric_sf, poisson_binomial_sf, poisson_sf, wilson_interval,
};

#[cfg(test)]
mod tests;
