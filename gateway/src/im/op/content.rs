//! Contents and options of messages, both ways.

use std::time::Duration;

use proto::{
    im::{
        group::Role,
        id::{Sequence, UserId},
        message::{
            Body, Content, File, Gone, Mentions, MergedItem, Message, MessageOptions, Picture,
            Priority, Tip,
        },
    },
    time::LogTime,
};

use super::text;
use crate::{
    error::Error,
    im::wire::pb::{self, content::Kind},
};

/// A content that a client sends.
pub(crate) fn read(content: Option<pb::Content>) -> Result<Content, Error> {
    let kind = content.and_then(|content| content.kind);
    let kind = kind.ok_or(Error::Malformed("content is missing or of no known kind"))?;
    Ok(match kind {
        Kind::Text(pb::Text { text }) => Content::Text { text },
        Kind::Image(image) => Content::Image {
            file: file(image.file)?,
            picture: picture(image.width, image.height, image.thumbnail),
        },
        Kind::Voice(voice) => {
            Content::Voice { file: file(voice.file)?, duration_ms: voice.duration_ms }
        }
        Kind::Video(video) => Content::Video {
            file: file(video.file)?,
            picture: picture(video.width, video.height, video.thumbnail),
            duration_ms: video.duration_ms,
        },
        Kind::File(content) => Content::File { file: file(content.file)? },
        Kind::Location(place) => Content::Location {
            latitude_e6: place.latitude_e6,
            longitude_e6: place.longitude_e6,
            title: place.title,
        },
        Kind::Custom(custom) => Content::Custom {
            kind: custom.kind,
            data: custom.data.to_vec(),
            summary: custom.summary,
        },
        Kind::Merged(merged) => Content::Merged {
            title: merged.title,
            items: merged.items.into_iter().map(merged_item).collect(),
        },
        Kind::Tip(_) => return Err(Error::Malformed("tips are sent by the server only")),
    })
}

fn file(file: Option<pb::File>) -> Result<File, Error> {
    let pb::File { url, name, mime, bytes, digest } =
        file.ok_or(Error::Malformed("file is missing"))?;
    Ok(File { url, name, mime, bytes, digest })
}

const fn picture(width: u32, height: u32, thumbnail: String) -> Picture {
    Picture { width, height, thumbnail }
}

fn merged_item(item: pb::MergedItem) -> MergedItem {
    MergedItem { sender: item.sender, at: LogTime(item.at), text: item.text }
}

/// How a client wants a message to travel.
pub(crate) fn read_options(options: Option<pb::Options>) -> Result<MessageOptions, Error> {
    let options = options.unwrap_or_default();
    let priority = options.priority();
    Ok(MessageOptions {
        no_unread: options.no_unread,
        no_push: options.no_push,
        wants_receipt: options.wants_receipt,
        ttl: options.ttl_ms.map(Duration::from_millis),
        mentions: Mentions { all: options.mention_all, users: text::users(&options.mentions)? },
        priority: read_priority(priority),
        reply_to: options.reply_to.map(Sequence),
        data: options.data,
    })
}

pub(crate) const fn read_priority(priority: pb::Priority) -> Priority {
    match priority {
        pb::Priority::Normal => Priority::Normal,
        pb::Priority::Low => Priority::Low,
        pb::Priority::High => Priority::High,
    }
}

pub(crate) const fn write_priority(priority: Priority) -> pb::Priority {
    match priority {
        Priority::Normal => pb::Priority::Normal,
        Priority::Low => pb::Priority::Low,
        Priority::High => pb::Priority::High,
    }
}

pub(crate) fn write_message(message: &Message) -> pb::Message {
    let (content, gone) = match &message.body {
        Body::Content(content) => (Some(write(content)), None),
        Body::Gone { how, by, at } => {
            let how = match how {
                Gone::Recalled => pb::GoneHow::Recalled,
                Gone::Deleted => pb::GoneHow::Deleted,
                Gone::Expired => pb::GoneHow::Expired,
            };
            (None, Some(pb::Gone { how: how.into(), by: name(by.as_ref()), at: at.0 }))
        }
    };
    pb::Message {
        seq: message.seq.0,
        at: message.at.0,
        sender: name(message.sender.as_ref()),
        // The server's own messages have no key.
        cmid: message.sender.as_ref().map(|_| message.key.0.to_vec().into()).unwrap_or_default(),
        content,
        gone,
        options: write_options(&message.options),
        revision: message.revision,
        edits: message.edits.into(),
        edited_at: message.edited_at.map_or(0, |at| at.0),
        reactions: message.reactions.clone(),
        pinned: message.pinned,
    }
}

/// `None` where everything is as usual: most messages are plain.
fn write_options(options: &MessageOptions) -> Option<pb::Options> {
    (*options != MessageOptions::default()).then(|| pb::Options {
        reply_to: options.reply_to.map(|seq| seq.0),
        mentions: names(&options.mentions.users),
        mention_all: options.mentions.all,
        no_unread: options.no_unread,
        no_push: options.no_push,
        wants_receipt: options.wants_receipt,
        ttl_ms: options.ttl.map(super::output::millis),
        priority: write_priority(options.priority).into(),
        data: options.data.clone(),
    })
}

pub(crate) fn write(content: &Content) -> pb::Content {
    let kind = match content {
        Content::Text { text } => Kind::Text(pb::Text { text: text.clone() }),
        Content::Image { file, picture } => Kind::Image(pb::Image {
            file: write_file(file),
            width: picture.width,
            height: picture.height,
            thumbnail: picture.thumbnail.clone(),
        }),
        Content::Voice { file, duration_ms } => {
            Kind::Voice(pb::Voice { file: write_file(file), duration_ms: *duration_ms })
        }
        Content::Video { file, picture, duration_ms } => Kind::Video(pb::Video {
            file: write_file(file),
            width: picture.width,
            height: picture.height,
            thumbnail: picture.thumbnail.clone(),
            duration_ms: *duration_ms,
        }),
        Content::File { file } => Kind::File(pb::FileContent { file: write_file(file) }),
        Content::Location { latitude_e6, longitude_e6, title } => Kind::Location(pb::Location {
            latitude_e6: *latitude_e6,
            longitude_e6: *longitude_e6,
            title: title.clone(),
        }),
        Content::Custom { kind, data, summary } => Kind::Custom(pb::Custom {
            kind: kind.clone(),
            data: data.clone().into(),
            summary: summary.clone(),
        }),
        Content::Merged { title, items } => Kind::Merged(pb::Merged {
            title: title.clone(),
            items: items
                .iter()
                .map(|item| pb::MergedItem {
                    sender: item.sender.clone(),
                    at: item.at.0,
                    text: item.text.clone(),
                })
                .collect(),
        }),
        Content::Tip(tip) => Kind::Tip(write_tip(tip)),
    };
    pb::Content { kind: Some(kind) }
}

fn write_file(file: &File) -> Option<pb::File> {
    let File { url, name, mime, bytes, digest } = file.clone();
    Some(pb::File { url, name, mime, bytes, digest })
}

fn write_tip(tip: &Tip) -> pb::Tip {
    let one = |user: &UserId| vec![user.to_string()];
    let kind = |kind: &str| pb::Tip { kind: kind.to_owned(), ..pb::Tip::default() };
    match tip {
        Tip::Created { by } => pb::Tip { by: name(by.as_ref()), ..kind("created") },
        Tip::Joined { users, count, by } => {
            pb::Tip { users: names(users), count: *count, by: name(by.as_ref()), ..kind("joined") }
        }
        Tip::Left { user } => pb::Tip { users: one(user), count: 1, ..kind("left") },
        Tip::Removed { users, count, by } => {
            pb::Tip { users: names(users), count: *count, by: name(by.as_ref()), ..kind("removed") }
        }
        Tip::OwnerChanged { to } => pb::Tip { users: one(to), count: 1, ..kind("owner_changed") },
        Tip::RoleChanged { user, role } => pb::Tip {
            users: one(user),
            count: 1,
            value: role_name(*role).to_owned(),
            ..kind("role_changed")
        },
        Tip::Renamed { name: new, by } => {
            pb::Tip { value: new.clone(), by: name(by.as_ref()), ..kind("renamed") }
        }
        Tip::NoticeChanged { by } => pb::Tip { by: name(by.as_ref()), ..kind("notice_changed") },
        Tip::MutedAll { on, by } => pb::Tip { on: *on, by: name(by.as_ref()), ..kind("muted_all") },
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

pub(crate) fn name(user: Option<&UserId>) -> String {
    user.map(ToString::to_string).unwrap_or_default()
}

pub(crate) fn names<'a>(users: impl IntoIterator<Item = &'a UserId>) -> Vec<String> {
    users.into_iter().map(ToString::to_string).collect()
}
