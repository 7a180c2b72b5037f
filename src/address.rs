//! Where a process can be attached to.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The port that tokio-console looks at by default.
pub const DEFAULT_PORT: u16 = 6669;

/// A place where a process listens: a TCP port, or a Unix socket.
///
/// ```
/// use tokio_plumber::Address;
///
/// for (text, means) in [
///     ("127.0.0.1:6670", "127.0.0.1:6670"),
///     ("localhost", "localhost:6669"),
///     ("6670", "127.0.0.1:6670"),
///     ("http://[::1]:6669/", "[::1]:6669"),
///     ("unix:/run/service.sock", "unix:/run/service.sock"),
/// ] {
///     assert_eq!(text.parse::<Address>().unwrap().to_string(), means);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A host, by name or number, and a port.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// Zero lets the operating system choose, where a process listens.
        port: u16,
    },
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Default for Address {
    /// `127.0.0.1:6669`, where tokio-console looks.
    fn default() -> Self {
        Self::Tcp {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no address: accepted is a host and a port such as 127.0.0.1:6669, a port \
             alone, or unix:/path/of/a.sock",
            self.0
        )
    }
}

impl std::error::Error for AddressError {}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text.trim()).ok_or_else(|| AddressError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        // `unix:///run/a` is a URI's way to write the same.
        let path = path.strip_prefix("//").unwrap_or(path);
        return (!path.is_empty()).then(|| Address::Unix(path.into()));
    }
    let text = text.strip_prefix("http://").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    // A number that is no port is no host either.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let host = "127.0.0.1".to_owned();
        let port = text.parse().ok()?;
        return Some(Address::Tcp { host, port });
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    let sound = !host.is_empty() && host.chars().all(is_name);
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    sound.then(|| Address::Tcp {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "",
            ":",
            "host:",
            "host:70000",
            "70000",
            "[::1",
            "[x]:1",
            "unix:",
            "a b:1",
            "::1",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            let expected = format!("{text:?} is no address: accepted is a host and a port");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn what_is_displayed_is_an_address_again() {
        for text in [
            "[::1]:6669",
            "example.org:1",
            "unix:/a/b.sock",
            "127.0.0.1:0",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}
