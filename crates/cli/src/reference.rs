//! Renders `docs/reference/cli.md` from the declarations of the verbs and compares the two.

use clap::{Args, Command, Subcommand};

use crate::{Globals, Verb};

const HEAD: &str = "\
# The command line

`kiln` is the server and its client in one program. This page has the client's verbs, which speak only the
public HTTP API, so they work from any machine that reaches the server. `kiln serve`, `kiln dev` and their
settings are in [configuration.md](configuration.md); `kiln doctor --help` checks a machine.

Results go to stdout and everything else to stderr. The status is 0 when all is well, 1 when `kiln invoke` ran a
function that reported an error, and 2 for anything else.

## Which server, whose keys

Address, region and keys are each taken from the first place that has them:

1. the flags below; of them `--endpoint-url` and `--region` win over `--ready-file`;
2. the environment: `AWS_ENDPOINT_URL` or `KILN_ENDPOINT`, `AWS_REGION` or `AWS_DEFAULT_REGION`,
   `AWS_ACCESS_KEY_ID` with `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`;
3. the server of this machine, which writes `server.json` into its data directory (`KILN_DATA_DIR`, else
   `/var/lib/kiln` for root and `~/.local/share/kiln` for others) while it runs;
4. keys only: the profile `AWS_PROFILE`, or `default`, of `~/.aws/credentials`;
5. address and region only: `http://127.0.0.1:4566` and `us-east-1`.

Where the place that names the address also names one for administration (`adminEndpoint` in a ready file,
`KILN_ADMIN_ENDPOINT` in the environment), `kiln status`, `kiln usage` and `kiln events` ask there.

A server with TLS must prove its name to an authority that this machine trusts, or to one of `--ca-bundle` or
`AWS_CA_BUNDLE`.

AWS differs: of a profile only the keys are read.

";

const DEPLOY: &str = "
How `kiln deploy` decides what was not said:

- **name**: the directory's or file's name; for a file with a usual name (`lambda_function`, `index`, `app`, `main`,
  `handler`) that of its directory.
- **handler**: of the modules at the top of the package, the usual names above come first, in this order; in
  Python a top-level `lambda_handler` or `handler`, else the only function of two parameters; in Node an export named
  `handler`. An executable named `bootstrap` is a custom runtime. Several candidates are an error that lists them.
- **runtime**: the newest that the server has for the code's language.
- **a function that exists** keeps everything that is not given; its handler is looked for again only when the
  file it names is no longer in the package. Nothing is sent when nothing differs.
- **files**: all of the directory except `.git`, `__pycache__`, `*.pyc`, `.venv`, `.pytest_cache`, `.DS_Store` and what
  `.kilnignore` names, one pattern a line: `*` and `?` within a name, a `/` before the end anchors at the top, a `/` at
  the end means directories. `node_modules` is packaged. The same files always make the same zip.
- **--url** sets `AuthType` `NONE` and the two permissions that AWS asks for: `lambda:InvokeFunctionUrl`, and
  `lambda:InvokeFunction` through the URL.
- **--api** makes an HTTP API of the function's name and with the tag `kiln:function`, unless there is one, and lets it invoke
  the function.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    let globals = Globals::augment_args(Command::new("kiln").disable_help_flag(true));
    page.push_str(&format!("```text\n{}```\n", options(globals)));
    let verbs = Verb::augment_subcommands(Command::new("kiln").disable_help_subcommand(true));
    for verb in verbs.get_subcommands() {
        let name = verb.get_name();
        page.push_str(&format!("\n## kiln {name}\n\n"));
        entries(&mut page, verb, &format!("kiln {name}"));
        if name == "deploy" {
            page.push_str(DEPLOY);
        }
    }
    page
}

/// What a verb says of itself, and behind it those under it.
fn entries(page: &mut String, verb: &Command, name: &str) {
    let shown = verb
        .clone()
        .disable_help_subcommand(true)
        .bin_name(name)
        .disable_help_flag(true);
    page.push_str(&format!("```text\n{}```\n", help(shown)));
    for under in verb.get_subcommands() {
        page.push('\n');
        entries(page, under, &format!("{name} {}", under.get_name()));
    }
}

fn help(command: Command) -> String {
    let text = command.term_width(100).render_long_help().to_string();
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

/// The part of the help that lists options.
fn options(command: Command) -> String {
    let text = help(command);
    let start = text
        .find("Global options:")
        .expect("the flags have this heading");
    text[start..].to_owned()
}

#[test]
fn reference_page_is_the_one_that_the_declarations_give() {
    kiln_testkit::page::assert_rendered("cli.md", &page());
}

#[test]
fn declarations_of_flags_do_not_contradict_each_other() {
    Globals::augment_args(Verb::augment_subcommands(Command::new("kiln"))).debug_assert();
}

/// A flag of a verb's own that is called as a global one: whoever gives either would be answered with a panic.
#[test]
fn no_verb_has_a_flag_that_is_called_as_a_global_one() {
    let globals = Globals::augment_args(Command::new("kiln"));
    let globals: Vec<_> = globals.get_arguments().map(clap::Arg::get_id).collect();
    let mut ahead = vec![Verb::augment_subcommands(Command::new("kiln"))];
    while let Some(command) = ahead.pop() {
        for flag in command.get_arguments() {
            let id = flag.get_id();
            assert!(!globals.contains(&id), "{} {id}", command.get_name());
        }
        ahead.extend(command.get_subcommands().cloned());
    }
}
