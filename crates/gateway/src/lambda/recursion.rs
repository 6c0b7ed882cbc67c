//! Operations on what happens to a function's invocations in a loop.

use kiln_types::RecursiveLoop;

pub(crate) mod get_function_recursion_config;
pub(crate) mod put_function_recursion_config;

/// The API's name.
fn name(of: RecursiveLoop) -> String {
    match of {
        RecursiveLoop::Allow => "Allow",
        RecursiveLoop::Terminate => "Terminate",
    }
    .to_owned()
}
