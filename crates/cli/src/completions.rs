//! `kiln completions`: the script that completes Kiln's words in a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::Shell;

use crate::output;

const AFTER_HELP: &str = "\
Examples:
  kiln completions bash > /etc/bash_completion.d/kiln
  kiln completions zsh > \"${fpath[1]}/_kiln\"
  kiln completions fish > ~/.config/fish/completions/kiln.fish";

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Supported,
}

/// Shells a script can be made for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<ExitCode> {
    output::print_bytes(&script(args.shell, &mut command))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Supported, command: &mut clap::Command) -> Vec<u8> {
    let shell = match shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "kiln", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;

    #[test]
    fn every_shell_learns_the_verbs() {
        let mut command = crate::Verb::augment_subcommands(clap::Command::new("kiln"));
        for shell in [Supported::Bash, Supported::Zsh, Supported::Fish] {
            let script = String::from_utf8(script(shell, &mut command)).unwrap();
            for verb in ["deploy", "invoke", "logs", "describe", "usage"] {
                assert!(script.contains(verb), "{shell:?} does not know {verb}");
            }
        }
    }
}
