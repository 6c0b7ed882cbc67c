//! The server's settings: declared once, here.
//!
//! A flag wins over its environment variable, which wins over the configuration file, which wins
//! over the default. The file is TOML whose keys are the flags' names; a key that is no flag is an
//! error. `docs/reference/configuration.md` is rendered from this declaration and a test compares
//! the two.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgMatches, Args, Command, FromArgMatches, Id, ValueEnum, value_parser};
use kiln_gateway::Endpoint;
use kiln_scheduler::PolicyName;
use kiln_types::{AccountId, FileSystem, Region, limits};

use crate::aws::FunctionAccess;
use crate::machine;
use crate::serve::Mode;

mod acme;
mod events;
mod file_systems;
mod images;
mod network;
mod perimeter;
mod places;
mod sources;
mod vault;

pub(crate) use events::Events;
use file_systems::file_system;
pub(crate) use images::Images;
pub(crate) use network::NetworkSettings;
pub(crate) use perimeter::{Perimeter, is_loopback};
pub(crate) use places::Places;
pub(crate) use sources::Sources;
pub(crate) use vault::Vault;

/// The verbs that read the configuration file; `doctor` has only some of its settings.
const READERS: [&str; 3] = ["serve", "dev", "doctor"];

/// What `kiln serve` and `kiln dev` can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(flatten)]
    pub(crate) perimeter: Perimeter,
    /// A file that receives `{endpoint, region, accessKeyId, secretAccessKey}` as JSON once Kiln
    /// answers, beside `server.json` in the data directory.
    #[arg(long, env = "KILN_READY_FILE", value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// The region in ARNs, signatures and function URLs.
    #[arg(
        long,
        env = "KILN_REGION",
        value_name = "NAME",
        default_value = "us-east-1"
    )]
    region: String,
    /// The account in ARNs, twelve digits.
    #[arg(
        long,
        env = "KILN_ACCOUNT",
        value_name = "ID",
        default_value = "000000000000"
    )]
    pub(crate) account: AccountId,
    /// The host name in the function URLs that Kiln hands out.
    #[arg(
        long,
        env = "KILN_URL_HOST",
        value_name = "HOST",
        default_value = "localhost"
    )]
    pub(crate) url_host: String,
    /// Where clients reach a proxy before Kiln, in function URLs and what functions are told of
    /// their callers: `https://lambda.example.com`. The proxy must pass `Host` on, for its name and
    /// all below it. [default: https with a certificate and else http, the host of --url-host, the listening port]
    #[arg(
        long,
        env = "KILN_URL_BASE",
        value_name = "URL",
        conflicts_with = "url_host"
    )]
    pub(crate) url_base: Option<Endpoint>,
    /// What functions may do at this server's APIs, which they find at `AWS_ENDPOINT_URL` with keys of
    /// their own, whatever their network is: what the policies of their execution roles allow, or
    /// everything in their account. With `none` they find nothing. [default: role; account with
    /// `kiln dev`]
    #[arg(long, env = "KILN_FUNCTION_ACCESS", value_enum)]
    function_access: Option<FunctionAccess>,
    #[command(flatten)]
    pub(crate) vault: Vault,
    /// Write invocations, messages, events and objects into the audit log too, not only what is changed and what
    /// is refused.
    #[arg(long, env = "KILN_AUDIT_DATA")]
    pub(crate) audit_data: bool,
    /// How instances of built-in runtimes start unless the function says otherwise.
    #[arg(long, env = "KILN_START", value_enum, default_value_t = Start::Zygote)]
    pub(crate) start: Start,
    /// Memory that all live instances together may be promised, in MiB. When the machine's real
    /// memory runs short, idle instances are ended whatever this says.
    /// [default: four times the machine's memory, or what its container or service may have]
    #[arg(long, env = "KILN_MEMORY_BUDGET_MB", value_name = "MIB")]
    pub(crate) memory_budget_mb: Option<u64>,
    #[command(flatten)]
    pub(crate) scaling: Scaling,
    /// Booted, waiting processes kept ready for each language runtime, and of Node.js for each memory
    /// size in use.
    #[arg(long, env = "KILN_STEMS", value_name = "COUNT", default_value_t = 4)]
    pub(crate) stems: usize,
    /// Empty prepared sandboxes kept ready for each runtime, for fresh starts and dry pools.
    #[arg(long, env = "KILN_SHELLS", value_name = "COUNT", default_value_t = 2)]
    pub(crate) shells: usize,
    #[command(flatten)]
    pub(crate) range: SandboxRange,
    /// Which idle instances are kept and for how long, and whether one is started ahead of a request.
    #[arg(long, env = "KILN_KEEP_ALIVE", value_enum, default_value_t = KeepAlive::Adaptive)]
    pub(crate) keep_alive: KeepAlive,
    #[command(flatten)]
    pub(crate) idle: Idle,
    /// How long an idle instance runs on before it is frozen, in milliseconds.
    #[arg(
        long,
        env = "KILN_FREEZE_AFTER_MS",
        value_name = "MILLISECONDS",
        default_value_t = 250
    )]
    pub(crate) freeze_after_ms: u64,
    /// How long invocations in flight may take to finish when Kiln is told to stop, in seconds.
    #[arg(
        long,
        env = "KILN_DRAIN_SECS",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    pub(crate) drain_secs: u64,
    /// A directory that functions may mount, as `NAME=DIR`, or `NAME=DIR:ro` when they may only read
    /// it; repeat it for more. In the configuration file a table: `[file-system]` with `NAME = "DIR"`.
    #[arg(long, value_name = "NAME=DIR[:ro]", value_parser = file_system)]
    pub(crate) file_system: Vec<(String, FileSystem)>,
    #[command(flatten)]
    pub(crate) images: Images,
    #[command(flatten)]
    pub(crate) network: NetworkSettings,
    #[command(flatten)]
    pub(crate) events: Events,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) retention: Retention,
    /// Which of Kiln's own log records to write, as a tracing filter such as `info,kiln=debug`.
    #[arg(long, env = "KILN_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
    /// The shape of Kiln's own log records on standard error.
    #[arg(long, env = "KILN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How many instances there may be, and how fast they may become more.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Scaling {
    /// Invocations the account may have in flight; beyond it callers get 429.
    #[arg(
        long,
        env = "KILN_CONCURRENCY",
        value_name = "COUNT",
        default_value_t = limits::ACCOUNT_CONCURRENCY
    )]
    pub(crate) concurrency: u32,
    /// Instances that one function may start at once.
    #[arg(
        long,
        env = "KILN_BURST_STARTS",
        value_name = "COUNT",
        default_value_t = limits::SCALING_BURST,
        value_parser = value_parser!(u32).range(1..)
    )]
    pub(crate) burst_starts: u32,
    /// Instances that one function may start each second once its burst is used.
    #[arg(
        long,
        env = "KILN_STARTS_PER_SECOND",
        value_name = "COUNT",
        default_value_t = limits::SCALING_PER_SECOND,
        value_parser = value_parser!(u32).range(1..)
    )]
    pub(crate) starts_per_second: u32,
    /// How long an invocation waits for memory, or for its function to be allowed another instance,
    /// before its caller gets 429, in milliseconds.
    #[arg(
        long,
        env = "KILN_WAIT_MAX_MS",
        value_name = "MILLISECONDS",
        default_value_t = 1_000
    )]
    pub(crate) wait_max_ms: u64,
}

/// How long idle instances are kept.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Idle {
    /// How long an idle instance is kept, in seconds: always with `fixed`, while the function's pauses
    /// show no pattern with `histogram`, at most with the others [default: 600; 14400 at most]
    #[arg(long, env = "KILN_KEEP_ALIVE_SECS", value_name = "SECONDS")]
    pub(crate) keep_alive_secs: Option<u64>,
}

/// Which idle instances are kept and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeepAlive {
    /// All for the same time; under memory pressure the least recently used end first.
    Fixed,
    /// Until memory is short; those end first that are called rarely, are large and start fast.
    GreedyDual,
    /// As long as the function's own pauses say, one started ahead of the next request; the least
    /// recently used end first.
    Histogram,
    /// Until memory is short, or until the next request is foretold to be far and one is started ahead
    /// of it; those end first of which a function seldom needs so many, that are large and start fast.
    Adaptive,
}

/// How many sandboxes there may be, and the user ids they run as.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct SandboxRange {
    /// Sandboxes that may exist at once.
    #[arg(
        long,
        env = "KILN_SANDBOXES_MAX",
        value_name = "COUNT",
        default_value_t = 2_000
    )]
    pub(crate) sandboxes_max: usize,
    /// The first of the user ids that sandboxes run as, one each; the next `sandboxes-max` ids
    /// must not be anybody's. At least 65,536. Without root those of Kiln's user namespace, where they
    /// stand for its user's subordinate ids.
    #[arg(
        long,
        env = "KILN_UID_BASE",
        value_name = "UID",
        default_value_t = kiln_sandbox::Config::UID_BASE
    )]
    pub(crate) uid_base: u32,
}

impl SandboxRange {
    /// The user ids.
    pub(crate) fn uids(&self) -> Range<u32> {
        let count = u32::try_from(self.sandboxes_max).unwrap_or(u32::MAX);
        self.uid_base..self.uid_base.saturating_add(count)
    }
}

/// How long what invocations leave behind is kept.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Retention {
    /// Days for which functions' log events are kept, unless their log group has a retention of
    /// its own. [default: for ever]
    #[arg(
        long,
        env = "KILN_LOG_RETENTION_DAYS",
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) log_retention_days: Option<u32>,
    /// Days for which the usage of invocations is kept. [default: for ever]
    #[arg(
        long,
        env = "KILN_USAGE_RETENTION_DAYS",
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) usage_retention_days: Option<u32>,
    /// Days for which the audit log is kept.
    #[arg(
        long,
        env = "KILN_AUDIT_RETENTION_DAYS",
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = 90
    )]
    pub(crate) audit_retention_days: u32,
}

/// How instances of built-in runtimes start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Start {
    /// Forked from a booted template: milliseconds.
    Zygote,
    /// Executed anew: slower, shares no memory layout with other instances.
    Fresh,
}

/// The shape of Kiln's own log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON document each.
    Json,
}

impl From<KeepAlive> for PolicyName {
    fn from(keep_alive: KeepAlive) -> Self {
        match keep_alive {
            KeepAlive::Fixed => PolicyName::Fixed,
            KeepAlive::GreedyDual => PolicyName::GreedyDual,
            KeepAlive::Histogram => PolicyName::Histogram,
            KeepAlive::Adaptive => PolicyName::Adaptive,
        }
    }
}

impl Settings {
    /// What functions may do at this server's APIs.
    pub(crate) fn function_access(&self, mode: Mode) -> FunctionAccess {
        self.function_access.unwrap_or(match mode {
            Mode::Production => FunctionAccess::Role,
            Mode::Development => FunctionAccess::Account,
        })
    }

    /// The region. Text on the command line, because the client verbs' flag of this name, which is
    /// known to every verb, is text.
    pub(crate) fn region(&self) -> anyhow::Result<Region> {
        self.region.parse().context("read --region")
    }

    /// How long invocations in flight may take to finish.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_secs)
    }

    /// The memory for all instances together, in bytes.
    pub(crate) fn memory_budget_bytes(&self) -> anyhow::Result<u64> {
        match self.memory_budget_mb {
            Some(mib) => mib
                .checked_mul(1 << 20)
                .context("read --memory-budget-mb: it is too large"),
            None => machine::budget_bytes(),
        }
    }
}

/// Parses the command line, with the configuration file's values in the place of defaults.
pub(crate) fn parse(command: Command, args: Vec<std::ffi::OsString>) -> anyhow::Result<ArgMatches> {
    let first = command.clone().try_get_matches_from(&args);
    let file = match &first {
        Ok(matches) => config_file_of(matches),
        Err(error) => error.exit(),
    };
    let Some(path) = file else {
        return Ok(first?);
    };
    let command = with_file_values(command, &path)?;
    match command.try_get_matches_from(&args) {
        Ok(matches) => Ok(matches),
        Err(error) => error.exit(),
    }
}

fn config_file_of(matches: &ArgMatches) -> Option<PathBuf> {
    let (_, verb) = matches.subcommand()?;
    verb.try_get_one::<PathBuf>("config")
        .ok()
        .flatten()
        .cloned()
}

fn with_file_values(command: Command, path: &Path) -> anyhow::Result<Command> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read configuration file {}", path.display()))?;
    let table: toml::Table = text
        .parse()
        .with_context(|| format!("parse configuration file {}", path.display()))?;
    let known = Settings::augment_args(Command::new("settings"));
    let mut values = Vec::new();
    for (key, value) in table {
        let Some(arg) = known
            .get_arguments()
            .find(|arg| arg.get_long() == Some(key.as_str()))
        else {
            let names: Vec<_> = known
                .get_arguments()
                .filter_map(|arg| arg.get_long())
                .collect();
            bail!(
                "{} sets '{key}', which is no setting; the settings are {}",
                path.display(),
                names.join(", ")
            );
        };
        let texts = match value {
            toml::Value::String(text) => vec![text],
            toml::Value::Integer(number) => vec![number.to_string()],
            toml::Value::Boolean(is_so) => vec![is_so.to_string()],
            toml::Value::Array(list) => list
                .iter()
                .map(network::text_of)
                .collect::<anyhow::Result<_>>()
                .with_context(|| format!("read '{key}' of {}", path.display()))?,
            toml::Value::Table(table)
                if ["file-system", "host-service"].contains(&key.as_str()) =>
            {
                table
                    .into_iter()
                    .map(|(name, dir)| Ok(format!("{name}={}", dir.as_str().context("give text")?)))
                    .collect::<anyhow::Result<_>>()
                    .with_context(|| format!("read [{key}] of {}", path.display()))?
            }
            other => bail!(
                "{} sets '{key}' to {other}; give text, a number or true or false",
                path.display()
            ),
        };
        values.push((arg.get_id().clone(), texts));
    }
    let mut command = command;
    for verb in READERS {
        command = command.mut_subcommand(verb, |sub| with_defaults(sub, &values));
    }
    Ok(command)
}

/// Sets the defaults of those flags that the verb has.
fn with_defaults(mut verb: Command, values: &[(Id, Vec<String>)]) -> Command {
    for (id, texts) in values {
        if verb.get_arguments().any(|arg| arg.get_id() == id) {
            verb = verb.mut_arg(id, |arg| arg.default_values(texts.clone()).required(false));
        }
    }
    verb
}

impl TryFrom<&ArgMatches> for Settings {
    type Error = clap::Error;

    fn try_from(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Settings::from_arg_matches(matches)
    }
}

/// Renders the reference page of the settings.
#[cfg(test)]
fn reference_page() -> String {
    let command = Settings::augment_args(Command::new("settings"));
    let mut page = String::from(
        "# Configuration\n\n\
         Every setting of `kiln serve` and `kiln dev`. A flag wins over its environment variable, which wins\n\
         over the configuration file (`--config`, TOML with the flags' names as keys), which wins over the default.\n\n\
         | flag | environment | default | what it sets |\n|---|---|---|---|\n",
    );
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long() else { continue };
        let default = match long {
            "data-dir" => "`/var/lib/kiln` as root, else `~/.local/share/kiln`".to_owned(),
            _ => match arg.get_default_values().first() {
                Some(value) => format!("`{}`", value.to_string_lossy()),
                None => "-".to_owned(),
            },
        };
        let env = arg
            .get_env()
            .map(|env| format!("`{}`", env.to_string_lossy()))
            .unwrap_or_default();
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .map(|v| format!("`{}`", v.get_name()))
            .collect();
        let mut help = arg
            .get_long_help()
            .or(arg.get_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        if !values.is_empty() {
            help.push_str(&format!(" One of {}.", values.join(", ")));
        }
        page.push_str(&format!("| `--{long}` | {env} | {default} | {help} |\n"));
    }
    page
}

/// Settings of one kind, as flags say them.
#[cfg(test)]
fn parsed<T: Args>(flags: &[&str]) -> T {
    let command = T::augment_args(Command::new("kiln"));
    let words = ["kiln"].iter().chain(flags);
    let matches = command.try_get_matches_from(words).unwrap();
    T::from_arg_matches(&matches).unwrap()
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;

    #[derive(Subcommand)]
    enum Verb {
        Serve(Settings),
        Dev(Settings),
        Doctor(Examined),
    }

    #[derive(Args)]
    struct Examined {
        #[command(flatten)]
        _places: Places,
        #[command(flatten)]
        range: SandboxRange,
    }

    fn parse_with_file(file: &str, args: &[&str]) -> anyhow::Result<Settings> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("kiln.toml");
        std::fs::write(&path, file)?;
        Ok(Settings::try_from(&matches_of("serve", &path, args)?)?)
    }

    fn matches_of(verb: &str, file: &Path, args: &[&str]) -> anyhow::Result<ArgMatches> {
        let command = Verb::augment_subcommands(Command::new("kiln"));
        let mut words: Vec<std::ffi::OsString> = vec!["kiln".into(), verb.into()];
        words.extend(["--config".into(), file.into()]);
        words.extend(args.iter().map(Into::into));
        let mut matches = parse(command, words)?;
        let (_, verb) = matches.remove_subcommand().expect("a verb was given");
        Ok(verb)
    }

    #[test]
    fn a_verb_takes_what_it_knows_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kiln.toml");
        std::fs::write(&file, "uid-base = 70000\nstems = 9\n").unwrap();
        let matches = matches_of("doctor", &file, &[]).unwrap();
        let Examined { range, .. } = Examined::from_arg_matches(&matches).unwrap();
        assert_eq!(range.uid_base, 70_000);
        let matches = matches_of("doctor", &file, &["--uid-base", "80000"]).unwrap();
        let Examined { range, .. } = Examined::from_arg_matches(&matches).unwrap();
        assert_eq!(range.uid_base, 80_000);
    }

    #[test]
    fn file_replaces_defaults_and_flags_win_over_the_file() {
        let file = "listen = '127.0.0.1:5000'\nstems = 9\n";
        let settings = parse_with_file(file, &["--stems", "3"]).unwrap();
        assert_eq!(settings.perimeter.listen.port(), 5000);
        assert_eq!(settings.stems, 3);
        assert_eq!(settings.scaling.concurrency, 1_000);
    }

    #[test]
    fn a_switch_is_on_or_off_in_the_file_and_flags_win() {
        let file = "listen = '0.0.0.0:4566'\ninsecure-listen = true\n";
        let check = |args: &[&str]| parse_with_file(file, args).unwrap().perimeter.check();
        assert!(check(&[]).is_ok());
        assert!(check(&["--insecure-listen=false"]).is_err());
    }

    #[test]
    fn file_systems_are_flags_or_a_table() {
        let file = "[file-system]\nmodels = '/srv/models:ro'\nshared = '/srv/shared'\n";
        let named = |settings: &Settings| -> Vec<(String, String, bool)> {
            let systems = settings.file_system.iter();
            let shown = systems.map(|(name, system)| {
                let dir = system.dir.display().to_string();
                (name.clone(), dir, system.is_read_only)
            });
            shown.collect()
        };
        let models = ("models".to_owned(), "/srv/models".to_owned(), true);
        let shared = ("shared".to_owned(), "/srv/shared".to_owned(), false);
        let settings = parse_with_file(file, &[]).unwrap();
        assert_eq!(named(&settings), [models, shared.clone()]);
        let flags = ["--file-system", "shared=/srv/shared"];
        let settings = parse_with_file(file, &flags).unwrap();
        assert_eq!(named(&settings), [shared], "flags replace the file's");
        for wrong in ["models", "=/srv", "models=srv"] {
            assert!(file_system(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn services_and_name_servers_are_flags_or_in_the_file() {
        let file = "network = 'none'\nnameserver = ['10.0.0.2', '[fd00::1]:5353']\n\
                    network-egress = '10.0.0.0/8'\n[host-service]\ndb = '127.0.0.1:5432'\n";
        let network = parse_with_file(file, &[]).unwrap().network;
        assert_eq!(network.network, kiln_types::Network::None);
        let servers: Vec<_> = network.nameserver.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.2:53", "[fd00::1]:5353"]);
        assert_eq!(network.network_egress[0].to_string(), "10.0.0.0/8");
        let (name, target) = &network.host_service[0];
        assert_eq!((name.as_str(), target.port), ("db", 5432));
        let flags = ["--host-service", "cache=localhost:6379"];
        let network = parse_with_file(file, &flags).unwrap().network;
        assert_eq!(network.host_service.len(), 1, "flags replace the file's");
    }

    #[test]
    fn a_key_that_is_no_setting_is_named() {
        let error = parse_with_file("lisen = 'x'\n", &[]).unwrap_err();
        assert!(error.to_string().contains("'lisen'"), "{error}");
        assert!(error.to_string().contains("listen"), "{error}");
    }

    #[test]
    fn the_reference_page_is_what_the_declaration_says() {
        kiln_testkit::page::assert_rendered("configuration.md", &reference_page());
    }
}
