//! Unit tests of sealing.

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database.execute_batch(TABLES).unwrap();
    database
}

fn masters() -> MasterKeys {
    MasterKeys {
        current: MasterKey::random().unwrap(),
        former: Vec::new(),
    }
}

fn account() -> AccountId {
    AccountId::default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sealed_opens_and_shows_nothing_of_itself(plain in proptest::collection::vec(any::<u8>(), 4..200)) {
        let database = database();
        let vault = Vault::unlock(&database, &masters()).unwrap().0;
        let sealed = vault.seal(&database, &account(), "row", &plain).unwrap();
        prop_assert_eq!(&*vault.open(&account(), "row", &sealed).unwrap(), &plain);
        prop_assert!(!sealed.as_bytes().windows(plain.len()).any(|part| part == plain));
    }

    #[test]
    fn whatever_is_altered_does_not_open(at in 0usize..60, to in any::<u8>()) {
        let database = database();
        let vault = Vault::unlock(&database, &masters()).unwrap().0;
        let sealed = vault.seal(&database, &account(), "row", b"a secret of some length").unwrap();
        let mut altered = sealed.clone().into_bytes();
        let at = at % altered.len();
        prop_assume!(altered[at] != to);
        altered[at] = to;
        let Ok(altered) = String::from_utf8(altered) else { return Ok(()) };
        prop_assert!(vault.open(&account(), "row", &altered).is_err());
    }
}

#[test]
fn the_same_text_is_sealed_differently_each_time() {
    let database = database();
    let vault = Vault::unlock(&database, &masters()).unwrap().0;
    let seal = || vault.seal(&database, &account(), "row", b"text").unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn what_is_one_things_or_one_accounts_opens_as_no_other() {
    let database = database();
    let vault = Vault::unlock(&database, &masters()).unwrap().0;
    let sealed = vault.seal(&database, &account(), "one", b"text").unwrap();
    assert!(vault.open(&account(), "two", &sealed).is_err());
    let other = "123456789012".parse().unwrap();
    assert!(vault.open(&other, "one", &sealed).is_err());
    vault.seal(&database, &other, "one", b"text").unwrap();
    assert!(vault.open(&other, "one", &sealed).is_err());
}

#[test]
fn a_data_key_whose_transaction_failed_seals_nothing_afterwards() {
    let mut database = database();
    let masters = masters();
    let vault = Vault::unlock(&database, &masters).unwrap().0;
    let transaction = database.transaction().unwrap();
    vault
        .seal(&transaction, &account(), "row", b"lost")
        .unwrap();
    transaction.rollback().unwrap();
    let sealed = vault.seal(&database, &account(), "row", b"kept").unwrap();
    let again = Vault::unlock(&database, &masters).unwrap().0;
    assert_eq!(&**again.open(&account(), "row", &sealed).unwrap(), b"kept");
}

#[test]
fn a_key_that_is_made_in_the_commit_of_a_rotation_is_not_forgotten_with_those_that_it_destroys() {
    let database = Connection::open_in_memory().unwrap();
    for migration in crate::functions::META.migrations {
        database.execute_batch(migration).unwrap();
    }
    let vault = Vault::unlock(&database, &masters()).unwrap().0;
    let before = vault.seal(&database, &account(), "row", b"old").unwrap();
    let (resealed, destroyed) = vault.rotate(&database).unwrap();
    assert_eq!((resealed.keys, destroyed.len()), (1, 1));
    let other = "123456789012".parse().unwrap();
    let beside = vault.seal(&database, &other, "row", b"new").unwrap();
    vault.forget(&destroyed);
    assert_eq!(&**vault.open(&other, "row", &beside).unwrap(), b"new");
    assert!(vault.open(&account(), "row", &before).is_err());
    vault.seal(&database, &account(), "row", b"anew").unwrap();
}

#[test]
fn a_former_master_key_is_needed_once() {
    let database = database();
    let old = masters();
    let vault = Vault::unlock(&database, &old).unwrap().0;
    let sealed = vault.seal(&database, &account(), "row", b"text").unwrap();
    let new = masters();
    assert!(matches!(
        Vault::unlock(&database, &new),
        Err(Error::WrongMasterKey)
    ));
    let both = MasterKeys {
        former: vec![old.current.clone()],
        ..new.clone()
    };
    assert!(Vault::unlock(&database, &both).unwrap().1);
    let vault = Vault::unlock(&database, &new).unwrap().0;
    assert_eq!(&**vault.open(&account(), "row", &sealed).unwrap(), b"text");
    assert!(matches!(
        Vault::unlock(&database, &old),
        Err(Error::WrongMasterKey)
    ));
}

#[test]
fn a_master_key_is_32_bytes_of_base64_and_never_shown() {
    let key = MasterKey::random().unwrap();
    let text = key.to_base64();
    assert_eq!(
        format!("\n{}\n", *text).parse::<MasterKey>(),
        Ok(key.clone())
    );
    assert_eq!(format!("{key:?}"), "MasterKey");
    for wrong in ["", "c2hvcnQ=", "not base64 at all", &text[1..]] {
        assert_eq!(wrong.parse::<MasterKey>(), Err(InvalidMasterKey), "{wrong}");
    }
}
