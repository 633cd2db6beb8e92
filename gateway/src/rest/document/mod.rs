//! The OpenAPI 3.1 document, made from the table of routes and the schema, so that it cannot say anything else.

use std::{collections::BTreeMap, sync::OnceLock};

use axum::{
    Router,
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use super::{
    accounts, groups, handle, import, live,
    routes::{Acting, ROUTES},
    sessions, settings,
};
use crate::{error::Error, im::Chat};

#[cfg(test)]
mod tests;

/// Schemas of all messages, made by the build.
const SCHEMAS: &str = include_str!(concat!(env!("OUT_DIR"), "/schemas.json"));

pub(super) fn router() -> Router<Chat> {
    Router::new().route("/v1/openapi.json", get(serve))
}

async fn serve() -> Response {
    static TEXT: OnceLock<Option<String>> = OnceLock::new();
    let text = TEXT.get_or_init(|| serde_json::to_string(&document()).ok());
    match text {
        Some(text) => ([(header::CONTENT_TYPE, "application/json")], text.clone()).into_response(),
        None => handle::respond(Err(Error::Internal)),
    }
}

/// How a field is written in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    List,
    Text,
}

/// Whether every enumeration in a message has a name that the schema knows.
pub(super) fn check_names(message: &str, value: &Value) -> Result<(), Error> {
    static ALL: OnceLock<Map<String, Value>> = OnceLock::new();
    let all = ALL.get_or_init(|| serde_json::from_str(SCHEMAS).unwrap_or_default());
    let schema = all.get(message);
    if schema.is_none_or(|schema| has_known_names(all, schema, value)) {
        return Ok(());
    }
    Err(Error::Malformed("an enumeration has no such name"))
}

fn has_known_names(all: &Map<String, Value>, schema: &Value, value: &Value) -> bool {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let schema = name.and_then(|name| all.get(name)).unwrap_or(schema);
    match value {
        Value::String(_) => {
            let names = schema.get("enum").and_then(Value::as_array);
            names.is_none_or(|names| names.contains(value))
        }
        Value::Array(items) => {
            let of = schema.get("items").unwrap_or(&Value::Null);
            items.iter().all(|item| has_known_names(all, of, item))
        }
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            let of = schema.get("properties").and_then(|properties| properties.get(name));
            let of = of.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null);
            has_known_names(all, of, value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

type Fields = BTreeMap<String, BTreeMap<String, Kind>>;

/// What kind of field it is; `None`: the message has no such field, or one that no query can hold.
pub(super) fn kind(message: &str, field: &str) -> Option<Kind> {
    static FIELDS: OnceLock<Fields> = OnceLock::new();
    FIELDS.get_or_init(fields).get(message)?.get(field).copied()
}

fn fields() -> Fields {
    let schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let of_message = |schema: &Value| {
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        properties.filter_map(|(name, schema)| Some((name.clone(), kind_of(schema)?))).collect()
    };
    schemas.iter().map(|(name, schema)| (name.clone(), of_message(schema))).collect()
}

fn kind_of(schema: &Value) -> Option<Kind> {
    match schema.get("type")?.as_str()? {
        "boolean" => Some(Kind::Flag),
        "array" => schema.get("items")?.get("type").map(|_| Kind::List),
        "string" | "integer" => Some(Kind::Text),
        _ => None,
    }
}

/// A route that is not in the table.
pub(super) struct Extra {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) request: Option<&'static str>,
    pub(super) answer: &'static str,
    pub(super) summary: &'static str,
    /// Whether a token is needed.
    pub(super) secured: bool,
    /// Whether an idempotency key does something.
    pub(super) keyed: bool,
    /// Names of query parameters.
    pub(super) query: &'static [&'static str],
}

fn document() -> Value {
    let mut paths = Map::new();
    let mut add = |method: &str, path: &str, operation: Value| {
        let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(method.to_lowercase(), operation);
        }
    };
    for route in ROUTES {
        let needs_user = route.acting == Acting::User;
        let mut parameters = path_parameters(route.path);
        if route.is_question() {
            parameters.extend(query_parameters(route.request, &parameters));
        }
        parameters.push(acting_parameter(needs_user));
        if !route.is_question() {
            parameters.push(key_parameter());
        }
        let mut operation = operation(route.path, &words(route.request), parameters, route.answer);
        let has_body = matches!(route.method, "POST" | "PUT" | "PATCH");
        if has_body && let Value::Object(operation) = &mut operation {
            operation.insert("requestBody".to_owned(), body(route.request, false));
        }
        add(route.method, route.path, operation);
    }
    let extras = [
        accounts::EXTRAS,
        groups::EXTRAS,
        import::EXTRAS,
        live::EXTRAS,
        sessions::EXTRAS,
        settings::EXTRAS,
    ];
    for extra in extras.into_iter().flatten() {
        let mut parameters = path_parameters(extra.path);
        let text = |name: &&str| parameter(name, "query", false, &json!({ "type": "string" }));
        parameters.extend(extra.query.iter().map(text));
        if extra.keyed {
            parameters.push(key_parameter());
        }
        let mut operation = operation(extra.path, extra.summary, parameters, extra.answer);
        if let Value::Object(operation) = &mut operation {
            if let Some(request) = extra.request {
                operation.insert("requestBody".to_owned(), body(request, true));
            }
            if !extra.secured {
                operation.insert("security".to_owned(), json!([{}, { "bearer": [] }]));
            }
        }
        add(extra.method, extra.path, operation);
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stoa: chat",
            "version": "1",
            "description": "Accounts, relations, groups, conversations and messages. Bodies are proto3 JSON of the chat socket's schema.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
        "security": [{ "bearer": [] }],
    })
}

fn operation(path: &str, summary: &str, parameters: Vec<Value>, answer: &str) -> Value {
    let tag = path.split('/').nth(2).unwrap_or_default();
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    json!({
        "tags": [tag],
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Done.",
                "content": { "application/json": { "schema": schema(answer) } },
            },
            "default": {
                "description": "Refused. `code` says why, `retry` when to try again.",
                "content": { "application/problem+json": { "schema": schema("Problem") } },
            },
        },
    })
}

fn body(request: &str, required: bool) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{request}") });
    json!({ "required": required, "content": { "application/json": { "schema": schema } } })
}

fn parameter(name: &str, place: &str, required: bool, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "required": required, "schema": schema })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| parameter(name, "path", true, &json!({ "type": "string" }))).collect()
}

fn query_parameters(request: &str, taken: &[Value]) -> Vec<Value> {
    static FIELDS: OnceLock<Fields> = OnceLock::new();
    let fields = FIELDS.get_or_init(fields).get(request);
    let is_taken = |name: &str| taken.iter().any(|other| other.get("name") == Some(&name.into()));
    let fields = fields.into_iter().flatten().filter(|(name, _)| !is_taken(name));
    let one = |(name, kind): (&String, &Kind)| match kind {
        Kind::Flag => parameter(name, "query", false, &json!({ "type": "boolean" })),
        Kind::Text => parameter(name, "query", false, &json!({ "type": "string" })),
        Kind::List => {
            let list = json!({ "type": "array", "items": { "type": "string" } });
            let mut parameter = parameter(name, "query", false, &list);
            if let Value::Object(parameter) = &mut parameter {
                parameter.insert("style".to_owned(), "form".into());
                parameter.insert("explode".to_owned(), false.into());
            }
            parameter
        }
    };
    fields.map(one).collect()
}

fn acting_parameter(needed: bool) -> Value {
    let parameter = parameter("as", "query", false, &json!({ "type": "string" }));
    let text = if needed {
        "The user in whose name a back end asks. Needed with its tokens, ignored with a user's own."
    } else {
        "The user in whose name a back end asks, if it does not ask on its own."
    };
    described(parameter, text)
}

fn described(mut parameter: Value, text: &str) -> Value {
    if let Value::Object(parameter) = &mut parameter {
        parameter.insert("description".to_owned(), text.into());
    }
    parameter
}

fn key_parameter() -> Value {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
    let text = "The same request with the same key, within ten minutes and at this node, gets the same answer; messages, groups and accounts are made once for good. The key with another request is refused with 1015.";
    described(parameter("Idempotency-Key", "header", false, &schema), text)
}

/// `FriendRequestList` as `Friend request list`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_ascii_uppercase() {
            words.push(' ');
            words.push(letter.to_ascii_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}
