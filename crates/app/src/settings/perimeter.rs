//! Settings of the server's edge: where it listens, and whether connections are encrypted.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::bail;
use clap::{ArgAction, Args};
use kiln_gateway::TlsFiles;

use super::acme::Acme;

/// Where the server listens, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Perimeter {
    /// The address of the one port for all APIs and function URLs; port 0 picks a free one. An address
    /// that other machines reach needs --tls-cert, --acme-terms-agreed, or --insecure-listen.
    #[arg(
        long,
        env = "KILN_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:4566"
    )]
    pub(crate) listen: SocketAddr,
    /// A file with the server's TLS certificate and those between it and its authority, as PEM: then all
    /// listeners speak TLS, and nothing else. Once a new certificate and key lie in the place of the old
    /// ones, they are used, at once after SIGHUP.
    #[arg(long, env = "KILN_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// A file with the key of that certificate, as PEM and not encrypted, which only its owner and its group may use.
    #[arg(long, env = "KILN_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) acme: Acme,
    /// Listen on addresses that other machines reach, without TLS: whoever sees the traffic reads all of
    /// it, and can repeat requests for five minutes. For a proxy before Kiln that ends TLS, on a network that
    /// nobody else is on.
    #[arg(
        long,
        env = "KILN_INSECURE_LISTEN",
        value_name = "true|false",
        default_value = "false",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true,
        action = ArgAction::Set,
        hide_possible_values = true
    )]
    insecure_listen: bool,
    /// Another address, at which the requests of administration are answered, and from then on only
    /// there: `kiln status`, `kiln usage`, `kiln events`. [default: none; they are answered at --listen]
    #[arg(long, env = "KILN_ADMIN_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) admin_listen: Option<SocketAddr>,
}

impl Perimeter {
    /// The files of the certificate and its key, if there are to be any.
    pub(crate) fn files(&self) -> anyhow::Result<Option<TlsFiles>> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            })),
            (Some(_), None) => bail!("--tls-cert needs --tls-key: the key of the certificate"),
            (None, Some(_)) => bail!("--tls-key needs --tls-cert: the certificate of the key"),
        }
    }

    /// `https` or `http`.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls_cert.is_some() || self.acme.is_agreed() {
            true => "https",
            false => "http",
        }
    }

    /// Refuses to be readable by others, unless told so, and to have two certificates.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let (has_files, is_ordered) = (self.files()?.is_some(), self.acme.is_wanted()?);
        if has_files && is_ordered {
            bail!(
                "--tls-cert and --acme-terms-agreed exclude each other: the certificate is in files that somebody else \
                 writes, or Kiln gets it itself"
            );
        }
        if has_files || is_ordered || self.insecure_listen {
            return Ok(());
        }
        let admin = self.admin_listen.map(|address| ("--admin-listen", address));
        for (flag, address) in [("--listen", self.listen)].into_iter().chain(admin) {
            if !is_loopback(address.ip()) {
                bail!(
                    "{flag} {address} can be reached from other machines, and without TLS whoever sees the traffic \
                     reads it\n  next: give a certificate with --tls-cert FILE --tls-key FILE, or have Kiln get one (see --acme-terms-agreed); \
                     or listen on loopback, such as 127.0.0.1:{port}; or, when a proxy before Kiln ends TLS and nobody else is on the way to it, \
                     say --insecure-listen",
                    port = address.port()
                );
            }
        }
        Ok(())
    }
}

/// Whether only this machine reaches the address, which may be one of IPv4 as IPv6 writes it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn perimeter(args: &[&str]) -> Perimeter {
        crate::settings::parsed(args)
    }

    #[test]
    fn addresses_that_others_reach_need_tls_or_to_be_told() {
        let tls = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];
        for (listens, is_refused) in [
            (["--listen", "127.0.0.1:4566"], false),
            (["--listen", "127.8.0.1:4566"], false),
            (["--listen", "[::1]:4566"], false),
            (["--listen", "[::ffff:127.0.0.1]:4566"], false),
            (["--listen", "0.0.0.0:4566"], true),
            (["--listen", "[::]:4566"], true),
            (["--listen", "10.0.0.1:0"], true),
            (["--admin-listen", "127.0.0.1:0"], false),
            (["--admin-listen", "10.0.0.1:0"], true),
        ] {
            let refusal = perimeter(&listens).check().err();
            assert_eq!(refusal.is_some(), is_refused, "{listens:?}");
            if let Some(refusal) = refusal {
                let says = refusal.to_string();
                for named in [listens[0], listens[1], "--tls-cert", "--insecure-listen"] {
                    assert!(says.contains(named), "{says}");
                }
            }
            perimeter(&[&listens[..], &tls].concat()).check().unwrap();
            perimeter(&[&listens[..], &["--insecure-listen"]].concat())
                .check()
                .unwrap();
            let off = perimeter(&[&listens[..], &["--insecure-listen=false"]].concat());
            assert_eq!(off.check().is_err(), is_refused, "{listens:?}");
        }
    }

    #[test]
    fn certificate_and_key_need_each_other() {
        for (given, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
            let error = perimeter(&[given, "f.pem"])
                .check()
                .unwrap_err()
                .to_string();
            assert!(error.contains(missing), "{error}");
        }
        assert_eq!(perimeter(&[]).scheme(), "http");
        let both = perimeter(&["--tls-cert", "c.pem", "--tls-key", "k.pem"]);
        assert_eq!(both.scheme(), "https");
        assert!(both.files().unwrap().is_some());
    }

    #[test]
    fn a_certificate_is_in_files_or_ordered() {
        let files = ["--tls-cert", "c.pem", "--tls-key", "k.pem"];
        let ordered = ["--listen", "0.0.0.0:443", "--acme-terms-agreed"];
        perimeter(&ordered).check().unwrap();
        assert_eq!(perimeter(&ordered).scheme(), "https");
        let both = perimeter(&[&files[..], &ordered].concat());
        let refusal = both.check().unwrap_err().to_string();
        for named in ["--tls-cert", "--acme-terms-agreed"] {
            assert!(refusal.contains(named), "{refusal}");
        }
        let email = ["--acme-email", "ops@example.com"];
        assert!(perimeter(&email).check().is_err());
    }
}
