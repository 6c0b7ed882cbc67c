//! One order, from the account to the certificate. The protocol is the library's (`instant-acme`); what is proven by what, and what
//! a failure means, is ours.

use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AuthorizationHandle, AuthorizationStatus, ChallengeType,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use zeroize::Zeroizing;

use super::AcmeConfig;
use super::challenges::{Answering, Challenges};
use super::client::{Again, Client, Told};
use super::core::Failure;
use super::kept::{Kept, KeptAccount, Wish};

/// How long an authority may look whether names are this server's, and then may take for the certificate.
const LOOKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(180));
/// What problems of authorities begin with (RFC 8555, 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";
/// So much is told of why an order failed, which is the authority's text in part.
const WHY_BYTES_MAX: usize = 1024;

/// Said of what fails.
const ACCOUNT: &str = "have an account with the authority";
const PROOF: &str = "prove that names are this server's";

/// An order whose names are proven, and that yet issued nothing.
pub(super) struct Proven {
    order: Order,
    told: Told,
}

/// What was issued, as PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: Zeroizing<String>,
}

/// Why nothing was.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub(super) struct Failed {
    pub(super) failure: Failure,
    doing: &'static str,
    why: String,
}

/// What an order needs.
pub(super) struct Ordering<'a> {
    pub(super) config: &'a AcmeConfig,
    pub(super) wish: &'a Wish,
    pub(super) kept: &'a Kept,
    pub(super) challenges: &'a Challenges,
}

impl Failed {
    pub(super) fn new(failure: Failure, doing: &'static str, why: impl ToString) -> Self {
        Self {
            failure,
            doing,
            why: cut(why.to_string()),
        }
    }
}

impl Ordering<'_> {
    /// Orders once, and proves all names. Nothing is issued before [`Ordering::finish`].
    pub(super) async fn proven(&self) -> Result<Proven, Failed> {
        let told = Told::default();
        let failed = |doing| {
            let told = told.clone();
            move |error| failed(doing, error, told.get())
        };
        let mut order = match self.begin(&told).await {
            // The authority was set up anew, or the account was given up there.
            Err(known) if known.failure == Failure::Forgotten => {
                let forgotten = self.kept.forget_account().await;
                forgotten.map_err(|error| Failed::new(Failure::Unreached, ACCOUNT, error))?;
                self.begin(&told).await?
            }
            begun => begun?,
        };
        let answering = self.challenges.open();
        self.prove(&mut order, &answering, &told).await?;
        match order.poll_ready(&LOOKING).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(self.refusal(&mut order, None).await),
            Err(error) => {
                let failed = failed("wait until names are proven")(error);
                return Err(match failed.failure {
                    Failure::Refused => self.refusal(&mut order, Some(failed.why)).await,
                    _ => failed,
                });
            }
        }
        Ok(Proven { order, told })
    }

    /// Gets the certificate.
    pub(super) async fn finish(&self, proven: Proven) -> Result<Issued, Failed> {
        let Proven { mut order, told } = proven;
        let failed = |doing| {
            let told = told.clone();
            move |error| failed(doing, error, told.get())
        };
        let (request, key) = request(&self.config.names)
            .map_err(|error| Failed::new(Failure::Hopeless, "make a key", error))?;
        let finalized = order.finalize_csr(&request).await;
        finalized.map_err(failed("ask for the certificate"))?;
        let chain = order.poll_certificate(&LOOKING).await;
        let chain = chain.map_err(failed("get the certificate"))?;
        Ok(Issued { chain, key })
    }

    async fn begin(&self, told: &Told) -> Result<Order, Failed> {
        let account = self.account(told).await?;
        let names = self.config.names.iter();
        let identifiers: Vec<_> = names.map(|name| Identifier::Dns(name.clone())).collect();
        let begun = account.new_order(&NewOrder::new(&identifiers)).await;
        match begun {
            Ok(order) => Ok(order),
            Err(error) => {
                let mut failed = failed("order a certificate", error, told.get());
                if failed.failure == Failure::Refused && self.is_given_up(&account).await {
                    failed.failure = Failure::Forgotten;
                }
                Err(failed)
            }
        }
    }

    /// Whether the authority has the account no more. It refuses names that are not for this account in the same words, so
    /// this asks for something that every account may.
    async fn is_given_up(&self, account: &Account) -> bool {
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let asked = account.update_contacts(&contact).await;
        asked.is_err_and(|error| has_no_account(&error))
    }

    fn contact(&self) -> Option<String> {
        let email = self.config.email.as_ref();
        email.map(|email| format!("mailto:{email}"))
    }

    /// The account with the authority: the one that is kept, or a new one.
    async fn account(&self, told: &Told) -> Result<Account, Failed> {
        let client = Client::open(self.config.ca_bundle.as_deref(), told.clone()).await;
        let client = client.map_err(|why| Failed::new(Failure::Unreached, ACCOUNT, why))?;
        let builder = Account::builder_with_http(Box::new(client));
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        match self.kept_account().await? {
            Some(kept) => self.known(builder, kept, &contact, told).await,
            None => self.new_account(builder, &contact, told).await,
        }
    }

    async fn known(
        &self,
        builder: AccountBuilder,
        kept: KeptAccount,
        contact: &[&str],
        told: &Told,
    ) -> Result<Account, Failed> {
        let failed = |error| failed(ACCOUNT, error, told.get());
        let account = builder.from_credentials(kept.credentials).await;
        let account = account.map_err(failed)?;
        if kept.email == self.config.email {
            return Ok(account);
        }
        let updated = account.update_contacts(contact).await;
        updated.map_err(|error| match has_no_account(&error) {
            true => Failed::new(Failure::Forgotten, ACCOUNT, error),
            false => failed(error),
        })?;
        if let Some(mut kept) = self.kept_account().await? {
            kept.email = self.config.email.clone();
            self.keep(&kept).await?;
        }
        Ok(account)
    }

    async fn new_account(
        &self,
        builder: AccountBuilder,
        contact: &[&str],
        told: &Told,
    ) -> Result<Account, Failed> {
        let new = NewAccount {
            contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.config.directory.clone();
        let customer = self.config.external_account.as_ref();
        let external = customer.map(|it| ExternalAccountKey::new(it.id.clone(), &it.key));
        let made = builder.create(&new, directory.clone(), external.as_ref());
        let made = made.await;
        let (account, credentials) = made.map_err(|error| failed(ACCOUNT, error, told.get()))?;
        let kept = KeptAccount {
            directory,
            email: self.config.email.clone(),
            external_account: customer.map(|it| it.id.clone()),
            credentials,
        };
        self.keep(&kept).await?;
        Ok(account)
    }

    async fn kept_account(&self) -> Result<Option<KeptAccount>, Failed> {
        let kept = self.kept.account(self.wish).await;
        kept.map_err(|error| Failed::new(Failure::Unreached, ACCOUNT, error))
    }

    async fn keep(&self, account: &KeptAccount) -> Result<(), Failed> {
        let kept = self.kept.keep_account(account).await;
        kept.map_err(|error| Failed::new(Failure::Unreached, ACCOUNT, error))
    }

    /// Says that all that is to be proven can be looked at.
    async fn prove(
        &self,
        order: &mut Order,
        answering: &Answering,
        told: &Told,
    ) -> Result<(), Failed> {
        let failed = |error| failed(PROOF, error, told.get());
        let refused = |why: String| Failed::new(Failure::Refused, PROOF, why);
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            let name = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                other => return Err(refused(format!("{name} is {other:?} already"))),
            }
            let kind = self.kind(&authorization);
            let kind = kind.ok_or_else(|| {
                let why = "it offers neither tls-alpn-01 nor, with --acme-http-listen, http-01";
                Failed::new(Failure::Hopeless, PROOF, format!("{name}: {why}"))
            })?;
            let is_by_tls = kind == ChallengeType::TlsAlpn01;
            let challenge = authorization.challenge(kind);
            let mut challenge = challenge.ok_or_else(|| refused(format!("{name}: no way")))?;
            let proof = challenge.key_authorization();
            match is_by_tls {
                true => answering
                    .by_tls(&name, proof.digest().as_ref())
                    .map_err(|error| Failed::new(Failure::Hopeless, PROOF, error))?,
                false => answering.by_http(&challenge.token, proof.as_str()),
            }
            challenge.set_ready().await.map_err(failed)?;
        }
        Ok(())
    }

    /// By which of the ways that are offered: with a port for HTTP by that, as somebody wanted it so.
    fn kind(&self, authorization: &AuthorizationHandle<'_>) -> Option<ChallengeType> {
        let by_http = self.config.by_http.then_some(ChallengeType::Http01);
        let ways = by_http.into_iter().chain([ChallengeType::TlsAlpn01]);
        let mut offered = ways.filter(|way| {
            let mut challenges = authorization.challenges.iter();
            challenges.any(|challenge| challenge.r#type == *way)
        });
        offered.next()
    }

    /// Asks the authority what it saw instead of a proof.
    async fn refusal(&self, order: &mut Order, why: Option<String>) -> Failed {
        let mut seen: Vec<_> = why.into_iter().collect();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let name = authorization.identifier().to_string();
            let Ok(state) = authorization.refresh().await else {
                continue;
            };
            let problems = state.challenges.iter().filter_map(|it| it.error.as_ref());
            seen.extend(problems.map(|problem| format!("{name}: {}", said(problem))));
        }
        let ways = match self.config.by_http {
            true => "--acme-http-listen is to be reached at port 80 of each name",
            false => "--listen is to be reached at port 443 of each name",
        };
        let why = format!("the authority saw no proof; {ways}; {}", seen.join("; "));
        Failed::new(Failure::Refused, PROOF, why)
    }
}

/// A request for a certificate of these names, and the key that it will be for.
fn request(names: &[String]) -> Result<(Vec<u8>, Zeroizing<String>), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    Ok((request.der().to_vec(), Zeroizing::new(key.serialize_pem())))
}

fn failed(doing: &'static str, error: instant_acme::Error, told: Again) -> Failed {
    let failure = match kind(&error) {
        // By a proxy before the authority too, which has no words for it.
        _ if told.is_limited => Failure::Limited(told.after),
        Some("rateLimited") => Failure::Limited(told.after),
        Some(
            "unauthorized" | "incorrectResponse" | "connection" | "dns" | "tls" | "caa" | "dnssec"
            | "compound",
        ) => Failure::Refused,
        Some("accountDoesNotExist") => Failure::Forgotten,
        Some("serverInternal" | "badNonce") | None => Failure::Unreached,
        Some(_) => Failure::Hopeless,
    };
    let why = match &error {
        instant_acme::Error::Api(problem) => said(problem),
        error => error.to_string(),
    };
    Failed::new(failure, doing, why)
}

/// Said of something that every account may: there is no such account, or it was given up (RFC 8555, 7.3.6).
fn has_no_account(error: &instant_acme::Error) -> bool {
    matches!(kind(error), Some("unauthorized" | "accountDoesNotExist"))
}

/// What kind of problem it is, if the authority named one.
fn kind(error: &instant_acme::Error) -> Option<&str> {
    match error {
        instant_acme::Error::Api(problem) => problem.r#type.as_deref()?.strip_prefix(PROBLEM),
        _ => None,
    }
}

fn said(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("a problem");
    let kind = kind.strip_prefix(PROBLEM).unwrap_or(kind);
    let mut text = match &problem.detail {
        Some(detail) => format!("{detail} ({kind})"),
        None => kind.to_owned(),
    };
    for part in &problem.subproblems {
        text.push_str(&format!("; {part}"));
    }
    text
}

fn cut(mut text: String) -> String {
    if text.len() > WHY_BYTES_MAX {
        text.truncate(text.floor_char_boundary(WHY_BYTES_MAX));
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, detail: &str) -> instant_acme::Error {
        let problem = serde_json::json!({ "type": kind, "detail": detail, "status": 400 });
        let problem: Problem = serde_json::from_value(problem).unwrap();
        problem.into()
    }

    #[test]
    fn what_an_authority_says_decides_the_wait() {
        let told = Again {
            is_limited: false,
            after: Some(Duration::from_secs(7)),
        };
        let of = |kind: &str| failed("order", problem(kind, "so it is"), told);
        for (kind, failure) in [
            (
                "rateLimited",
                Failure::Limited(Some(Duration::from_secs(7))),
            ),
            ("connection", Failure::Refused),
            ("caa", Failure::Refused),
            ("unauthorized", Failure::Refused),
            ("compound", Failure::Refused),
            ("serverInternal", Failure::Unreached),
            ("accountDoesNotExist", Failure::Forgotten),
            ("rejectedIdentifier", Failure::Hopeless),
            ("externalAccountRequired", Failure::Hopeless),
        ] {
            let found = of(&format!("{PROBLEM}{kind}"));
            assert_eq!(found.failure, failure, "{kind}");
            let says = found.to_string();
            assert_eq!(says, format!("order: so it is ({kind})"));
        }
        assert_eq!(of("about:blank").failure, Failure::Unreached);
        let silence = || instant_acme::Error::Other("no answer in 30s".into());
        let failure = failed("order", silence(), Again::default()).failure;
        assert_eq!(failure, Failure::Unreached);
        // With the status of HTTP alone, as of a proxy.
        let limited = Again {
            is_limited: true,
            ..told
        };
        let failure = failed("order", silence(), limited).failure;
        assert_eq!(failure, Failure::Limited(told.after));
    }

    #[test]
    fn an_account_that_was_given_up_is_one_that_is_not_there() {
        for (kind, expected) in [
            ("unauthorized", true),
            ("accountDoesNotExist", true),
            ("rejectedIdentifier", false),
            ("serverInternal", false),
        ] {
            let error = problem(&format!("{PROBLEM}{kind}"), "so it is");
            assert_eq!(has_no_account(&error), expected, "{kind}");
        }
    }

    #[test]
    fn what_an_authority_says_is_told_up_to_a_limit() {
        let long = problem("about:blank", &"\u{20ac}".repeat(1_000));
        let told = failed("order", long, Again::default()).to_string();
        assert!(told.len() < WHY_BYTES_MAX + 20, "{}", told.len());
        assert!(told.starts_with("order: \u{20ac}") && told.ends_with("\u{20ac} ..."));
    }

    #[test]
    fn a_request_is_for_all_names_and_each_has_a_key_of_its_own() {
        let names = ["kiln.example".to_owned(), "api.kiln.example".to_owned()];
        let (request, key) = request(&names).unwrap();
        for name in &names {
            let name = name.as_bytes();
            assert!(request.windows(name.len()).any(|part| part == name));
        }
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert_ne!(*super::request(&names).unwrap().1, *key);
    }
}
