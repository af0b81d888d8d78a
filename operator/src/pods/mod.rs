//! What a Job and its pods say about an attempt.
