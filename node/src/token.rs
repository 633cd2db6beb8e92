//! `stoa token`: an access token for people and scripts.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args as ClapArgs;
use gateway::auth::{Keys, Token, VideoGrant};

use crate::{
    clock::log_time,
    config::{Config, Flags},
};

/// What the token says.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Who it is for.
    #[arg(long)]
    identity: String,
    /// The room it is good for.
    #[arg(long)]
    room: Option<String>,
    /// Display name.
    #[arg(long)]
    name: Option<String>,
    /// Rights, separated by commas: join, create, list, admin, record, hidden, update-metadata, no-publish, no-subscribe, no-data;
    /// nodes (cluster and backup; with admin and no room: every room), chat (accounts and groups as a back end).
    #[arg(long, value_delimiter = ',', default_value = "join")]
    grants: Vec<String>,
    /// Seconds until it expires.
    #[arg(long, default_value_t = 6 * 3600)]
    valid_for: u64,
    /// The API key to sign with [default: the first configured].
    #[arg(long)]
    key: Option<String>,
    /// Use the development key.
    #[arg(long)]
    dev: bool,
    /// Configuration file with the keys.
    #[arg(long, env = "STOA_CONFIG")]
    config: Option<PathBuf>,
}

/// Prints the token on standard output.
///
/// # Errors
/// No key is configured, or a right is unknown.
pub(crate) fn print(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), Flags { dev: args.dev, ..Flags::default() })?;
    let keys: Keys =
        config.keys.iter().map(|(key, secret)| (key.clone(), secret.clone())).collect();
    let token = Token {
        sub: args.identity.clone(),
        name: args.name.clone(),
        exp: Some(log_time().as_secs() + args.valid_for),
        video: Some(grants(&args.grants, args.room.clone())?),
        other: claims(&args.grants),
        ..Token::default()
    };
    let signed = keys.sign(args.key.as_deref(), &token).context("signing the token")?;
    writeln!(std::io::stdout(), "{signed}")?;
    Ok(())
}

/// Rights beside rooms, and the claims that give them.
const CLAIMS: &[(&str, &str)] = &[("nodes", "nodeAdmin"), ("chat", "imAdmin")];

fn claims(names: &[String]) -> BTreeMap<String, serde_json::Value> {
    let wanted = CLAIMS.iter().filter(|(name, _)| names.iter().any(|named| named == name));
    wanted.map(|(_, claim)| ((*claim).to_owned(), true.into())).collect()
}

fn grants(names: &[String], room: Option<String>) -> anyhow::Result<VideoGrant> {
    let mut grant = VideoGrant { room, ..VideoGrant::default() };
    for name in names {
        match name.as_str() {
            "join" => grant.room_join = Some(true),
            "create" => grant.room_create = Some(true),
            "list" => grant.room_list = Some(true),
            "admin" => grant.room_admin = Some(true),
            "record" => grant.room_record = Some(true),
            "hidden" => grant.hidden = Some(true),
            "update-metadata" => grant.can_update_own_metadata = Some(true),
            "no-publish" => grant.can_publish = Some(false),
            "no-subscribe" => grant.can_subscribe = Some(false),
            "no-data" => grant.can_publish_data = Some(false),
            name if CLAIMS.iter().any(|(known, _)| *known == name) => {}
            other => bail!("unknown right {other:?}; see stoa token --help"),
        }
    }
    Ok(grant)
}

#[cfg(test)]
mod tests {
    use super::{claims, grants};

    #[test]
    fn rights_are_named_one_by_one_and_an_unknown_one_is_refused() {
        let named = ["join".to_owned(), "no-publish".to_owned()];
        let grant = grants(&named, Some("r".to_owned())).unwrap();
        assert_eq!((grant.room_join, grant.can_publish), (Some(true), Some(false)));
        assert!(grants(&["fly".to_owned()], None).is_err());
        let named = ["nodes".to_owned(), "chat".to_owned()];
        assert!(grants(&named, None).is_ok());
        let named = claims(&named);
        assert_eq!(named.keys().collect::<Vec<_>>(), ["imAdmin", "nodeAdmin"]);
    }
}
