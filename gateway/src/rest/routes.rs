//! The table of routes that ask what the socket asks: a path, a method, the request's frame, the answer.
//!
//! What stands in the path and in the query goes into the fields of the request of the same name; the rest is its body
//! in proto3 JSON.

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acting {
    /// A user, or a back end in the name of one (`as`).
    User,
    /// As well a back end on its own.
    Anybody,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// The field of `ClientFrame`, in JSON.
    pub(crate) frame: &'static str,
    /// Its message.
    pub(crate) request: &'static str,
    /// The message of the answer.
    pub(crate) answer: &'static str,
    /// A field that the route itself sets to true.
    pub(crate) fixed: &'static str,
    pub(crate) acting: Acting,
}

const fn route(
    method: &'static str,
    path: &'static str,
    frame: &'static str,
    request: &'static str,
    answer: &'static str,
) -> Route {
    Route { method, path, frame, request, answer, fixed: "", acting: Acting::User }
}

impl Route {
    const fn fixed(self, fixed: &'static str) -> Self {
        Self { fixed, ..self }
    }

    const fn anybody(self) -> Self {
        Self { acting: Acting::Anybody, ..self }
    }

    /// Whether it changes nothing.
    pub(crate) const fn is_question(&self) -> bool {
        matches!(self.method.as_bytes(), b"GET")
    }
}

const fn get(
    path: &'static str,
    frame: &'static str,
    request: &'static str,
    answer: &'static str,
) -> Route {
    route("GET", path, frame, request, answer)
}

const fn done(
    method: &'static str,
    path: &'static str,
    frame: &'static str,
    request: &'static str,
) -> Route {
    route(method, path, frame, request, "Done")
}

/// Every route of this kind.
pub(crate) const ROUTES: &[Route] = &[
    // People.
    get("/v1/account", "accountGet", "AccountGet", "Account"),
    done("PUT", "/v1/account/rules", "contactRulesSet", "ContactRulesSet"),
    get("/v1/profiles", "profileGet", "ProfileGet", "Profiles"),
    done("PATCH", "/v1/profile", "profileSet", "ProfileSet"),
    get("/v1/devices", "deviceList", "DeviceList", "Devices"),
    done("DELETE", "/v1/sessions/{session}", "deviceRemove", "DeviceRemove"),
    get("/v1/sync", "sync", "Sync", "Synced"),
    get("/v1/friends", "friendList", "FriendList", "Friends"),
    get("/v1/friends/requests", "friendRequestList", "FriendRequestList", "FriendRequests"),
    route("POST", "/v1/friends/requests", "friendRequest", "FriendRequest", "Requested"),
    route(
        "POST",
        "/v1/friends/requests/{user}/answer",
        "friendAnswer",
        "FriendAnswer",
        "Requested",
    ),
    get("/v1/friends/groups", "friendGroupList", "FriendGroupList", "FriendGroups"),
    route("POST", "/v1/friends/groups", "friendGroupSet", "FriendGroupSet", "FriendGroup"),
    get("/v1/friends/{user}", "relationGet", "RelationGet", "Relation"),
    done("PATCH", "/v1/friends/{user}", "friendUpdate", "FriendUpdate"),
    done("DELETE", "/v1/friends/{user}", "friendRemove", "FriendRemove"),
    get("/v1/blocks", "blockList", "BlockList", "Users"),
    done("PUT", "/v1/blocks/{user}", "block", "Block"),
    done("DELETE", "/v1/blocks/{user}", "block", "Block").fixed("unblock"),
    get("/v1/follows", "followList", "FollowList", "Users"),
    done("PUT", "/v1/follows/{user}", "follow", "Follow"),
    done("DELETE", "/v1/follows/{user}", "follow", "Follow").fixed("unfollow"),
    // Groups.
    route("POST", "/v1/groups", "groupCreate", "GroupCreate", "Group"),
    get("/v1/groups/{group}", "groupGet", "GroupGet", "Group").anybody(),
    done("PATCH", "/v1/groups/{group}", "groupUpdate", "GroupUpdate").anybody(),
    done("DELETE", "/v1/groups/{group}", "groupDismiss", "GroupDismiss").anybody(),
    done("PUT", "/v1/groups/{group}/rules", "groupRulesSet", "GroupRulesSet").anybody(),
    done("PUT", "/v1/groups/{group}/owner", "groupTransfer", "GroupTransfer").anybody(),
    get("/v1/groups/{group}/members", "groupMemberList", "GroupMemberList", "Members").anybody(),
    route("POST", "/v1/groups/{group}/members", "groupInvite", "GroupInvite", "MembersDone")
        .anybody(),
    route("POST", "/v1/groups/{group}/members/remove", "groupRemove", "GroupRemove", "MembersDone")
        .anybody(),
    done("PATCH", "/v1/groups/{group}/members/{user}", "groupMemberUpdate", "GroupMemberUpdate")
        .anybody(),
    route("POST", "/v1/groups/{group}/join", "groupJoin", "GroupJoin", "Requested"),
    done("POST", "/v1/groups/{group}/leave", "groupLeave", "GroupLeave"),
    get("/v1/groups/{group}/joins", "groupJoinList", "GroupJoinList", "Joins").anybody(),
    done("POST", "/v1/groups/{group}/joins/{user}", "groupJoinAnswer", "GroupJoinAnswer").anybody(),
    get("/v1/groups/{group}/bans", "groupBanList", "GroupBanList", "Bans").anybody(),
    done("PUT", "/v1/groups/{group}/bans/{user}", "groupBan", "GroupBan").anybody(),
    done("DELETE", "/v1/groups/{group}/bans/{user}", "groupBan", "GroupBan")
        .fixed("unban")
        .anybody(),
    done("PUT", "/v1/groups/{group}/mute", "groupMuteAll", "GroupMuteAll").anybody(),
    done("PUT", "/v1/groups/{group}/mutes/{user}", "groupMute", "GroupMute").anybody(),
    done("PUT", "/v1/groups/{group}/roles/{user}", "groupRole", "GroupRole").anybody(),
    get("/v1/groups/{group}/attributes", "groupAttributesGet", "GroupAttributesGet", "Attributes")
        .anybody(),
    route(
        "PUT",
        "/v1/groups/{group}/attributes/{key}",
        "groupAttributeSet",
        "GroupAttributeSet",
        "Attribute",
    )
    .anybody(),
    get("/v1/groups/{group}/counters", "groupCountersGet", "GroupCountersGet", "Counters")
        .anybody(),
    route("POST", "/v1/groups/{group}/counters/{name}", "groupCount", "GroupCount", "Counter")
        .anybody(),
    // Conversations.
    get("/v1/conversations", "conversationList", "ConversationList", "Conversations"),
    get("/v1/conversations/{conversation}", "conversationGet", "ConversationGet", "Conversation"),
    done("PATCH", "/v1/conversations/{conversation}", "conversationSet", "ConversationSet"),
    done("POST", "/v1/conversations/{conversation}/hide", "conversationHide", "ConversationHide"),
    done("PUT", "/v1/conversations/{conversation}/read", "read", "Read"),
    done("PUT", "/v1/conversations/{conversation}/delivered", "delivered", "Delivered"),
    get("/v1/conversations/{conversation}/cursors", "cursorsGet", "CursorsGet", "Cursors")
        .anybody(),
    get("/v1/conversations/{conversation}/pins", "pinsGet", "PinsGet", "Sequences").anybody(),
    get("/v1/conversations/{conversation}/mentions", "mentionsGet", "MentionsGet", "Sequences"),
    get("/v1/conversations/{conversation}/revisions", "revisionsGet", "RevisionsGet", "Revisions")
        .anybody(),
    get("/v1/unread", "unreadGet", "UnreadGet", "Unread"),
    // Messages.
    get("/v1/search", "search", "Search", "Found"),
    route("POST", "/v1/messages", "send", "Send", "Sent"),
    get("/v1/conversations/{conversation}/messages", "pull", "Pull", "Messages").anybody(),
    route("POST", "/v1/conversations/{conversation}/messages", "send", "Send", "Sent"),
    done("POST", "/v1/conversations/{conversation}/messages/hide", "hideMessages", "HideMessages"),
    route("PUT", "/v1/conversations/{conversation}/messages/{seq}", "edit", "Edit", "Revised"),
    route(
        "POST",
        "/v1/conversations/{conversation}/messages/{seq}/withdraw",
        "withdraw",
        "Withdraw",
        "Revised",
    )
    .anybody(),
    get(
        "/v1/conversations/{conversation}/messages/{seq}/reactions",
        "reactionsGet",
        "ReactionsGet",
        "Users",
    )
    .anybody(),
    route(
        "POST",
        "/v1/conversations/{conversation}/messages/{seq}/reactions",
        "react",
        "React",
        "Revised",
    ),
    route(
        "PUT",
        "/v1/conversations/{conversation}/messages/{seq}/pin",
        "pinMessage",
        "PinMessage",
        "Revised",
    )
    .anybody(),
    route(
        "DELETE",
        "/v1/conversations/{conversation}/messages/{seq}/pin",
        "pinMessage",
        "PinMessage",
        "Revised",
    )
    .fixed("unpin")
    .anybody(),
    get(
        "/v1/conversations/{conversation}/messages/{seq}/receipts",
        "receiptsGet",
        "ReceiptsGet",
        "Receipts",
    )
    .anybody(),
    get("/v1/conversations/{conversation}/messages/{seq}/edits", "editsGet", "EditsGet", "Edits")
        .anybody(),
];
