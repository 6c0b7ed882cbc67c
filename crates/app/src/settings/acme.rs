//! Settings of certificates by ACME.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::{ArgAction, Args};
use kiln_gateway::{AcmeConfig, ExternalAccount};

/// Where Let's Encrypt says what it can do.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Names of a certificate, as Let's Encrypt has it.
const NAMES_MAX: usize = 100;
/// A name of the domain name system, and a part of it (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A certificate that Kiln gets itself.
#[derive(Debug, Clone, Args)]
pub(crate) struct Acme {
    /// Get the TLS certificate from an authority that speaks ACME, and renew it: for the host of --url-host and every
    /// --acme-name. It also says that you agree to the terms of service of the authority of --acme-directory (of
    /// Let's Encrypt: letsencrypt.org/repository). Port 443 of each name must lead to --listen, or port 80 to
    /// --acme-http-listen.
    #[arg(
        long,
        env = "KILN_ACME_TERMS_AGREED",
        value_name = "true|false",
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set,
        hide_possible_values = true
    )]
    acme_terms_agreed: bool,
    /// Whom the authority may write to when something is wrong with the certificate. [default: nobody]
    #[arg(long, env = "KILN_ACME_EMAIL", value_name = "ADDRESS")]
    acme_email: Option<String>,
    /// Another name that the certificate is for, such as a function URL's host; repeat it for more, or in the
    /// configuration file give a list. Names with `*` are to be had with --tls-cert alone.
    #[arg(long, value_name = "NAME")]
    acme_name: Vec<String>,
    /// The directory of the authority. [default: Let's Encrypt's, acme-v02.api.letsencrypt.org]
    #[arg(long, env = "KILN_ACME_DIRECTORY", value_name = "URL")]
    acme_directory: Option<String>,
    /// A file with the authorities, as PEM, by one of which the directory proves to be who it is. [default: those of
    /// this machine]
    #[arg(long, env = "KILN_ACME_CA_BUNDLE", value_name = "FILE")]
    acme_ca_bundle: Option<PathBuf>,
    /// An address without TLS at which the authority finds proof of the names, and nobody anything else; for where port
    /// 443 does not lead to Kiln, and port 80 does. [default: none; the proof is at --listen]
    #[arg(long, env = "KILN_ACME_HTTP_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) acme_http_listen: Option<SocketAddr>,
    /// The id of your account with an authority that has customers (external account binding).
    #[arg(long, env = "KILN_ACME_EAB_ID", value_name = "ID")]
    acme_eab_id: Option<String>,
    /// A file with the key of that account, as base64, which only its owner and its group may use.
    #[arg(long, env = "KILN_ACME_EAB_KEY_FILE", value_name = "FILE")]
    acme_eab_key_file: Option<PathBuf>,
}

impl Acme {
    /// Whether there is to be such a certificate. Fails where that was not said in so many words.
    pub(crate) fn is_wanted(&self) -> anyhow::Result<bool> {
        if self.acme_terms_agreed {
            return Ok(true);
        }
        let given = [
            ("--acme-email", self.acme_email.is_some()),
            ("--acme-name", !self.acme_name.is_empty()),
            ("--acme-directory", self.acme_directory.is_some()),
            ("--acme-ca-bundle", self.acme_ca_bundle.is_some()),
            ("--acme-http-listen", self.acme_http_listen.is_some()),
            ("--acme-eab-id", self.acme_eab_id.is_some()),
            ("--acme-eab-key-file", self.acme_eab_key_file.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(false),
            Some((flag, _)) => bail!(
                "{flag} needs --acme-terms-agreed: the authority issues certificates to those who agree to its terms of \
                 service (Let's Encrypt's are at https://letsencrypt.org/repository)"
            ),
        }
    }

    /// Where it is said so already.
    pub(crate) fn is_agreed(&self) -> bool {
        self.acme_terms_agreed
    }

    /// What is ordered; `host` is what addresses of this server name.
    pub(crate) fn config(&self, host: &str) -> anyhow::Result<AcmeConfig> {
        let directory = self.acme_directory.as_deref().unwrap_or(LETS_ENCRYPT);
        ensure!(
            directory.starts_with("https://"),
            "--acme-directory {directory}: give an address that begins with https://"
        );
        if let Some(email) = &self.acme_email {
            ensure!(
                email.contains('@') && !email.contains([' ', ',', ':', '?']),
                "--acme-email {email}: give one address, such as ops@example.com"
            );
        }
        let config = AcmeConfig {
            directory: directory.to_owned(),
            ca_bundle: self.acme_ca_bundle.clone(),
            email: self.acme_email.clone(),
            names: self.names(host)?,
            external_account: self.external_account()?,
            by_http: self.acme_http_listen.is_some(),
        };
        config.check().context("read --acme-ca-bundle")?;
        Ok(config)
    }

    /// The host that addresses name, unless it is this machine's own affair, and all others, each once.
    fn names(&self, host: &str) -> anyhow::Result<Vec<String>> {
        let is_public = host != "localhost" && address(host).is_none();
        let host = is_public.then_some(("--url-host", host));
        let others = self
            .acme_name
            .iter()
            .map(|name| ("--acme-name", name.as_str()));
        let mut names = Vec::new();
        for (flag, name) in host.into_iter().chain(others) {
            let name = name.to_ascii_lowercase();
            check(flag, &name)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        ensure!(
            !names.is_empty(),
            "--acme-terms-agreed needs a name to get a certificate for: give the host that clients call with \
             --url-host kiln.example.com"
        );
        ensure!(
            names.len() <= NAMES_MAX,
            "a certificate is for {NAMES_MAX} names at most, and --acme-name with --url-host has {}",
            names.len()
        );
        Ok(names)
    }

    fn external_account(&self) -> anyhow::Result<Option<ExternalAccount>> {
        match (&self.acme_eab_id, &self.acme_eab_key_file) {
            (None, None) => Ok(None),
            (Some(id), Some(file)) => {
                let read = ExternalAccount::read(id.clone(), file);
                read.context("read --acme-eab-key-file").map(Some)
            }
            (Some(_), None) => {
                bail!("--acme-eab-id needs --acme-eab-key-file: the key of that account")
            }
            (None, Some(_)) => bail!("--acme-eab-key-file needs --acme-eab-id: whose key it is"),
        }
    }
}

fn check(flag: &str, name: &str) -> anyhow::Result<()> {
    ensure!(
        !name.contains('*'),
        "{flag} {name}: a certificate for names with * is proven by DNS, which Kiln does not do; get one by another client \
         and give its files with --tls-cert and --tls-key, or name each host"
    );
    ensure!(
        address(name).is_none(),
        "{flag} {name}: a certificate is ordered for names, and this is an address"
    );
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    ensure!(
        name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label),
        "{flag} {name}: that is no host name; give one such as kiln.example.com, other scripts as xn--"
    );
    Ok(())
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme(args: &[&str]) -> Acme {
        crate::settings::parsed(args)
    }

    #[test]
    fn nothing_is_ordered_unless_the_terms_are_agreed_to() {
        assert!(!acme(&[]).is_wanted().unwrap());
        assert!(acme(&["--acme-terms-agreed"]).is_wanted().unwrap());
        for given in [
            ["--acme-email", "ops@example.com"],
            ["--acme-name", "kiln.example.com"],
            ["--acme-directory", "https://ca.example.com/directory"],
            ["--acme-ca-bundle", "ca.pem"],
            ["--acme-http-listen", "0.0.0.0:80"],
            ["--acme-eab-id", "kid-1"],
            ["--acme-eab-key-file", "eab.key"],
        ] {
            let refusal = acme(&given).is_wanted().unwrap_err().to_string();
            assert!(refusal.starts_with(given[0]), "{refusal}");
            assert!(refusal.contains("--acme-terms-agreed"), "{refusal}");
            let agreed = [&given[..], &["--acme-terms-agreed"]].concat();
            assert!(acme(&agreed).is_wanted().unwrap());
            let not = [&given[..], &["--acme-terms-agreed=false"]].concat();
            assert!(acme(&not).is_wanted().is_err());
        }
    }

    #[test]
    fn the_host_of_addresses_and_all_names_are_ordered_once() {
        let names = |host: &str, names: &[&str]| {
            let flags = names.iter().flat_map(|&name| ["--acme-name", name]);
            let flags: Vec<_> = flags.collect();
            acme(&flags).config(host).map(|config| config.names)
        };
        let kiln = "kiln.example.com";
        assert_eq!(names(kiln, &[]).unwrap(), [kiln]);
        let both = names(kiln, &["API.example.com", "Kiln.example.com"]);
        assert_eq!(both.unwrap(), [kiln, "api.example.com"]);
        // A private authority may know this machine by such a name; nobody else does.
        assert_eq!(names("localhost", &["localhost"]).unwrap(), ["localhost"]);
        assert_eq!(
            names("10.0.0.5", &["a_b.example"]).unwrap(),
            ["a_b.example"]
        );
        for (host, given, says) in [
            ("localhost", &[][..], "--url-host"),
            ("10.0.0.5", &[], "--url-host"),
            ("[fd00::1]", &[], "--url-host"),
            (kiln, &["*.kiln.example.com"], "--tls-cert"),
            (kiln, &["10.0.0.5"], "an address"),
            (kiln, &["ki ln"], "no host name"),
            (kiln, &["a..b"], "no host name"),
            (kiln, &["a-.b"], "no host name"),
            ("bücher.example", &[], "xn--"),
        ] {
            let refusal = names(host, given).unwrap_err().to_string();
            assert!(refusal.contains(says), "{host} {given:?}: {refusal}");
        }
    }

    #[test]
    fn what_cannot_be_ordered_is_said_before_it_is() {
        for (flag, value, says) in [
            ("--acme-directory", "http://ca.example.com/", "https://"),
            ("--acme-email", "ops", "ops@example.com"),
            ("--acme-email", "a@b.example, c@d.example", "one address"),
            ("--acme-ca-bundle", "/nonexistent.pem", "/nonexistent.pem"),
            ("--acme-eab-id", "kid-1", "--acme-eab-key-file"),
            ("--acme-eab-key-file", "eab.key", "--acme-eab-id"),
        ] {
            let refusal = acme(&[flag, value]).config("kiln.example.com");
            let refusal = format!("{:#}", refusal.unwrap_err());
            assert!(refusal.contains(says), "{flag}: {refusal}");
        }
        let config = acme(&[]).config("kiln.example.com").unwrap();
        assert_eq!(config.directory, LETS_ENCRYPT);
        assert!(!config.by_http);
    }
}
