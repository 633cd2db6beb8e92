//! What people see of a group, its rules, and its end.

use proto::{
    im::{
        Event, Reject, Reply, Role,
        command::GroupChange,
        event::GroupPart,
        group::{GroupInfo, GroupRules, Notice},
        limit::{
            ABOUT_BYTES_MAX, CUSTOM_FIELDS_MAX, NAME_BYTES_MAX, NOTICE_BYTES_MAX, URL_BYTES_MAX,
        },
        message::Tip,
        reject::{Many, Part},
    },
    time::LogTime,
};

use super::Open;
use crate::{
    check, key, message, tx,
    tx::Tx,
    wheel::{self, Task},
};

/// Refuses what is too long.
pub(crate) fn check(info: &GroupInfo) -> Result<(), Reject> {
    check::within(Part::Name, info.name.len(), NAME_BYTES_MAX)?;
    check::within(Part::Url, info.avatar.len(), URL_BYTES_MAX)?;
    check::within(Part::About, info.about.len(), ABOUT_BYTES_MAX)?;
    check::within(Part::About, info.notice.text.len(), NOTICE_BYTES_MAX)?;
    check::at_most(Many::Fields, info.custom.len(), CUSTOM_FIELDS_MAX)?;
    info.custom.iter().try_for_each(|(key, value)| check::field(key, value))
}

/// Changes what people see.
pub(crate) fn update(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    change: &GroupChange,
) -> Result<Reply, Reject> {
    open.editors_only()?;
    let by = open.asker.by().cloned();
    let mut info = open.group.info.clone();
    info.name = change.name.clone().unwrap_or(info.name);
    info.avatar = change.avatar.clone().unwrap_or(info.avatar);
    info.about = change.about.clone().unwrap_or(info.about);
    let notice = change.notice.as_ref().filter(|text| **text != info.notice.text);
    if let Some(text) = notice {
        info.notice = Notice { text: text.clone(), by: by.clone(), at: tx.at };
    }
    check::change_fields(&mut info.custom, &change.custom, CUSTOM_FIELDS_MAX)?;
    check(&info)?;
    if info == open.group.info {
        return Ok(Reply::Done);
    }
    let renamed = info.name != open.group.info.name;
    open.group.info = info;
    open.changed(tx, GroupPart::Info, None);
    if open.policy.tips && renamed {
        let tip = Tip::Renamed { name: open.group.info.name.clone(), by: by.clone() };
        message::tip(tx, &open.conversation, &mut open.head, tip);
    }
    if open.policy.tips && notice.is_some() {
        message::tip(tx, &open.conversation, &mut open.head, Tip::NoticeChanged { by });
    }
    Ok(Reply::Done)
}

/// Changes the rules.
pub(crate) fn set_rules(
    tx: &mut Tx<'_>,
    open: &mut Open<'_>,
    rules: &GroupRules,
) -> Result<Reply, Reject> {
    open.at_least(Role::Owner)?;
    let rules = open.policy.check_rules(rules)?;
    if rules != open.group.rules {
        open.group.rules = rules;
        apply_retention(tx, open);
        open.changed(tx, GroupPart::Info, None);
    }
    Ok(Reply::Done)
}

/// Lets the head know how long messages are kept.
pub(crate) fn apply_retention(tx: &mut Tx<'_>, open: &mut Open<'_>) {
    let own = open.group.rules.retention;
    open.head.retention.own = own.is_some();
    open.head.retention.keep = own.or_else(|| tx::settings(tx).retention);
    wheel::refile_trim(tx, &open.conversation, &mut open.head);
}

/// Lets nobody but administrators write, or everybody again.
pub(crate) fn mute_all(tx: &mut Tx<'_>, open: &mut Open<'_>, on: bool) -> Result<Reply, Reject> {
    open.at_least(Role::Admin)?;
    if open.head.muted != on {
        open.head.muted = on;
        open.changed(tx, GroupPart::Info, None);
        if open.policy.tips {
            let by = open.asker.by().cloned();
            message::tip(tx, &open.conversation, &mut open.head, Tip::MutedAll { on, by });
        }
    }
    Ok(Reply::Done)
}

/// Ends the group for everybody at once; what is left of it is removed by housekeeping.
pub(crate) fn dismiss(tx: &mut Tx<'_>, open: &mut Open<'_>) -> Result<Reply, Reject> {
    open.at_least(Role::Owner)?;
    if !open.policy.owner_dismisses {
        open.asker.backend_only()?;
    }
    end(tx, open);
    Ok(Reply::Done)
}

/// Ends the group.
pub(crate) fn end(tx: &mut Tx<'_>, open: &mut Open<'_>) {
    let now: LogTime = tx.at;
    open.group.dismissed_at = Some(now);
    open.group.owner = None;
    open.group.info = GroupInfo::default();
    if let Some(due) = open.head.retention.due.take() {
        wheel::unfile(tx, due, &Task::Trim { conversation: open.conversation.clone() });
    }
    tx.remove(key::head(&open.conversation));
    wheel::file(tx, now, &Task::ForgetGroup(open.id.clone()));
    tx.tell(Event::Dismissed { group: open.id.clone() });
}
