//! Where a URL leads to, which is told by what was parsed: a text that begins with `http://localhost` may
//! lead anywhere.

use url::{Host, Url};

/// Tells whether a URL leads to this machine. Names below `localhost` do not count: not every resolver
/// keeps them here.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Tells whether what is sent to a URL is hidden on its way, or stays on this machine.
pub fn keeps_secrets(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_here_is_here() {
        let is_here = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in [
            "http://localhost",
            "http://LOCALHOST:80/x",
            "http://127.0.0.1:8080",
            "http://127.1.2.3/",
            "http://[::1]:1/",
            "http://someone@localhost/",
        ] {
            assert!(is_here(url), "{url}");
        }
        for url in [
            "http://localhost:x@elsewhere",
            "http://127.0.0.1@elsewhere/",
            "http://localhost.elsewhere",
            "http://127.0.0.1.elsewhere/",
            "http://127.elsewhere/",
            "http://[::2]/",
            "http://elsewhere/#@localhost",
            "file:///etc/passwd",
        ] {
            assert!(!is_here(url), "{url}");
        }
    }

    #[test]
    fn secrets_go_over_tls_or_nowhere() {
        let keeps = |url: &str| keeps_secrets(&Url::parse(url).unwrap());
        assert!(keeps("https://elsewhere") && keeps("http://[::1]:1/"));
        assert!(!keeps("http://elsewhere") && !keeps("ftp://localhost/"));
        assert!(!keeps("http://localhost:x@elsewhere"));
    }
}
