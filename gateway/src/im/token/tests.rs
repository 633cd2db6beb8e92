use std::collections::BTreeMap;

use proto::im::id::SessionId;
use serde_json::json;

use super::{Access, Bearer, Tokens, refresh_hash};
use crate::{
    auth::{AuthError, Token},
    error::Error,
    im::config::Secret,
    testing::{NOW_S, keys},
};

fn tokens(secret: &str) -> Tokens {
    Tokens::new(&Secret::from(secret), keys())
}

fn access() -> Access {
    Access {
        user: "ada".parse().unwrap(),
        device: "phone".parse().unwrap(),
        login: SessionId(0xfeed),
        epoch: 3,
    }
}

fn of_key(sub: &str, claims: &[(&str, serde_json::Value)]) -> String {
    let other: BTreeMap<_, _> =
        claims.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let token = Token { sub: sub.to_owned(), exp: Some(NOW_S + 60), other, ..Token::default() };
    keys().sign(None, &token).unwrap()
}

#[test]
fn a_token_says_what_was_signed() {
    let tokens = tokens("one");
    let token = tokens.sign(&access(), NOW_S, NOW_S + 900).unwrap();
    let Bearer::User(user) = tokens.verify(&token, NOW_S).unwrap() else { panic!("no user") };
    assert_eq!(user.user, access().user);
    assert_eq!(user.device, Some(access().device));
    assert_eq!((user.login, user.epoch), (Some(SessionId(0xfeed)), Some(3)));
    assert_eq!(user.expires_at_s, NOW_S + 900);
}

#[test]
fn a_token_of_another_secret_or_time_is_refused() {
    let token = tokens("one").sign(&access(), NOW_S, NOW_S + 900).unwrap();
    let refused = |secret, now_s| tokens(secret).verify(&token, now_s).unwrap_err();
    assert_eq!(refused("two", NOW_S), Error::Auth(AuthError::Forged));
    assert_eq!(refused("one", NOW_S + 961), Error::Auth(AuthError::Expired));
    assert_eq!(refused("one", NOW_S - 61), Error::Auth(AuthError::NotYetValid));
    assert_eq!(tokens("one").verify("", NOW_S).unwrap_err(), Error::Auth(AuthError::Missing));
    let none = token.rsplit_once('.').unwrap().0.to_owned() + ".";
    assert!(tokens("one").verify(&none, NOW_S).is_err());
}

#[test]
fn back_ends_sign_tokens_of_users_and_of_their_own() {
    let tokens = tokens("one");
    let verify = |token: String| tokens.verify(&token, NOW_S);
    let Ok(Bearer::User(user)) = verify(of_key("ada", &[("im", json!(true))])) else {
        panic!("no user")
    };
    assert_eq!((user.user.as_str(), user.login, user.epoch), ("ada", None, None));
    let claims = [("im", json!(true)), ("did", json!("tv")), ("epoch", json!(2))];
    let Ok(Bearer::User(user)) = verify(of_key("ada", &claims)) else { panic!("no user") };
    assert_eq!((user.device.unwrap().as_str(), user.epoch), ("tv", Some(2)));
    let admin = verify(of_key("", &[("imAdmin", json!(true))]));
    assert_eq!(admin, Ok(Bearer::Backend));
    let named = verify(of_key("Jo, who operates", &[("imAdmin", json!(true))]));
    assert_eq!(named, Ok(Bearer::Backend), "whom it was made for is not a user");
    assert_eq!(verify(of_key("ada", &[])), Err(Error::GrantMissing("im")));
    let nobody = verify(of_key("", &[("im", json!(true))]));
    assert_eq!(nobody, Err(Error::IdentityMissing));
    let odd = verify(of_key("a b", &[("im", json!(true))]));
    assert_eq!(odd, Err(Error::Auth(AuthError::Malformed)));
}

#[test]
fn refresh_tokens_are_stored_as_their_hash() {
    let hash = refresh_hash("abc").0;
    assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf], "SHA-256 of abc (FIPS 180-4)");
}
