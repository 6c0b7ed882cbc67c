//! What Kiln is compared with, measured in the same run.

pub(crate) mod awslambdaric;
pub(crate) mod hyper;
pub(crate) mod import_boto3;
mod process;
pub(crate) mod program;

pub(crate) use process::Process;
