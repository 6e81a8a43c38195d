//! Rate, arrival shape, bound and pacer: when the n-th reading is intended.
