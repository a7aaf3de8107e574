//! Connection strings of the database.

#[path = "../../../crates/store/src/conninfo.rs"]
#[expect(dead_code, reason = "its crate uses more of it")]
mod parts;

use parts::ConnInfo;

const SECRET: &str = "s3cr3t";

/// What libpq understands means the same to it when it is written from its parts, and is shown the same whatever the password
/// is. What it does not understand is refused without a word of it that may be a secret: `*` in the text stands for one.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let text = text.replace('*', SECRET);
    let mut info = match ConnInfo::parse(&text) {
        Ok(info) => info,
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(SECRET), "`{text}`: {shown}");
            return;
        }
    };
    let again =
        ConnInfo::parse(&info.to_dsn()).unwrap_or_else(|error| panic!("`{}`: {error}", info.to_dsn()));
    assert!(again == info, "`{text}` became `{}`", info.to_dsn());
    let shown = format!("{info} {info:?}");
    assert!(!shown.contains('\n') || text.contains('\n') || text.contains('%'), "{shown}");
    for keyword in ["password", "sslpassword", "passfile", "oauth_client_secret"] {
        if info.get(keyword).is_some() {
            info.set(keyword, "another");
            assert_eq!(format!("{info} {info:?}"), shown, "`{text}`: {keyword} is shown");
        }
    }
}
