//! What events mean: which of them a pattern wants, what a target is sent, when a schedule is due.
//!
//! Everything here is a function of its arguments: no files, no network, no tasks, no clock. Whoever
//! calls brings the time. Start reading at [`pattern`], the language that EventBridge rules, event
//! source mappings ([`filter`]) and SNS subscriptions ([`filter_policy`]) share; then [`transform`],
//! [`schedule`], [`envelope`], [`notification`], [`posted`] and [`delivery_policy`].
//!
//! Invariants: whatever text comes in, parsing and evaluation end after a bounded amount of work; a value
//! that parsed cannot fail later.

pub mod delivery_policy;
pub mod envelope;
pub mod filter;
pub mod filter_policy;
pub mod notification;
pub mod pattern;
pub mod posted;
pub mod schedule;
pub mod transform;
