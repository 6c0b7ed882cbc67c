//! Operations on functions, and what they share.

pub(crate) mod create_function;
pub(crate) mod delete_function;
pub(crate) mod get_function;
pub(crate) mod get_function_configuration;
pub(crate) mod list_functions;
pub(crate) mod update_function_code;
pub(crate) mod update_function_configuration;

pub(crate) mod change;
pub(crate) mod configuration;
mod dead_letter;
mod environment;
mod file_system;
mod image;
mod logging;
pub(crate) mod memory;
pub(crate) mod package;
pub(crate) mod prepare;
mod role;
mod runtime;
mod settings;
mod snap_start;
mod stored;
pub(crate) mod tenancy;
mod wasm;
