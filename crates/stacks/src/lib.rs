//! What CloudFormation's templates mean, with the SAM transform: a text is read ([`document`]), transformed ([`sam`]), checked
//! ([`Template`]), evaluated ([`Evaluator`]) and planned ([`Plan`]).
//!
//! Everything here is a function of its arguments. Who calls brings the parameters ([`Values`]), the surroundings
//! ([`Pseudo`]) and what is known of resources ([`Lookup`]), fetches what must be fetched, and does what the plan says.
//! Start with [`document::read`] and follow the order above.
//!
//! Invariants: nothing here does I/O, waits or reads a clock; whatever text comes in, work and memory are bounded by
//! [`limits`], and nothing panics; errors are in CloudFormation's words where these are known.
//!
//! Not here: how any type of resource is made or updated, where stacks are kept, and what their operations are called.

mod check;
pub mod document;
mod error;
mod evaluate;
mod graph;
pub mod limits;
pub mod openapi;
mod plan;
mod references;
pub mod sam;
mod template;
mod values;

pub use error::{Error, Kind};
pub use evaluate::{Answer, Evaluator, Lookup, Properties, Told};
pub use plan::{
    Action, Change, Difference, Existing, Plan, Progress, Replacement, Step, Task, is_supported,
};
pub use template::{
    Capabilities, DeletionPolicy, LANGUAGE_EXTENSIONS, Output, Parameter, ParameterType, Resource,
    Rule, SERVERLESS, Template, parameters, transforms,
};
pub use values::{Pseudo, Values, check_rules};
