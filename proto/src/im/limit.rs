//! How much of anything there may be. The state machine enforces these; doors may refuse earlier.

use core::time::Duration;

/// Largest message content, in bytes of its text, data and names together.
pub const CONTENT_BYTES_MAX: usize = 16 * 1024;
/// Largest data that travels beside a message's content, in bytes.
pub const MESSAGE_DATA_BYTES_MAX: usize = 1024;
/// Most messages combined in one.
pub const MERGED_MAX: usize = 300;
/// Largest combined message, in bytes of its texts together.
pub const MERGED_BYTES_MAX: usize = 48 * 1024;
/// Most users a message may mention by name.
pub const MENTIONS_MAX: usize = 50;
/// Longest life that a message with an end may have.
pub const TTL_MAX: Duration = Duration::from_hours(24 * 30);
/// Most different reactions on a message.
pub const REACTIONS_MAX: usize = 32;
/// Most reactions of one user on a message.
pub const REACTIONS_PER_USER_MAX: usize = 8;
/// Longest reaction, in bytes.
pub const REACTION_BYTES_MAX: usize = 32;
/// Most edits of a message.
pub const EDITS_MAX: u16 = 50;
/// Most pinned messages of a conversation.
pub const PINS_MAX: usize = 50;
/// Most rows a page holds, and most items a list in a command or query may have unless said otherwise.
pub const PAGE_MAX: usize = 100;
/// Most accounts or members in one command of an import.
pub const IMPORT_MAX: usize = 500;
/// Most messages and conversations that one search looks at; it goes on from there when asked again.
pub const SEARCH_ROWS_MAX: usize = 5_000;
/// Longest words to search for, in bytes.
pub const SEARCH_BYTES_MAX: usize = 128;
/// How long a client key is remembered at least. Keys live in buckets of this length, and two are kept.
pub const KEYS_KEPT: Duration = Duration::from_hours(24 * 7);

/// Most friends of an account.
pub const FRIENDS_MAX: u32 = 3_000;
/// Most friend groups of an account.
pub const FRIEND_GROUPS_MAX: usize = 32;
/// Most friend requests that may wait for an account, and that it may have waiting.
pub const REQUESTS_MAX: u32 = 500;
/// Most accounts an account may block.
pub const BLOCKS_MAX: u32 = 1_000;
/// Most accounts an account may follow.
pub const FOLLOWING_MAX: u32 = 5_000;
/// Longest remark, friend group, folder or member card, in bytes.
pub const LABEL_BYTES_MAX: usize = 96;
/// Longest words that come with a request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 300;

/// Most log-ins of an account at once; the oldest ends for a new one.
pub const SESSIONS_MAX: usize = 32;
/// Earlier refresh hashes of a session that are still recognised as reused.
pub const REFRESH_KEPT: usize = 8;
/// How long the last refresh token may be used again, because its answer may have been lost.
pub const REFRESH_GRACE: Duration = Duration::from_secs(30);
/// Longest display name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest address of a picture or file, in bytes.
pub const URL_BYTES_MAX: usize = 1_024;
/// Longest text about an account or group, in bytes.
pub const ABOUT_BYTES_MAX: usize = 1_024;
/// Longest credential hash, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 512;
/// Most custom fields of a profile or group.
pub const CUSTOM_FIELDS_MAX: usize = 20;
/// Longest key of a custom field, attribute or counter, in bytes.
pub const KEY_BYTES_MAX: usize = 32;
/// Largest value of a custom field, in bytes.
pub const CUSTOM_BYTES_MAX: usize = 512;

/// Most conversations in an account's list, groups included.
pub const CONVERSATIONS_MAX: u32 = 10_000;
/// Most groups an account may be in.
pub const GROUPS_MAX: u32 = 5_000;
/// Most conversations an account may pin.
pub const PINNED_CONVERSATIONS_MAX: u32 = 50;
/// Longest draft, in bytes.
pub const DRAFT_BYTES_MAX: usize = 4 * 1024;
/// Most folders a conversation may be in.
pub const FOLDERS_MAX: usize = 5;
/// Most rows of a user's change log; the oldest are forgotten for new ones.
pub const CHANGES_MAX: u64 = 30_000;

/// Longest group notice, in bytes.
pub const NOTICE_BYTES_MAX: usize = 4 * 1024;
/// Most members of a group, but for communities.
pub const MEMBERS_MAX: u32 = 10_000;
/// Most members of a community.
pub const COMMUNITY_MEMBERS_MAX: u32 = 100_000;
/// Most administrators of a group.
pub const ADMINS_MAX: u32 = 50;
/// Most custom fields of a member.
pub const MEMBER_FIELDS_MAX: usize = 5;
/// Most requests to join that may wait in a group.
pub const JOIN_REQUESTS_MAX: u32 = 1_000;
/// Most attributes of a group.
pub const ATTRIBUTES_MAX: usize = 64;
/// Largest value of an attribute, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 4 * 1024;
/// Largest attributes of a group together, keys and values, in bytes.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1024;
/// Most counters of a group.
pub const COUNTERS_MAX: usize = 20;
/// Largest group for which readers of a message are listed.
pub const RECEIPT_MEMBERS_MAX: u32 = 500;

/// Most rows a command for housekeeping touches.
pub const EXPIRE_ROWS_MAX: usize = 1_000;

/// Most live rooms at once.
pub const LIVE_LEASES_MAX: u32 = 100_000;
/// A live room's lease that was not renewed is forgotten after this long.
pub const LIVE_LEASE_KEPT: Duration = Duration::from_hours(1);
/// Most people who are restrained in one live room.
pub const LIVE_RESTRAINED_MAX: usize = 200;
