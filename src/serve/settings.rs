//! Where to listen, and for whom.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::address::{Address, AddressError, DEFAULT_PORT};

pub(crate) const BIND: &str = "PLUMBER_BIND";
pub(crate) const ALLOW_REMOTE: &str = "PLUMBER_ALLOW_REMOTE";
pub(crate) const TOKEN: &str = "PLUMBER_TOKEN";

/// What `PLUMBER_BIND` accepts.
pub(crate) const BIND_ACCEPTED: &str = "off, a host and a port such as 127.0.0.1:6669, a port \
                                        alone, or unix:/path/of/a.sock";

/// A token is to be kept secret, so it must not be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Where a process listens for those who want to watch it, and whom it lets in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Where to listen; `None` does not. `PLUMBER_BIND`, with `off` for none. Default:
    /// `127.0.0.1:6669`, where tokio-console looks; with the feature
    /// `console-subscriber`, whose layer listens there, `127.0.0.1:6670`.
    pub bind: Option<Address>,
    /// Whether an address that other machines can reach is accepted; it needs a token,
    /// too. `PLUMBER_ALLOW_REMOTE`. Default: `false`.
    pub allow_remote: bool,
    /// What a client must show, at least 16 characters. `PLUMBER_TOKEN`. Default: `None`,
    /// nothing. tokio-console cannot show one.
    pub token: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let port = DEFAULT_PORT + u16::from(cfg!(feature = "console-subscriber"));
        Self {
            bind: Some(Address::Tcp {
                host: "127.0.0.1".to_owned(),
                port,
            }),
            allow_remote: false,
            token: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("bind", &self.bind)
            .field("allow_remote", &self.allow_remote)
            // Not the token itself: this may end in a log.
            .field("token", &self.token.is_some())
            .finish()
    }
}

impl Settings {
    /// Whether an address may be listened at with these settings. It is known by its
    /// number, so nothing can change between this question and the listening.
    ///
    /// # Errors
    ///
    /// Where it may not.
    pub(super) fn accept(&self, place: &Place) -> io::Result<()> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if let Some(token) = &self.token
            && token.chars().count() < SHORTEST_TOKEN
        {
            return refuse(format!(
                "the token ({TOKEN}) is too short: at least {SHORTEST_TOKEN} characters are needed"
            ));
        }
        let remote = match place {
            Place::Tcp(address) => !address.ip().is_loopback(),
            Place::Unix(_) => false,
        };
        if remote && !self.allow_remote {
            return refuse(format!(
                "other machines can reach {place}: that needs {ALLOW_REMOTE}=on and a {TOKEN}"
            ));
        }
        if remote && self.token.is_none() {
            return refuse(format!(
                "other machines can reach {place}: that needs a {TOKEN}"
            ));
        }
        Ok(())
    }
}

/// Where to listen, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Place {
    /// Asks nobody what a name stands for: that may take long, and say one thing now and
    /// another one later.
    ///
    /// # Errors
    ///
    /// Where an address is a name.
    pub(super) fn of(address: &Address) -> io::Result<Self> {
        let (host, port) = match address {
            Address::Unix(path) => return Ok(Self::Unix(path.clone())),
            Address::Tcp { host, port } => (host.as_str(), *port),
        };
        let ip = match host {
            "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            _ => host.parse(),
        };
        let ip = ip.map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host} is a name: to listen, give a number such as 127.0.0.1"),
            )
        });
        Ok(Self::Tcp(SocketAddr::new(ip?, port)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What `PLUMBER_BIND` says.
pub(crate) fn bind_from(value: &str) -> Result<Option<Address>, AddressError> {
    match value {
        "off" => Ok(None),
        _ => value.parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(bind: &str) -> Settings {
        Settings {
            bind: bind_from(bind).unwrap(),
            ..Settings::default()
        }
    }

    fn accepted(settings: &Settings) -> Result<(), String> {
        let bind = settings.bind.clone().unwrap();
        let place = Place::of(&bind).and_then(|place| settings.accept(&place));
        place.map_err(|error| error.to_string())
    }

    #[test]
    fn loopback_and_unix_need_nothing() {
        for bind in ["127.0.0.1:0", "localhost:0", "[::1]:0", "unix:/tmp/x.sock"] {
            assert_eq!(accepted(&at(bind)), Ok(()), "{bind}");
        }
        assert_eq!(
            accepted(&at("example.org:1")).unwrap_err(),
            "example.org is a name: to listen, give a number such as 127.0.0.1"
        );
        assert_eq!(bind_from("off"), Ok(None));
        assert!(bind_from("a b").is_err());
    }

    #[test]
    fn other_machines_need_permission_and_a_token() {
        let mut settings = at("0.0.0.0:6669");
        assert_eq!(
            accepted(&settings).unwrap_err(),
            "other machines can reach 0.0.0.0:6669: that needs PLUMBER_ALLOW_REMOTE=on and a \
             PLUMBER_TOKEN"
        );
        settings.allow_remote = true;
        assert_eq!(
            accepted(&settings).unwrap_err(),
            "other machines can reach 0.0.0.0:6669: that needs a PLUMBER_TOKEN"
        );
        settings.token = Some("fifteen letters".to_owned());
        let error = accepted(&settings).unwrap_err();
        assert!(
            error.ends_with("at least 16 characters are needed"),
            "{error}"
        );
        settings.token = Some("a token of enough letters".to_owned());
        assert_eq!(accepted(&settings), Ok(()));
        settings.allow_remote = false;
        assert!(accepted(&settings).is_err());
    }

    #[test]
    fn a_token_is_not_printed() {
        let mut settings = at("off");
        settings.token = Some("secret".to_owned());
        let debug = format!("{settings:?}");
        assert!(
            debug.ends_with("token: true }") && !debug.contains("secret"),
            "{debug}"
        );
    }
}
