//! Connection strings, taken apart by libpq's own rules.
#![expect(unsafe_code, reason = "libpq's parser is a C function")]

use std::{
    ffi::{CStr, CString},
    fmt::{self, Write as _},
    ptr,
};

use domain::uri_component;

/// A connection string that libpq cannot read. Shows nothing of what stands between quotes in libpq's words: it may be part of
/// a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the connection string of the database cannot be read: {0}; expected postgresql://user@host:port/database?key=value, \
     or key=value pairs as in `host=/run/x dbname=peng`"
)]
pub struct ConnInfoError(String);

/// A libpq URL or key-value string in its parts. Shows itself without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnInfo(Vec<(String, String)>);

impl ConnInfo {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// [`ConnInfoError`] for what libpq does not understand.
    pub fn parse(text: &str) -> Result<Self, ConnInfoError> {
        let text =
            CString::new(text).map_err(|_| ConnInfoError("it holds a character of code 0".to_owned()))?;
        let mut message = ptr::null_mut();
        // SAFETY: `text` ends with a zero and outlives the call; `message` is a place for one pointer.
        let options = unsafe { pq_sys::PQconninfoParse(text.as_ptr(), &raw mut message) };
        if options.is_null() {
            return Err(ConnInfoError(without_quoted(&owned(message))));
        }
        Ok(Self(parts(options)))
    }

    /// With all that libpq adds to it: from its variables (`PGPASSWORD`, `PGHOST` and so on), its service file, and its password
    /// file, for a client that reads none of them. libpq looks them up as it begins to connect, which is then given up.
    pub fn resolved(&self) -> Self {
        let Ok(dsn) = CString::new(self.to_dsn()) else { return self.clone() };
        // SAFETY: `dsn` ends with a zero and outlives the call; the connection is ended once, after the last look at it.
        unsafe {
            let conn = pq_sys::PQconnectStart(dsn.as_ptr());
            if conn.is_null() {
                return self.clone();
            }
            let mut resolved = Self(parts(pq_sys::PQconninfo(conn)));
            let password = pq_sys::PQpass(conn);
            if !password.is_null() && *password != 0 {
                resolved.set("password", CStr::from_ptr(password).to_string_lossy());
            }
            pq_sys::PQfinish(conn);
            resolved
        }
    }

    /// The value of a keyword, if it is given.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == keyword).map(|(_, value)| value.as_str())
    }

    /// Gives a keyword another value.
    pub fn set(&mut self, keyword: &str, value: impl Into<String>) {
        self.0.retain(|(key, _)| key != keyword);
        self.0.push((keyword.to_owned(), value.into()));
    }

    /// Gives a keyword a value where it has none.
    pub fn set_default(&mut self, keyword: &str, value: &str) {
        if self.get(keyword).is_none() {
            self.set(keyword, value);
        }
    }

    /// Keeps only some keywords.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// The whole as a key-value string, with its password: for a client library, never for people.
    pub fn to_dsn(&self) -> String {
        self.0.iter().fold(String::new(), |mut dsn, (key, value)| {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            let _ = write!(dsn, "{}{key}='{value}'", if dsn.is_empty() { "" } else { " " });
            dsn
        })
    }

    /// Hosts with their ports as given, in order; the port of a host that has none is empty.
    fn hosts(&self) -> Vec<(String, String)> {
        let list = |key| self.get(key).unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>();
        let (hosts, ports) =
            (list(if self.get("host").is_some() { "host" } else { "hostaddr" }), list("port"));
        let port = |i: usize| ports.get(i).or(ports.first()).cloned().unwrap_or_default();
        hosts.into_iter().enumerate().map(|(i, host)| (host, port(i))).collect()
    }
}

impl fmt::Display for ConnInfo {
    /// Who is asked for what: user, hosts, ports, database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.get("user").map_or_else(String::new, |user| format!("{}@", uri_component(user)));
        let database = uri_component(self.get("dbname").unwrap_or_default());
        let hosts = self.hosts();
        if hosts.iter().any(|(host, _)| host.starts_with('/')) {
            let host = uri_component(self.get("host").unwrap_or_default());
            let port = self.get("port").map_or_else(String::new, |port| format!("&port={port}"));
            return write!(f, "postgresql://{user}/{database}?host={host}{port}");
        }
        let place = |(host, port): &(String, String)| match port.as_str() {
            "" => host.clone(),
            port => format!("{host}:{port}"),
        };
        let places: Vec<_> = hosts.iter().map(place).collect();
        write!(f, "postgresql://{user}{}/{database}", places.join(","))
    }
}

impl fmt::Debug for ConnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnInfo({self})")
    }
}

/// Takes options over from libpq: those that have a value.
fn parts(options: *mut pq_sys::PQconninfoOption) -> Vec<(String, String)> {
    let (mut parts, mut next) = (Vec::new(), options);
    // SAFETY: libpq returns null for want of memory, else an array that ends with an option without a keyword; its strings live
    // until it is freed.
    unsafe {
        while !next.is_null() && !(*next).keyword.is_null() {
            if !(*next).val.is_null() {
                let text = |chars| CStr::from_ptr(chars).to_string_lossy().into_owned();
                parts.push((text((*next).keyword), text((*next).val)));
            }
            next = next.add(1);
        }
        pq_sys::PQconninfoFree(options);
    }
    parts
}

/// Takes a message over from libpq.
fn owned(message: *mut std::ffi::c_char) -> String {
    if message.is_null() {
        return "not enough memory".to_owned();
    }
    // SAFETY: libpq's message ends with a zero, and is freed once.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().trim().to_owned();
        pq_sys::PQfreemem(message.cast());
        text
    }
}

fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}…{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Any text may stand in a part, and comes back from both forms of the string.
        #[test]
        fn parts_come_back_from_a_string(values in prop::collection::vec("[^\0]{1,12}", 4)) {
            let keywords = ["user", "password", "dbname", "options"];
            let mut info = ConnInfo::parse("host=h port=1").unwrap();
            let mut url = "postgresql:///?host=h&port=1".to_owned();
            for (keyword, value) in keywords.into_iter().zip(&values) {
                info.set(keyword, value);
                url += &format!("&{keyword}={}", uri_component(value));
            }
            let sorted = |info: &ConnInfo| {
                let mut parts = info.0.clone();
                parts.sort();
                parts
            };
            for text in [info.to_dsn(), url] {
                let again = ConnInfo::parse(&text).unwrap();
                prop_assert_eq!(sorted(&again), sorted(&info), "{}", text);
            }
            let shown = info.to_string();
            info.set("password", "another");
            prop_assert_eq!(info.to_string(), shown, "the password is shown");
        }
    }

    #[test]
    fn no_form_shows_its_password_and_each_keeps_it() {
        for (text, password, shown) in [
            ("postgres://u:s3cret@h:1/db", "s3cret", "postgresql://u@h:1/db"),
            ("postgres://h:1/db?user=u&password=s3cret", "s3cret", "postgresql://u@h:1/db"),
            ("host=h port=1 password='two words' dbname=db user=u", "two words", "postgresql://u@h:1/db"),
            ("host=h password = e dbname=db user=peer", "e", "postgresql://peer@h/db"),
            (
                "postgres://u:p%40s@h1:1,h2:2/db?target_session_attrs=read-write",
                "p@s",
                "postgresql://u@h1:1,h2:2/db",
            ),
            ("postgresql:///db?host=/run/x&user=u&password=it's", "it's", "postgresql://u@/db?host=/run/x"),
            (
                r"host='/run/a b&c=%20\'' user='u@v' password=x dbname=db",
                "x",
                "postgresql://u%40v@/db?host=/run/a%20b%26c%3D%2520%27",
            ),
        ] {
            let info = ConnInfo::parse(text).unwrap();
            assert_eq!((info.get("password"), info.to_string().as_str()), (Some(password), shown), "{text}");
            let again = ConnInfo::parse(&info.to_dsn()).unwrap();
            assert_eq!(again, info, "{text}: what a client gets is what was given");
        }
    }

    #[test]
    fn what_libpq_finds_in_a_file_is_found() {
        use std::{io::Write as _, os::unix::fs::PermissionsExt as _};
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"elsewhere:*:*:*:wrong\n127.0.0.1:1:db:u:two\\: words\n").unwrap();
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        let given = ConnInfo::parse(&format!(
            "host=127.0.0.1 port=1 dbname=db user=u passfile={}",
            file.path().display()
        ));
        let resolved = given.unwrap().resolved();
        assert_eq!(resolved.get("password"), Some("two: words"));
        assert_eq!(
            (resolved.get("host"), resolved.get("sslmode")),
            (Some("127.0.0.1"), Some("prefer")),
            "{resolved}"
        );
        let other = ConnInfo::parse("host=127.0.0.1 port=1 dbname=db user=u password=given").unwrap();
        assert_eq!(other.resolved().get("password"), Some("given"));
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        for text in ["host=h s3cret words", "postgres://u:s3cret%zz@h/db", "password='s3cret", "s3cret=1"] {
            let error = ConnInfo::parse(text).unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains("expected postgresql://"), "{error}");
        }
    }
}
