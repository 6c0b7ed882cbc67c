//! The flags that every verb takes.

use std::path::PathBuf;

/// Which server to ask, and how to show the answer.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Globals {
    /// The server's address [env: AWS_ENDPOINT_URL, KILN_ENDPOINT] [default: http://127.0.0.1:4566]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub endpoint_url: Option<String>,
    /// The region in signatures and ARNs [env: AWS_REGION, AWS_DEFAULT_REGION] [default: us-east-1]
    #[arg(
        long,
        global = true,
        value_name = "REGION",
        help_heading = "Global options"
    )]
    pub region: Option<String>,
    /// How to print results
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub output: Format,
    /// Take address, region and keys from the file a server wrote when it was ready; wins over the
    /// environment
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub ready_file: Option<PathBuf>,
    /// A PEM file of the authorities that a server with TLS may have its certificate from, instead of
    /// this machine's [env: AWS_CA_BUNDLE]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub ca_bundle: Option<PathBuf>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}
